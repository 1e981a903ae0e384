"""Surface and overlap metrics: brute force, SimpleITK, MONAI, cases by hand, properties."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wardround.engine.metrics.segmentation import DiceMetric, HD95Metric, NSDMetric, surface
from wardround.engine.parts.metrics import HD95, NSD, Dice

NAMES = ("background", "anterior", "posterior")
SPACINGS = [(1.0, 1.0, 1.0), (0.5, 1.25, 3.0)]


def blobs(seed: int, shape: tuple[int, ...] = (14, 12, 10)) -> np.ndarray:
    """A label map of two smooth, touching classes."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.arange(size) for size in shape), indexing="ij"))
    labels = np.zeros(shape, np.uint8)
    for index in (1, 2):
        centre = rng.uniform(4, 8, len(shape)).reshape(-1, *(1,) * len(shape))
        labels[((grid - centre) ** 2).sum(0) < rng.uniform(6, 14)] = index
    return labels


def slow_surface(mask: np.ndarray) -> np.ndarray:
    """Coordinates of voxels with a face neighbour that is outside the mask or the array."""
    points = []
    for point in np.argwhere(mask):
        for axis, step in itertools.product(range(mask.ndim), (-1, 1)):
            neighbour = point.copy()
            neighbour[axis] += step
            beyond = (neighbour < 0).any() or (neighbour >= mask.shape).any()
            if beyond or not mask[tuple(neighbour)]:
                points.append(point)
                break
    return np.array(points)


