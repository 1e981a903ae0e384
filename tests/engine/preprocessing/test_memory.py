"""Preprocessing by blocks gives, to the last bit, what the plain formulas give, in twelve bytes a voxel."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks import big_cases
from tests.support.images import oblique_geometry
from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.basics import blocks
from wardround.engine.imaging import Image
from wardround.engine.parts.preprocessing import Rescale, ZNormalize
from wardround.engine.preprocessing import Pipeline, Sample
from wardround.engine.preprocessing.steps import RescaleStep, ZNormalizeStep

SHAPE = (64, 96, 80)
VOXELS = int(np.prod(SHAPE))
STEPS = {
    "orient": {"orient": "LAS"},
    "resample": {"resample": [1.1, 1.2, 2.0]},
    "resize": {"resize": [70, 90, 80]},
    "clip": {"clip": {"low": 0, "high": 200}},
    "z_normalize": "z_normalize",
    "z_normalize nonzero": {"z_normalize": {"within": "nonzero"}},
    "rescale": {"rescale": {"percentiles": [1, 99]}},
    "rescale source": {"rescale": {"source": [0, 200]}},
    "resample coarse": {"resample": {"spacing": [1.1, 1.2, 4.0], "coarse_axis": "nearest"}},
    "crop_foreground": {"crop_foreground": {"above": 150}},
    "center_crop": {"center_crop": [60, 90, 80]},
    "pad": {"pad": {"size": [70, 96, 82], "padding": "minimum"}},
    "z_normalize otsu": {"z_normalize": "otsu"},
    "z_normalize mean": {"z_normalize": "mean"},
    "robust_normalize": "robust_normalize",
    "clip_percentiles": {"clip_percentiles": {"within": "nonzero"}},
    "threshold": {"threshold": {"low": 50, "high": 150}},
    "histogram_equalization": "histogram_equalization",
    "adaptive_histogram_equalization": "adaptive_histogram_equalization",
    "histogram_matching": {"histogram_matching": {"percentiles": [1, 50, 99], "values": [0, 40, 100]}},
    "white_stripe": "white_stripe",
    "normalize_by_value": {"normalize_by_value": {"mean": 100, "deviation": 30}},
    "median_filter": "median_filter",
    "gaussian_smooth": "gaussian_smooth",
}


def _values(seed: int, size: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    values = random.normal(-200, 300, (size, 7, 11)).astype(np.float32)
    values[random.random(values.shape) < 0.3] = 0
    return values


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(0, 99), st.booleans())
def test_z_normalisation_has_the_bits_of_the_plain_formula(size: int, seed: int, nonzero: bool) -> None:
    values = _values(seed, size)
    step = ZNormalizeStep(ZNormalize(within="nonzero" if nonzero else "all"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(blocks, "BLOCK", 256)
        found = step.apply(Sample(Image(values[None], oblique_geometry(values.shape)), None)).image.data[0]
    inside = values != 0 if nonzero else np.ones(values.shape, bool)
    chosen = values[inside].astype(np.float64)
    expected = np.zeros_like(values)
    expected[inside] = (chosen - chosen.mean()) / chosen.std()
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(0, 99), st.floats(0, 49), st.floats(51, 100))
def test_rescaling_has_the_bits_of_the_plain_formula(size: int, seed: int, low: float, high: float) -> None:
    values = _values(seed, size)
    start, end = np.percentile(values.astype(np.float64), (low, high))
    assume(start < end)
    step = RescaleStep(Rescale(low=-1, high=2, percentiles=(low, high)))
    found = step.apply(Sample(Image(values[None], oblique_geometry(values.shape)), None)).image.data[0]
    unit = (values.astype(np.float64) - start) / (end - start)
    np.testing.assert_array_equal(found, np.clip(-1 + unit * 3, -1, 2).astype(np.float32))


@pytest.mark.parametrize("name", STEPS)
def test_no_step_needs_more_than_twelve_bytes_a_voxel(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 1 << 14)
    pipeline = Pipeline(study_of(changed(SEGMENTATION, preprocessing=[STEPS[name]])))
    random = np.random.default_rng(0)
    pipeline.apply(_sample(random, (8, 8, 8)))  # imports
    tracemalloc.start()
    try:
        held = [_sample(random, SHAPE)]
        tracemalloc.reset_peak()
        out = pipeline.apply(held.pop()).image.data
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= 12 * max(VOXELS, out.size)


def _sample(random: np.random.Generator, shape: tuple[int, ...]) -> Sample:
    image = random.normal(100, 30, (1, *shape)).astype(np.float32)
    return Sample(Image(image, oblique_geometry(shape)), random.integers(0, 3, shape).astype(np.uint8))


@pytest.mark.parametrize("name", ["prepare", "resampled"])
def test_a_builder_needs_at_most_twelve_bytes_a_voxel(tmp_path: Path, name: str) -> None:
    """In a process of its own, where ITK's memory counts as well: file, mask, steps and writing together."""
    shape = (256, 256, 140)
    cases = [big_cases.write_case(tmp_path, "case", shape, 3)]
    tiny = [big_cases.write_case(tmp_path, "tiny", (40, 40, 40), 3)]
    found = big_cases.figure(name, cases, tiny, tmp_path / "store", shape)
    assert found is not None
    assert found.per_voxel <= 12
