"""More metrics of masks: SimpleITK, MONAI, scikit-learn, cases by hand; regions that overlap and voxels that do not
count."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from tests.engine.metrics.test_segmentation import NAMES, SPACINGS, blobs
from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.metrics import build_metrics, comparison, comparison_scores, mask_scores
from wardround.engine.metrics.comparison import LabelComparison, RegionComparison
from wardround.engine.metrics.lesions import match
from wardround.engine.parts import Kind, builtin_and_plugins

ROWS = [part for part in builtin_and_plugins().parts(Kind.METRIC) if part.serves("segmentation") and not part.package]
FLAT = (1.0, 1.0)


def metric(name: str, **given: Any) -> Any:
    part = builtin_and_plugins().find(Kind.METRIC, name)
    return part.make(part.parameters(**given))


def scores(
    name: str, prediction: np.ndarray, truth: np.ndarray, spacing: Sequence[float] = (1.0, 1.0, 1.0), **given: Any
) -> dict[str, float]:
    found: dict[str, float] = metric(name, **given).scores(prediction, truth, spacing, NAMES)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_rates_of_voxels_are_scikit_learns(seed: int) -> None:
    prediction, truth = blobs(seed), blobs(seed + 100)
    for index, label in enumerate(NAMES[1:], start=1):
        found, known = (prediction == index).ravel(), (truth == index).ravel()
        for name, expected in (
            ("jaccard", reference.jaccard_score(known, found)),
            ("sensitivity", reference.recall_score(known, found)),
            ("specificity", reference.recall_score(~known, ~found)),
            ("precision", reference.precision_score(known, found)),
            ("mcc", reference.matthews_corrcoef(known, found)),
        ):
            assert scores(name, prediction, truth)[f"{name}.{label}"] == pytest.approx(expected), name


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("seed", range(2))
def test_volumes_and_the_largest_distance_are_simpleitks(seed: int, spacing: tuple[float, ...]) -> None:
    import SimpleITK as sitk  # noqa: N813

    prediction, truth = blobs(seed), blobs(seed + 100)
    measures, hausdorff = sitk.LabelOverlapMeasuresImageFilter(), sitk.HausdorffDistanceImageFilter()
    images = [sitk.GetImageFromArray(labels) for labels in (prediction, truth)]
    for image in images:
        image.SetSpacing(spacing[::-1])
    measures.Execute(images[1], images[0])
    for index, label in enumerate(NAMES[1:], start=1):
        similarity = 1 - abs(measures.GetVolumeSimilarity(index)) / 2  # ITK's is 2 (a - b) / (a + b)
        found = scores("volume_similarity", prediction, truth)[f"volume_similarity.{label}"]
        assert found == pytest.approx(similarity)
        sizes = [np.count_nonzero(labels == index) * math.prod(spacing) / 1000 for labels in (prediction, truth)]
        found = scores("volume_error", prediction, truth, spacing)[f"volume_error.{label}"]
        assert found == pytest.approx(abs(sizes[0] - sizes[1]))
        hausdorff.Execute(*(image == index for image in images))
        found = scores("hd100", prediction, truth, spacing)[f"hd100.{label}"]
        assert found == pytest.approx(hausdorff.GetHausdorffDistance(), rel=1e-5)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_the_average_surface_distance_is_monais(spacing: tuple[float, ...]) -> None:
    import torch
    from monai.metrics import compute_average_surface_distance

    prediction, truth = blobs(1), blobs(2)
    one_hot = [torch.from_numpy(np.stack([labels == k for k in range(3)])[None]) for labels in (prediction, truth)]
    theirs = compute_average_surface_distance(*one_hot, symmetric=True, spacing=spacing)[0].tolist()
    found = scores("assd", prediction, truth, spacing)
    assert [found[f"assd.{name}"] for name in NAMES[1:]] == pytest.approx(theirs)


EMPTY = np.zeros((4, 5, 3), np.uint8)
WORST = {
    "hd95": None,
    "hd100": None,
    "assd": None,
    "volume_error": 0.004,
    "lesion_count_error": 1.0,
    "specificity": None,
}
"""What a metric says of a class that only one has, where that is not 0; None for what depends on the case."""


@pytest.mark.parametrize("part", ROWS, ids=lambda part: part.name)
def test_a_class_that_neither_has_is_left_out_and_one_that_is_missed_or_invented_is_not(part: Any) -> None:
    made, one = part.make(part.parameters()), EMPTY.copy()
    one[1:3, 1:3, 1] = 1
    assert made.scores(EMPTY, EMPTY, (1.0, 1.0, 1.0), NAMES) == {}
    assert {*made.scores(one, one, (1.0, 1.0, 1.0), NAMES)} == {part.name, f"{part.name}.anterior"}
    for pair in ((EMPTY, one), (one, EMPTY)):
        found = made.scores(*pair, (1.0, 1.0, 1.0), NAMES)
        assert {*found} == {part.name, f"{part.name}.anterior"}
        expected = WORST.get(part.name, 0.0)
        assert expected is None or found[part.name] == pytest.approx(expected)


def test_specificity_counts_what_is_invented() -> None:
    one = EMPTY.copy()
    one[0, 0, :] = 1
    assert scores("specificity", one, EMPTY)["specificity"] == pytest.approx(57 / 60)
    assert scores("specificity", EMPTY, one)["specificity"] == 1
    assert scores("specificity", one + 1, np.ones_like(EMPTY)) == {
        "specificity": pytest.approx(57 / 60), "specificity.posterior": pytest.approx(57 / 60),
    }  # fmt: skip


@pytest.mark.parametrize("part", ROWS, ids=lambda part: part.name)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 999))
def test_regions_that_do_not_overlap_score_as_classes_do(part: Any, seed: int) -> None:
    prediction, truth = (labels[:, :, 3] for labels in (blobs(seed), blobs(seed + 1)))
    made, spacing = part.make(part.parameters()), (0.5, 2.0)
    regions = [np.stack([labels == k for k in (1, 2)]).astype(np.uint8) for labels in (prediction, truth)]
    expected = made.scores(prediction, truth, spacing, NAMES)
    assert made.compare(RegionComparison(*regions, spacing, NAMES[1:])) == pytest.approx(expected)


@pytest.mark.parametrize("part", ROWS, ids=lambda part: part.name)
def test_voxels_that_do_not_count_change_nothing(part: Any) -> None:
    made = part.make(part.parameters())
    prediction, truth = blobs(0), blobs(7)
    valid = np.random.default_rng(0).random(truth.shape) < 0.8
    first = LabelComparison(prediction, truth, (1.0, 1.0, 1.0), NAMES, valid)
    other = LabelComparison(np.where(valid, prediction, 1), np.where(valid, truth, 2), (1.0, 1.0, 1.0), NAMES, valid)
    found = made.compare(first)
    assert made.compare(other) == found
    stacked = (np.stack([labels == k for k in (1, 2)]) for labels in (prediction, truth))
    assert made.compare(RegionComparison(*stacked, (1.0, 1.0, 1.0), NAMES[1:], valid)) == pytest.approx(found)
    if part.name == "specificity":
        known, claimed = (truth == 1)[valid], (prediction == 1)[valid]
        assert found["specificity.anterior"] == pytest.approx(reference.recall_score(~known, ~claimed))


def test_regions_may_overlap() -> None:
    whole, core = np.zeros((6, 6), bool), np.zeros((6, 6), bool)
    whole[1:5, 1:5], core[2:4, 2:4] = True, True
    truth = np.stack([whole, core])
    prediction = np.stack([whole, whole])
    found = metric("dice").compare(RegionComparison(prediction, truth, FLAT, ("whole", "core")))
    assert found == {"dice": pytest.approx(0.7), "dice.whole": 1.0, "dice.core": pytest.approx(0.4)}


def test_distances_are_found_once_for_all_that_need_them(monkeypatch: pytest.MonkeyPatch) -> None:
    study = study_of(
        changed(SEGMENTATION, validation={"metrics": ["hd95", "hd100", "assd", "nsd", "dice"], "select": "dice"})
    )
    metrics, calls = build_metrics(study), []
    real = comparison.surface_distances
    monkeypatch.setattr(comparison, "surface_distances", lambda *given: calls.append(1) or real(*given))
    truth = blobs(0)
    found = mask_scores(study, metrics, truth, truth, (1.0, 1.0, 1.0))
    assert len(calls) == len([name for name in found if name.startswith("hd95.")]) == len(study.class_names) - 1


class Plain:
    """A metric of an older package, which knows label maps alone."""

    name = "dice"

    def scores(
        self, prediction: np.ndarray, truth: np.ndarray, spacing: Sequence[float], class_names: Sequence[str]
    ) -> dict[str, float]:
        found: dict[str, float] = metric("dice").scores(prediction, truth, spacing, class_names)
        return found


def test_metrics_that_know_label_maps_alone_are_asked_region_by_region() -> None:
    study = study_of(changed(SEGMENTATION, validation={"metrics": ["dice"], "select": "dice"}))
    random = np.random.default_rng(0)
    regions = random.random((2, len(study.outputs), 6, 5, 4)) < 0.5
    valid = random.random((6, 5, 4)) < 0.7
    compared = comparison.RegionComparison(*regions, (1.0, 1.0, 1.0), study.outputs, valid)
    ours = comparison_scores(study, build_metrics(study), compared)
    assert comparison_scores(study, (Plain(),), compared) == pytest.approx(ours)


def test_shapes_that_differ_are_refused() -> None:
    masks = np.zeros((2, 4, 5), bool)
    for wrong in (masks[:1], masks[:, :3]):
        with pytest.raises(ValueError, match="a prediction of shape"):
            RegionComparison(wrong, masks, FLAT, ("a", "b"))
    with pytest.raises(ValueError, match="of shape"):
        RegionComparison(masks, masks, FLAT, ("a", "b"), masks[0, :3])
    with pytest.raises(ValueError, match="of shape"):
        LabelComparison(masks[0], masks[0], FLAT, NAMES, masks[0, :3])


def lesions(*boxes: tuple[slice, slice]) -> np.ndarray:
    """A flat mask of some boxes."""
    mask = np.zeros((30, 30), np.uint8)
    for box in boxes:
        mask[box] = 1
    return mask


FIRST, SECOND, THIRD = np.s_[2:6, 2:6], np.s_[2:6, 20:24], np.s_[20:24, 2:4]
INVENTED = np.s_[25:27, 25:27]


def test_each_lesion_counts_alike() -> None:
    truth = lesions(FIRST, SECOND, THIRD)
    prediction = lesions(FIRST, np.s_[2:6, 20:22], INVENTED)
    expected = (1 + 2 * 8 / (16 + 8) + 0 + 0) / 4
    names = NAMES[:2]
    assert metric("lesion_dice").scores(prediction, truth, FLAT, names)["lesion_dice"] == pytest.approx(expected)
    assert metric("lesion_f1").scores(prediction, truth, FLAT, names)["lesion_f1"] == pytest.approx(4 / 6)
    assert metric("lesion_count_error").scores(prediction, truth, FLAT, names)["lesion_count_error"] == 0
    small = metric("lesion_dice", least_volume=10.0).scores(prediction, truth, FLAT, names)
    assert small["lesion_dice"] == pytest.approx((1 + 2 / 3) / 3), "the third is left out"


def test_near_parts_are_one_lesion_by_their_distance_in_mm() -> None:
    truth = lesions(np.s_[2:4, 2:4], np.s_[2:4, 8:10])
    prediction = lesions(np.s_[2:4, 2:4])
    for spacing, distance, expected in (
        (FLAT, 3.0, 2 * 4 / (8 + 4)),
        (FLAT, 1.0, 0.5),
        ((1.0, 2.0), 3.0, 0.5),
        ((1.0, 2.0), 5.0, 2 * 4 / (8 + 4)),
    ):
        found = metric("lesion_dice", distance=distance).scores(prediction, truth, spacing, NAMES[:2])
        assert found["lesion_dice"] == pytest.approx(expected), (spacing, distance)


def test_a_part_over_two_lesions_belongs_to_both_and_one_beside_a_lesion_is_not_invented() -> None:
    truth = lesions(FIRST, SECOND)
    bridge = lesions(np.s_[2:6, 2:24])
    found = match(bridge.astype(bool), truth.astype(bool), FLAT, 1.0, 1.0)
    assert found.dice.tolist() == [pytest.approx(2 * 16 / (16 + 88))] * 2
    assert found.invented == 0
    beside = match(lesions(np.s_[2:6, 7:8]).astype(bool), lesions(FIRST).astype(bool), FLAT, 3.0, 1.0)
    assert (beside.dice.tolist(), beside.invented, beside.missed) == ([0.0], 0, 1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9999), st.floats(0.05, 0.4), st.sampled_from([0.0, 1.0, 2.5]))
def test_lesions_are_matched_as_the_slow_way_does(seed: int, filled: float, distance: float) -> None:
    from scipy import ndimage

    random = np.random.default_rng(seed)
    found, expected = (random.random((12, 9)) < filled * random.random() for _ in range(2))
    if not (found.any() or expected.any()):
        return
    near = expected if not distance else ndimage.distance_transform_edt(~expected) <= distance
    zones, many = ndimage.label(near if expected.any() else expected, np.ones((3, 3)))
    parts, predicted = ndimage.label(found, np.ones((3, 3)))
    dice, used = [], set()
    for zone in range(1, many + 1):
        lesion = (zones == zone) & expected
        touching = {int(part) for part in np.unique(parts[zones == zone])} - {0}
        used |= touching
        theirs = np.isin(parts, list(touching))
        dice.append(2 * np.count_nonzero(lesion & theirs) / (np.count_nonzero(lesion) + np.count_nonzero(theirs)))
    ours = match(found, expected, FLAT, distance, 1.0)
    assert ours.dice.tolist() == pytest.approx(dice)
    assert ours.invented == predicted - len(used)
