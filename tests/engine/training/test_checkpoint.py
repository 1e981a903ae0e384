"""A checkpoint is whole or it is not used; the one before it takes its place."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from wardround.engine.training.checkpoint import (
    Checkpoint,
    Position,
    load_checkpoint,
    previous_path,
    remove_checkpoint,
    save_checkpoint,
)


def _checkpoint(step: int, identity: str = "work") -> Checkpoint:
    position = Position(identity=identity, step=step, loss_sum=0.1 * step, counted=step, note={"best": [step, 0.3]})
    return Checkpoint(position, {"a": torch.full((3,), float(step))}, {"000000/step": torch.tensor(float(step))})


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c", _checkpoint(7))
    found = load_checkpoint(tmp_path / "c", "work")
    assert found is not None
    assert found.position == _checkpoint(7).position
    assert torch.equal(found.model["a"], torch.full((3,), 7.0))
    assert torch.equal(found.optimizer["000000/step"], torch.tensor(7.0))


def test_there_may_be_none_or_one_of_other_work(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "c", "work") is None
    save_checkpoint(tmp_path / "c", _checkpoint(7, "other"))
    assert load_checkpoint(tmp_path / "c", "work") is None


def test_a_damaged_checkpoint_gives_way_to_the_one_before_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "c"
    save_checkpoint(path, _checkpoint(3))
    save_checkpoint(path, _checkpoint(4))
    content = bytearray(path.read_bytes())
    content[-1] ^= 255
    path.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        found = load_checkpoint(path, "work")
    assert found is not None
    assert found.position.step == 3
    assert "damaged" in caplog.text
    assert (tmp_path / "c.damaged").exists()
    save_checkpoint(path, _checkpoint(4))
    again = load_checkpoint(path, "work")
    assert again is not None
    assert again.position.step == 4


def test_a_crash_between_the_two_renames_leaves_the_previous_one(tmp_path: Path) -> None:
    path = tmp_path / "c"
    save_checkpoint(path, _checkpoint(3))
    path.replace(previous_path(path))
    found = load_checkpoint(path, "work")
    assert found is not None
    assert found.position.step == 3


def test_a_whole_file_of_another_kind_is_no_checkpoint(tmp_path: Path) -> None:
    from wardround.engine.training.weights import write_tensors

    write_tensors(tmp_path / "c", {}, {"step": 3})
    assert load_checkpoint(tmp_path / "c", "work") is None


def test_removing_takes_both(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c", _checkpoint(1))
    save_checkpoint(tmp_path / "c", _checkpoint(2))
    remove_checkpoint(tmp_path / "c")
    assert list(tmp_path.iterdir()) == []
