"""Counting, and measuring within each class's box, give the very numbers that whole masks give."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from wardround.engine.basics import blocks
from wardround.engine.metrics.segmentation import DiceMetric, HD95Metric, NSDMetric
from wardround.engine.parts.metrics import HD95, NSD, Dice

NAMES = ("background", "one", "two", "three")
SPACING = (0.7, 1.5, 2.0)
Score = Callable[[np.ndarray, np.ndarray], float]


def _distances(found: np.ndarray, expected: np.ndarray, spacing: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """The plain way, as a slow oracle: maps of distances over the whole image."""
    first, second = (mask & ~ndimage.binary_erosion(mask) for mask in (found, expected))
    to_second = ndimage.distance_transform_edt(~second, sampling=spacing)
    to_first = ndimage.distance_transform_edt(~first, sampling=spacing)
    return to_second[first], to_first[second]


def _plain(name: str, score: Score, prediction: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    pairs = ((label, prediction == index, truth == index) for index, label in enumerate(NAMES) if index)
    found = {label: score(a, b) for label, a, b in pairs if a.any() or b.any()}
    if not found:
        return {}
    return {name: sum(found.values()) / len(found), **{f"{name}.{key}": value for key, value in found.items()}}


def _dice(found: np.ndarray, expected: np.ndarray) -> float:
    return 2 * int(np.count_nonzero(found & expected)) / int(np.count_nonzero(found) + np.count_nonzero(expected))


def _hd95(found: np.ndarray, expected: np.ndarray) -> float:
    spacing = SPACING[: found.ndim]
    if not (found.any() and expected.any()):
        return math.hypot(*((size - 1) * step for size, step in zip(found.shape, spacing, strict=True)))
    return max(float(np.percentile(side, 95)) for side in _distances(found, expected, spacing))


def _nsd(found: np.ndarray, expected: np.ndarray) -> float:
    if not (found.any() and expected.any()):
        return 0.0
    return float(np.mean(np.concatenate(_distances(found, expected, SPACING[: found.ndim])) <= 1.0))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 15), min_size=2, max_size=3),
    st.integers(0, 999),
    st.sampled_from([np.uint8, np.uint16, np.int32, np.int64]),
    st.floats(0, 1),
)
def test_scores_are_those_of_whole_masks(shape: list[int], seed: int, kind: type[np.generic], emptiness: float) -> None:
    random = np.random.default_rng(seed)
    prediction, truth = (
        np.where(random.random(shape) < emptiness, 0, random.integers(0, 4, shape)).astype(kind) for _ in range(2)
    )
    spacing = SPACING[: len(shape)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(blocks, "BLOCK", 64)
        assert DiceMetric(Dice()).scores(prediction, truth, spacing, NAMES) == _plain("dice", _dice, prediction, truth)
    hd95, nsd = HD95Metric(HD95()), NSDMetric(NSD(tolerance=1.0))
    assert hd95.scores(prediction, truth, spacing, NAMES) == _plain("hd95", _hd95, prediction, truth)
    assert nsd.scores(prediction, truth, spacing, NAMES) == _plain("nsd", _nsd, prediction, truth)
