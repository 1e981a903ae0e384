"""Metrics of masks whose mean is that of some classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.inspection.selection import selects
from wardround.engine.metrics import build_metrics, mask_scores
from wardround.engine.study import Study

SPACING = (1.0, 1.0, 1.0)
NAMES = ("dice", "jaccard", "volume_similarity", "nsd", "hd95", "hd100", "assd", "volume_error")
LESIONS = ("lesion_dice", "lesion_f1", "lesion_count_error")


def _study(**parameters: Any) -> Study:
    metrics = [{name: parameters} if parameters else name for name in (*NAMES, *LESIONS)]
    return study_of(changed(SEGMENTATION, validation={"metrics": metrics, "select": "dice"}))


def _scores(study: Study, seed: int = 0, classes: int = 3) -> dict[str, float]:
    random = np.random.default_rng(seed)
    found, truth = (random.integers(0, classes, (6, 7, 5)).astype(np.uint8) for _ in range(2))
    return mask_scores(study, build_metrics(study), found, truth, SPACING)


def test_the_mean_is_that_of_the_chosen_and_each_class_is_scored() -> None:
    every, one = _scores(_study()), _scores(_study(classes=["right"]))
    for name in (*NAMES, *LESIONS):
        assert one[name] == every[f"{name}.right"]
        assert every[name] == pytest.approx((every[f"{name}.left"] + every[f"{name}.right"]) / 2)
    assert {name: value for name, value in one.items() if "." in name} == {
        name: value for name, value in every.items() if "." in name
    }
    assert _scores(_study(classes=["left", "right"])) == every


def test_it_is_undefined_where_the_chosen_class_is() -> None:
    found = _scores(_study(classes=["right"]), classes=2)
    assert "dice.left" in found
    assert "dice" not in found
    study = _study(classes=["right"])
    assert not selects(study, [(0, 1)])
    assert selects(study, [(0, 2)])
    assert selects(_study(), [(0, 1)])


def test_regions_are_chosen_by_their_names() -> None:
    content = changed(
        SEGMENTATION, classes=None, validation={"metrics": [{"dice": {"classes": ["core"]}}], "select": "dice"}
    )
    study = study_of(content | {"regions": {"whole": [1, 2], "core": 1}})
    found = _scores(study)
    assert found["dice"] == found["dice.core"] != found["dice.whole"]


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        (["lef"], "no class or region 'lef'"),
        (["background"], "no class or region 'background'"),
        (["left", "left"], "a class stands twice"),
        ("left", "classes"),
    ],
)
def test_classes_that_make_no_sense_are_refused(classes: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        _study(classes=classes)


def test_without_a_choice_a_study_is_what_it_was() -> None:
    assert "classes" not in _study().model_dump()["validation"]["metrics"][0]["parameters"]
