"""The measurement of dense inference compares ways that give equal labels, and these are what the network means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import dense_inference as bench
from wardround.engine.imaging import read_image
from wardround.engine.study.sections import Inference


@pytest.fixture
def problem(tmp_path: Path) -> bench.Problem:
    """A volume in which the two ways put their windows at different places."""
    bench.write_volume(tmp_path / "volume.nii", (21, 26, 18))
    return bench.Problem(tmp_path / "volume.nii", 40, (12, 12, 12), Inference(overlap=0.5, batch_size=2))


def test_both_ways_give_the_class_of_the_nearest_intensity(problem: bench.Problem) -> None:
    intensities = read_image(problem.volume).data[0]
    middles = (np.arange(40) + bench.MIDDLE) / 40
    expected = np.abs(intensities[..., None].astype(np.float64) - middles).argmin(axis=-1)
    assert len(np.unique(expected)) > 20
    network = bench.network_of(40)
    with torch.inference_mode():
        for way in (bench.wardround, bench.monai):
            np.testing.assert_array_equal(way(problem, network), expected)


def test_no_intensity_lies_so_near_to_two_classes_that_rounding_decides() -> None:
    levels = torch.arange(bench.LEVELS) / bench.LEVELS
    best = bench.network_of(40)(levels.reshape(1, 1, -1, 1, 1)).flatten(2)[0].topk(2, dim=0).values
    assert (best[0] - best[1]).min() > 1e-2


def test_the_ratio_is_ours_over_theirs_by_medians() -> None:
    found = {
        "wardround": [bench.Outcome(1.0, peak, "a") for peak in (10, 90, 20)],
        "monai": [bench.Outcome(2.0, peak, "a") for peak in (40, 50, 1000)],
    }
    assert bench.ratio(found, lambda each: each.peak) == 0.4
    assert bench.ratio(found, lambda each: each.seconds) == 0.5


def test_labels_that_differ_or_a_goal_that_is_missed_fail(capsys: pytest.CaptureFixture[str]) -> None:
    def told(ours: int, labels: str) -> int:
        found = {"wardround": [bench.Outcome(1.0, ours, labels)], "monai": [bench.Outcome(1.0, 100, "a")]}
        return bench.tell(found, None)

    assert (told(60, "a"), told(61, "a"), told(60, "b")) == (0, 1, 1)
    assert "DIFFER" in capsys.readouterr().out
