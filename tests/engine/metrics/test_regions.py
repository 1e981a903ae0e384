"""Scores of regions and of masks with voxels that do not count, against the metrics on binary masks."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.metrics import build_metrics, mask_scores
from wardround.engine.metrics.segmentation import DiceMetric, HD95Metric
from wardround.engine.parts.metrics import HD95, Dice
from wardround.engine.study import Study

REGIONS = {"whole": [1, 2, 4], "core": [1, 4], "enhancing": 4}
MEASURED = {"metrics": ["dice", "hd95", "nsd"], "select": "dice"}
SPACING = (1.0, 2.0, 0.5)


def regions_study(**changes: object) -> Study:
    return study_of(changed(SEGMENTATION, classes=None, validation=MEASURED) | {"regions": REGIONS} | changes)


def masks(indices: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    found, truth = (random.integers(0, indices, (6, 7, 5)).astype(np.uint8) for _ in range(2))
    return found, truth


def test_each_region_is_scored_as_a_mask_of_its_own() -> None:
    study = regions_study()
    found, truth = masks(4)
    scores = mask_scores(study, build_metrics(study), found, truth, SPACING)
    values = np.array([0, 1, 2, 4])
    for name, each in REGIONS.items():
        pair = [np.isin(values[mask], each).astype(np.uint8) for mask in (found, truth)]
        one = DiceMetric(Dice()).scores(*pair, SPACING, ("background", name))  # type: ignore[call-arg]
        other = HD95Metric(HD95()).scores(*pair, SPACING, ("background", name))  # type: ignore[call-arg]
        assert scores[f"dice.{name}"] == one["dice"]
        assert scores[f"hd95.{name}"] == other["hd95"]
    assert scores["dice"] == pytest.approx(np.mean([scores[f"dice.{name}"] for name in REGIONS]))
    assert {name.partition(".")[0] for name in scores} == {"dice", "hd95", "nsd"}
    assert len(scores) == 3 * (1 + len(REGIONS))


def test_a_region_that_neither_has_is_left_out() -> None:
    study = regions_study()
    mask = np.zeros((4, 4, 4), np.uint8)
    mask[:2] = 2  # value 2, which lies in the whole alone
    scores = mask_scores(study, build_metrics(study), mask, mask, SPACING)
    assert scores["dice"] == scores["dice.whole"] == 1
    assert "dice.core" not in scores
    assert mask_scores(study, build_metrics(study), mask * 0, mask * 0, SPACING) == {}


@pytest.mark.parametrize("regions", [True, False])
def test_what_is_ignored_changes_no_score(regions: bool) -> None:
    study = regions_study(ignore=255) if regions else study_of({**SEGMENTATION, "ignore": 255})
    found, truth = masks(study.mask_indices - 1)
    truth[2:4] = study.ignored_class or 0
    metrics = build_metrics(study)
    scores = mask_scores(study, metrics, found, truth, SPACING)
    for other in (0, 1, 2):
        found[2:4] = other
        assert mask_scores(study, metrics, found, truth, SPACING) == scores
    there = np.ones(6, bool)
    there[2:4] = False
    alone = mask_scores(study, metrics, found[there], truth[there], SPACING)
    assert scores["dice"] == pytest.approx(alone["dice"])
    assert found.max() < (study.ignored_class or 0), "the maps that were given stay as they were"
    assert (truth == study.ignored_class).any()
