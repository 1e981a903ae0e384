"""Scoring a long case with many classes needs a window's depth of probabilities, not the volume's."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import big_cases


def test_scoring_with_forty_classes_holds_no_volume_of_probabilities(tmp_path: Path) -> None:
    """160 bytes a voxel are the probabilities alone; of 384 planes a window holds 32: 13 bytes a voxel.

    The bound allows for three times that, and for 6 of image and labels: 37 were measured, and no trace of
    allocations says how they divide.
    """
    shape = (384, 96, 96)
    cases = [big_cases.write_case(tmp_path, "many", shape, 40)]
    tiny = [big_cases.write_case(tmp_path, "tiny", (40, 40, 40), 40)]
    found = big_cases.figure("evaluate 40", cases, tiny, tmp_path / "store", shape, window=32)
    assert found is not None
    assert found.per_voxel <= 3 * 4 * 40 * 32 / 384 + 6


@pytest.mark.slow
def test_a_resampled_prediction_with_forty_classes_holds_one_class_at_a_time(tmp_path: Path) -> None:
    """The file's grid has 1.56 times the voxels of the stored one, so all probabilities are 102 bytes a voxel."""
    assert _peak(tmp_path, "back 40") <= 70


@pytest.mark.slow
def test_a_loss_that_needs_the_volume_costs_one_copy_of_it(tmp_path: Path) -> None:
    """160 bytes a voxel are one copy; 8 the truth; two windows' depth of the planes, and image and labels."""
    assert _peak(tmp_path, "whole 40") <= 160 + 8 + 3 * 4 * 40 * 32 / 384 + 6


def _peak(folder: Path, name: str) -> float:
    shape = (384, 96, 96)
    cases = [big_cases.write_case(folder, "many", shape, 40)]
    tiny = [big_cases.write_case(folder, "tiny", (40, 40, 40), 40)]
    found = big_cases.figure(name, cases, tiny, folder / "store", shape, window=32)
    assert found is not None
    return found.per_voxel
