"""Metrics whose mean is that of some classes: of masks, and of cases against scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as reference

from tests.support.studies import CLASSIFICATION, MULTILABEL, SEGMENTATION, changed, study_of
from wardround.engine.inspection.selection import selects
from wardround.engine.metrics import Summary, build_metrics, cohort_scores, mask_scores
from wardround.engine.parts import Kind, builtin_and_plugins
from wardround.engine.study import Study

SPACING = (1.0, 1.0, 1.0)
OVERLAPS = ("dice", "jaccard", "volume_similarity", "sensitivity", "specificity", "precision", "mcc")
NAMES = (*OVERLAPS, "nsd", "hd95", "hd100", "assd", "volume_error")
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


OF_CASES = ("sensitivity", "specificity", "precision", "f1", "mcc", "balanced_accuracy", "auc", "average_precision")
GRADES = ("none", "mild", "grave")
RANDOM = np.random.default_rng(5)
TRUTH = RANDOM.integers(0, 3, 80)
VECTORS = (RANDOM.random((80, 3)) + 0.5 * np.eye(3)[TRUTH]).astype(np.float32)
VECTORS /= VECTORS.sum(1, keepdims=True)
FOUND = VECTORS.argmax(1)
LABELS = (VECTORS + RANDOM.normal(0, 0.2, (80, 3)) > 0.4).astype(float)


def _of_cases(name: str, classes: tuple[str, ...], vectors: np.ndarray, truths: np.ndarray) -> dict[str, Summary]:
    part = builtin_and_plugins().find(Kind.METRIC, name)
    names = GRADES[: vectors.shape[1]]
    return dict(part.make(part.parameters(classes=classes)).summarise(vectors, truths, names))


def _by_scikit_learn(name: str, places: list[int]) -> float:
    """Over the classes at these places."""
    counted = {"sensitivity": reference.recall_score, "precision": reference.precision_score, "f1": reference.f1_score}
    if name in counted:
        return float(counted[name](TRUTH, FOUND, labels=places, average="macro"))
    if name == "balanced_accuracy":
        return float(reference.recall_score(TRUTH, FOUND, labels=places, average="macro"))
    of_one = {
        "specificity": lambda truth, place: reference.recall_score(~truth, place != FOUND),
        "mcc": lambda truth, place: reference.matthews_corrcoef(truth, place == FOUND),
        "auc": lambda truth, place: reference.roc_auc_score(truth, VECTORS[:, place]),
        "average_precision": lambda truth, place: reference.average_precision_score(truth, VECTORS[:, place]),
    }[name]
    return float(np.mean([of_one(place == TRUTH, place) for place in places]))


@pytest.mark.parametrize("name", OF_CASES)
@pytest.mark.parametrize("places", [[2], [0, 2], [2, 1, 0]], ids=str)
def test_of_cases_the_mean_is_that_of_the_chosen_classes(name: str, places: list[int]) -> None:
    found = _of_cases(name, tuple(GRADES[place] for place in places), VECTORS, TRUTH)
    assert found[name].value == pytest.approx(_by_scikit_learn(name, places))
    if name != "balanced_accuracy":
        assert {*found} == {name, *(f"{name}.{grade}" for grade in GRADES)}


@pytest.mark.parametrize("name", OF_CASES)
def test_either_of_two_classes_or_both_can_be_looked_for(name: str) -> None:
    two, vectors = (TRUTH > 0).astype(int), np.stack([VECTORS[:, 0], 1 - VECTORS[:, 0]], 1)
    first, second, both = (_of_cases(name, each, vectors, two)[name] for each in (("none",), ("mild",), GRADES[:2]))
    assert both.value == pytest.approx((first.value + second.value) / 2)
    if name not in ("mcc", "auc"):
        assert first.value != second.value
    if name not in ("mcc", "balanced_accuracy"):
        assert second == _of_cases(name, (), vectors, two)[name], "what it is where none is chosen"


@pytest.mark.parametrize("name", OF_CASES)
def test_of_labels_one_chosen_is_its_own_score(name: str) -> None:
    every = _of_cases(name, (), VECTORS, LABELS)
    one = _of_cases(name, ("mild",), VECTORS, LABELS)
    assert one[name] == every[f"{name}.mild"] == one[f"{name}.mild"], "with its count and its interval"
    two = _of_cases(name, ("none", "grave"), VECTORS, LABELS)
    assert two[name].value == pytest.approx((every[f"{name}.none"].value + every[f"{name}.grave"].value) / 2)
    assert two[name].count == len(LABELS)


@pytest.mark.parametrize("name", OF_CASES)
def test_it_is_undefined_where_no_case_decides(name: str) -> None:
    alike = np.zeros(6, dtype=int)
    certain = np.eye(3, dtype=np.float32)[alike]
    found = _of_cases(name, ("mild",), certain, alike)
    assert (name in found) == (name == "specificity"), "all that is not mild is found not to be"


def _study_of_cases(base: dict[str, Any], **classes: list[str]) -> Study:
    metrics = [{name: {"classes": each}} for name, each in classes.items()]
    return study_of(changed(base, validation={"metrics": metrics, "select": next(iter(classes))}))


@pytest.mark.parametrize(
    ("base", "name", "told"),
    [
        (CLASSIFICATION, "malignent", "no class or label 'malignent'"),
        (MULTILABEL, "nodul", "no class or label 'nodul'"),
    ],
)
def test_classes_of_cases_are_those_of_the_study(base: dict[str, Any], name: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        _study_of_cases(base, f1=[name], auc=[name])
    assert str(caught.value).count("no class or label") == 2


def test_a_category_called_background_can_be_chosen_and_selects() -> None:
    base = changed(CLASSIFICATION, classes={"tumour": 0, "background": 1})
    study = _study_of_cases(base, f1=["background"], precision=["tumour", "background"])
    found = cohort_scores(study, build_metrics(study), np.eye(2, dtype=np.float32)[[0, 1, 1]], np.array([0, 1, 0]))
    assert found["f1"].value == found["f1.background"].value == pytest.approx(2 / 3)
    assert found["precision"].value == pytest.approx((1 + 0.5) / 2)
    assert selects(_study_of_cases(base, sensitivity=["tumour"]), [(0,), (0,)])
    assert not selects(_study_of_cases(base, sensitivity=["background"]), [(0,), (0,)])
