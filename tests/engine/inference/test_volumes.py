"""Probabilities by class come back as they were given, from memory or from a file without a name."""

from __future__ import annotations

import os
from pathlib import Path

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


def test_a_full_disk_leaves_them_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(volumes, "HELD", 0)
    monkeypatch.setattr(os, "posix_fallocate", full)
    with class_volumes(2, (3, 4), tmp_path) as kept:
        kept.put(0, torch.ones(3, 4, 2))
        assert kept.volume(1).sum() == 12
