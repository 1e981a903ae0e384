"""Scoring a long case with many classes needs a window's depth of probabilities, not the volume's."""

from __future__ import annotations

from pathlib import Path

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