def slow_distances(first: np.ndarray, second: np.ndarray, spacing: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of surface voxels."""
    a, b = (slow_surface(mask) * np.asarray(spacing) for mask in (first, second))
    pairs = np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))
    return pairs.min(1), pairs.min(0)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("seed", range(4))
def test_surface_metrics_equal_brute_force(seed: int, spacing: tuple[float, ...]) -> None:
    prediction, truth = blobs(seed), blobs(seed + 100)
    hd95 = HD95Metric(HD95()).scores(prediction, truth, spacing, NAMES)
    nsd = NSDMetric(NSD(tolerance=1.3)).scores(prediction, truth, spacing, NAMES)
    for index, name in enumerate(NAMES[1:], start=1):
        there, back = slow_distances(prediction == index, truth == index, spacing)
        assert hd95[f"hd95.{name}"] == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)))
        assert nsd[f"nsd.{name}"] == pytest.approx(np.mean(np.concatenate([there, back]) <= 1.3))


@pytest.mark.parametrize("seed", range(4))
def test_dice_equals_simpleitks(seed: int) -> None:
    import SimpleITK as sitk  # noqa: N813

    prediction, truth = blobs(seed), blobs(seed + 100)
    measures = sitk.LabelOverlapMeasuresImageFilter()
    measures.Execute(sitk.GetImageFromArray(truth), sitk.GetImageFromArray(prediction))
    scores = DiceMetric(Dice()).scores(prediction, truth, (1, 1, 1), NAMES)
    for index, name in enumerate(NAMES[1:], start=1):
        assert scores[f"dice.{name}"] == pytest.approx(measures.GetDiceCoefficient(index))
    assert scores["dice"] == pytest.approx((scores["dice.anterior"] + scores["dice.posterior"]) / 2)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_surface_metrics_equal_monais(spacing: tuple[float, ...]) -> None:
    import torch
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

    prediction, truth = blobs(1), blobs(2)
    one_hot = [
        torch.from_numpy(np.stack([labels == index for index in range(3)])[None]) for labels in (prediction, truth)
    ]
    theirs = compute_hausdorff_distance(*one_hot, percentile=95, spacing=spacing)[0].tolist()
    within = compute_surface_dice(*one_hot, class_thresholds=[1.0, 1.0], spacing=spacing)[0].tolist()
    hd95 = HD95Metric(HD95()).scores(prediction, truth, spacing, NAMES)
    nsd = NSDMetric(NSD(tolerance=1.0)).scores(prediction, truth, spacing, NAMES)
    assert [hd95[f"hd95.{name}"] for name in NAMES[1:]] == pytest.approx(theirs)
    assert [nsd[f"nsd.{name}"] for name in NAMES[1:]] == pytest.approx(within)


def test_two_voxels_are_as_far_apart_as_their_spacing_says() -> None:
    prediction, truth = np.zeros((9, 9, 9), np.uint8), np.zeros((9, 9, 9), np.uint8)
    prediction[1, 1, 1], truth[4, 5, 1] = 1, 1
    spacing = (2.0, 1.5, 7.0)
    assert HD95Metric(HD95()).scores(prediction, truth, spacing, NAMES)["hd95.anterior"] == pytest.approx(
        6 * np.sqrt(2)
    )
    for tolerance, expected in ((8.4, 0.0), (8.5, 1.0)):
        assert NSDMetric(NSD(tolerance=tolerance)).scores(prediction, truth, spacing, NAMES)["nsd"] == expected


def test_a_shifted_slab() -> None:
    prediction, truth = np.zeros((12, 12), np.uint8), np.zeros((12, 12), np.uint8)
    prediction[2:6], truth[3:7] = 1, 1
    assert DiceMetric(Dice()).scores(prediction, truth, (1, 1), NAMES)["dice"] == pytest.approx(36 * 2 / 96)
    assert HD95Metric(HD95()).scores(prediction, truth, (3.0, 1.0), NAMES)["hd95"] == pytest.approx(3.0)


def test_a_surface_is_thin_and_closed_at_the_border() -> None:
    assert surface(np.ones((5, 5, 5), bool)).sum() == 125 - 27
    assert surface(np.ones((1, 1), bool)).all()


ALL = (DiceMetric(Dice()), HD95Metric(HD95()), NSDMetric(NSD()))
EMPTY = np.zeros((4, 5, 3), np.uint8)


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_a_class_that_neither_has_is_left_out(metric: DiceMetric | HD95Metric | NSDMetric) -> None:
    one = EMPTY.copy()
    one[1:3, 1:3] = 2
    scores = metric.scores(one, one, (1, 1, 1), NAMES)
    assert set(scores) == {metric.name, f"{metric.name}.posterior"}
    assert scores[metric.name] == scores[f"{metric.name}.posterior"]
    assert metric.scores(EMPTY, EMPTY, (1, 1, 1), NAMES) == {}


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
@pytest.mark.parametrize("side", ["missed", "invented"])
def test_a_class_that_only_one_has_scores_worst(metric: DiceMetric | HD95Metric | NSDMetric, side: str) -> None:
    one = EMPTY.copy()
    one[1:3, 1:3] = 1
    pair = (EMPTY, one) if side == "missed" else (one, EMPTY)
    diagonal = np.sqrt((3 * 2.0) ** 2 + (4 * 1.0) ** 2 + (2 * 0.5) ** 2)
    expected = diagonal if metric.name == "hd95" else 0.0
    assert metric.scores(*pair, (2.0, 1.0, 0.5), NAMES)[f"{metric.name}.anterior"] == pytest.approx(expected)


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_equal_masks_score_best(metric: DiceMetric | HD95Metric | NSDMetric) -> None:
    best = 0.0 if metric.name == "hd95" else 1.0
    assert set(metric.scores(blobs(3), blobs(3), (1, 2, 3), NAMES).values()) == {best}


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.1, 10))
def test_scaling_the_spacing_scales_distances(seed: int, factor: float) -> None:
    prediction, truth, spacing = blobs(seed), blobs(seed + 1), np.array([0.7, 1.0, 2.0])
    small, large = (HD95Metric(HD95()).scores(prediction, truth, grid, NAMES) for grid in (spacing, spacing * factor))
    assert large == pytest.approx({name: value * factor for name, value in small.items()})
    overlap = DiceMetric(Dice())
    assert overlap.scores(prediction, truth, spacing, NAMES) == overlap.scores(prediction, truth, spacing * 3, NAMES)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_metrics_are_symmetric_and_independent_of_place_and_of_axes(seed: int) -> None:
    prediction, truth, spacing = blobs(seed), blobs(seed + 1), (0.5, 1.0, 2.0)
    for metric in ALL:
        scores = metric.scores(prediction, truth, spacing, NAMES)
        assert metric.scores(truth, prediction, spacing, NAMES) == pytest.approx(scores)
        turned = metric.scores(prediction.T, truth.T, spacing[::-1], NAMES)
        assert turned == pytest.approx(scores)
        if "hd95" not in scores or scores["hd95"] < 5:
            moved = (np.pad(labels, ((3, 1), (0, 2), (4, 0))) for labels in (prediction, truth))
            shifted = metric.scores(*moved, spacing, NAMES)
            both = all((labels == index).any() for labels in (prediction, truth) for index in (1, 2))
            assert not both or shifted == pytest.approx(scores)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="prediction of shape"):
        DiceMetric(Dice()).scores(EMPTY, EMPTY[1:], (1, 1, 1), NAMES)
