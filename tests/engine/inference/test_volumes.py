"""Probabilities by class come back as they were given, from memory or from a file without a name."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from wardround.engine.inference import class_volumes, volumes


@pytest.mark.parametrize("held", [0, 1 << 30])
def test_each_class_comes_back_and_no_file_is_left(tmp_path: Path, held: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "HELD", held)
    whole = torch.rand(7, 4, 5, 3)
    with class_volumes(3, (7, 4, 5), tmp_path) as kept:
        assert isinstance(kept, volumes.HeldVolumes if held else volumes.FiledVolumes)
        for first, last in ((0, 3), (3, 4), (4, 7)):
            kept.put(first, whole[first:last])
        for index in (2, 0, 1, 0):
            np.testing.assert_array_equal(kept.volume(index), whole[..., index].numpy())
        assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def _full(descriptor: int, start: int, size: int) -> None:
    os.ftruncate(descriptor, size)
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("system", ["full disk", "no such call", "no folder for temporary files"])
def test_without_room_for_a_file_they_are_held_in_memory_alone(
    system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """macOS has no `posix_fallocate`; a disk that is full part of the way has given room that must go back."""
    monkeypatch.setattr(volumes, "HELD", 0)
    made: list[Any] = []
    real = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **options: made.append(real(**options)) or made[-1])
    if system == "full disk":
        monkeypatch.setattr(os, "posix_fallocate", _full)
    elif system == "no such call":
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    folder = tmp_path / "missing" if system == "no folder for temporary files" else tmp_path
    with class_volumes(2, (3, 4), folder) as kept:
        assert isinstance(kept, volumes.HeldVolumes)
        assert all(file.closed for file in made)
        kept.put(0, torch.ones(3, 4, 2))
        assert kept.volume(1).sum() == 12
    assert len(made) == (0 if folder != tmp_path else 1)
