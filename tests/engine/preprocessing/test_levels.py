"""Intensities of each case against numpy and scikit-image, and on cases that have nothing to tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from skimage import exposure, filters

from tests.support.images import oblique_geometry
from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.basics import blocks
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging import Image
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.preprocessing import Pipeline, Sample

SHAPE = (17, 14, 12)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A channel has several blocks, so that what is done to one and not to another shows."""
    monkeypatch.setattr(blocks, "BLOCK", 500)


def _head(seed: int = 0) -> np.ndarray:
    """Air of a little noise about 0, a body about 100, and some very bright voxels; the border is 0."""
    random = np.random.default_rng(seed)
    values = random.normal(0, 4, SHAPE)
    values[3:-3, 3:-3, 3:-3] += 100 + random.normal(0, 15, (11, 8, 6))
    values.ravel()[random.integers(0, values.size, 4)] = 900
    values[0] = 0
    return values.astype(np.float32)


def _applied(step: Any, *channels: np.ndarray) -> np.ndarray:
    names = ["a", "b", "c"][: len(channels)]
    study = study_of(changed(SEGMENTATION, preprocessing=[step], inputs=names))
    sample = Sample(Image(np.stack(channels), oblique_geometry(channels[0].shape)), None)
    return Pipeline(study).apply(sample).image.data


@pytest.mark.parametrize("within", ["positive", "mean", "otsu", "nonzero"])
@pytest.mark.parametrize("outside", ["zero", "normalized", None])
def test_z_normalisation_within_some_voxels(within: str, outside: str | None) -> None:
    values = _head()
    exact = values.astype(np.float64)
    chosen = {
        "positive": exact > 0,
        "mean": exact > exact.mean(),
        "otsu": values > filters.threshold_otsu(values),
        "nonzero": exact != 0,
    }[within]
    expected = (exact - exact[chosen].mean()) / exact[chosen].std()
    if outside == "zero" or (outside is None and within == "nonzero"):
        expected[~chosen] = 0
    step = {"z_normalize": {"within": within, **({} if outside is None else {"outside": outside})}}
    found = _applied(step, values, -values * 2 + 50)[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_equal_values_are_told_whatever_their_mean_is_rounded_to() -> None:
    for value in (0.1, 1 / 3, 7.7, 1e-3, -123.456):
        with pytest.raises(InputError, match="without contrast"):
            _applied("z_normalize", np.full((31, 13, 7), value, np.float32))
    barely = np.full((31, 13, 7), 1000.1, np.float32)
    barely[0, 0, 0] = np.nextafter(np.float32(1000.1), np.float32(2000))
    assert np.isfinite(_applied("z_normalize", barely)).all()


def test_percentiles_of_a_case_limit_it() -> None:
    values = _head()
    found = _applied({"clip_percentiles": [2, 98]}, values)[0]
    np.testing.assert_allclose(found, values.clip(*np.percentile(values.astype(np.float64), (2, 98))), rtol=1e-6)
    inside = values[values != 0].astype(np.float64)
    found = _applied({"clip_percentiles": {"percentiles": [2, 98], "within": "nonzero"}}, values)[0]
    expected = np.where(values == 0, 0, values.clip(*np.percentile(inside, (2, 98))))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    zeros = np.zeros(SHAPE, np.float32)
    assert not _applied({"clip_percentiles": {"within": "nonzero"}}, zeros).any()


def test_thresholds() -> None:
    values = _head()
    found = _applied({"threshold": {"low": 50, "high": 120, "value": -1}}, values)[0]
    np.testing.assert_array_equal(found, np.where((values < 50) | (values > 120), -1, values))
    found = _applied({"threshold": {"low": None, "high": 120}}, values)[0]
    np.testing.assert_array_equal(found, np.where(values > 120, 0, values))
    for wrong in ({"low": None}, {"low": 3, "high": 3}):
        with pytest.raises(ValueError, match=r"no threshold|not below"):
            _applied({"threshold": wrong}, values)


def test_a_known_range_is_mapped_alike_in_every_case() -> None:
    values = _head() * 20 - 1000
    found = _applied({"rescale": {"source": [-1000, 1000], "low": -1}}, values)[0]
    np.testing.assert_allclose(found, (values / 1000).clip(-1, 1), atol=1e-6)
    flat = np.full(SHAPE, 500, np.float32)
    np.testing.assert_allclose(_applied({"rescale": {"source": [0, 1000]}}, flat), 0.5)
    for wrong in ({"source": [1, 1]}, {"source": [0, 1], "percentiles": [1, 99]}):
        with pytest.raises(ValueError, match=r"not below|each say"):
            _applied({"rescale": wrong}, values)


def test_median_and_quartiles() -> None:
    values = _head()
    for within, chosen in (("all", values == values), ("nonzero", values != 0)):
        first, median, third = np.percentile(values[chosen].astype(np.float64), (25, 50, 75))
        expected = np.where(chosen, (values - median) / (third - first), 0)
        np.testing.assert_allclose(_applied({"robust_normalize": within}, values)[0], expected, atol=1e-5)
    bright = values.copy()
    bright[5, 5, 5:8] = 1e6
    found = _applied("robust_normalize", bright)[0]
    assert abs(found - _applied("robust_normalize", values)[0])[values < 90].max() < 0.05


def test_equalisation_is_that_of_scikit_image() -> None:
    values = _head()
    for bins in (16, 256):
        found = _applied({"histogram_equalization": {"bins": bins}}, values)[0]
        np.testing.assert_allclose(found, exposure.equalize_hist(values.astype(np.float64), nbins=bins), atol=1e-6)


@pytest.mark.parametrize("shape", [(96, 120), (40, 32, 24)])
def test_adaptive_equalisation_agrees_with_scikit_image(shape: tuple[int, ...]) -> None:
    """Both round and spread what was clipped in ways of their own; where contrast is, they agree."""
    random = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(random.normal(size=shape), 3)
    values = (smooth * (1 + np.linspace(0, 9, shape[0]).reshape(-1, *[1] * (len(shape) - 1)))).astype(np.float32)
    scaled = (values - values.min()) / np.ptp(values)
    kernel = [side // 4 for side in shape]
    oracle = exposure.equalize_adapthist(scaled.astype(np.float64), kernel_size=kernel, clip_limit=0.05)
    study = study_of(
        changed(
            SEGMENTATION,
            preprocessing=[{"adaptive_histogram_equalization": {"tiles": 4, "clip": 0.05}}],
            model={"name": "unet", "dimensions": len(shape)},
            patches={"size": [16] * len(shape)},
        )
    )
    found = Pipeline(study).apply(Sample(Image(values[None], plain_geometry(shape)), None)).image.data[0]
    assert 0 <= found.min() < found.max() <= 1
    assert np.corrcoef(found.ravel(), oracle.ravel())[0, 1] > 0.985
    plain = (values - values.min()) / np.ptp(values)
    assert np.corrcoef(plain.ravel(), oracle.ravel())[0, 1] < 0.96  # and that is no matter of course
    local = [float(image[: shape[0] // 8].std() / image.std()) for image in (plain, found)]
    assert local[1] > 2 * local[0]  # the faint end has become as rich as the rest


def test_one_tile_without_a_limit_is_plain_equalisation() -> None:
    values = _head()
    whole = {"adaptive_histogram_equalization": {"tiles": 1, "clip": 1.0}}
    found, plain = _applied(whole, values)[0], _applied("histogram_equalization", values)[0]
    assert abs(found - plain).max() < 0.35  # one bin holds that many
    order = np.argsort(values, axis=None)
    assert (np.diff(found.ravel()[order]) >= 0).all()


def test_percentiles_become_the_values_of_the_reference() -> None:
    values = np.random.default_rng(4).gamma(2, 30, SHAPE).astype(np.float32) + 1
    percentiles, reference = [0, 10, 50, 90, 100], [-2.0, 0.0, 3.0, 10.0, 11.0]
    found = _applied({"histogram_matching": {"percentiles": percentiles, "values": reference}}, values)[0]
    np.testing.assert_allclose(np.percentile(found.astype(np.float64), percentiles), reference, atol=2e-2)
    own = np.percentile(values.astype(np.float64), percentiles)
    np.testing.assert_allclose(found, np.interp(values, own, reference), atol=1e-4)
    other = np.random.default_rng(5).normal(500, 90, SHAPE)
    shares = np.linspace(0, 100, 51)
    step = {"histogram_matching": {"percentiles": shares.tolist(), "values": np.percentile(other, shares).tolist()}}
    oracle = exposure.match_histograms(values.astype(np.float64), other)
    assert abs(_applied(step, values)[0] - oracle).mean() < 3  # of a spread of 90


def test_a_plateau_is_mapped_to_one_value() -> None:
    values = _head()
    values[:8] = 5
    step = {"histogram_matching": {"percentiles": [1, 20, 30, 90, 99], "values": [0, 10, 20, 90, 100]}}
    found = _applied(step, values)[0]
    assert np.isfinite(found).all()
    assert len(np.unique(found[:8])) == 1
    for wrong in ({"percentiles": [1, 1], "values": [0, 1]}, {"percentiles": [1, 2, 3], "values": [0, 1]}):
        with pytest.raises(ValueError, match=r"do not grow|one value"):
            _applied({"histogram_matching": wrong}, values)


@pytest.mark.parametrize("contrast", ["T1", "T2"])
def test_white_matter_has_mean_0_and_deviation_1(contrast: str) -> None:
    """A brain of three tissues whose numbers are known; in the other contrast white matter is the darkest."""
    random = np.random.default_rng(0)
    tissue = random.choice(3, (40, 40, 30), p=[0.15, 0.35, 0.5])
    middles = np.array([200.0, 450, 700] if contrast == "T1" else [900.0, 600, 350])
    values = random.normal(middles[tissue], 25)
    values[:6] = 0
    found = _applied({"white_stripe": contrast}, values.astype(np.float32))[0]
    white = found[6:][tissue[6:] == 2]
    assert abs(white.mean()) < 0.8  # of a stripe whose deviation is a seventh of that of white matter
    assert not found[:6].any()
    # The stripe is a tenth of all voxels, a fifth of white matter: a narrow part of its middle, as published.
    scaled = _applied({"white_stripe": contrast}, (values * 3.7).astype(np.float32))[0]
    np.testing.assert_allclose(scaled, found, atol=0.02)  # the unit of the scanner is gone
    mixed = np.sign(middles[1] - middles[2]) * found[6:][tissue[6:] == 1].mean()
    assert mixed > 3


def test_smoothing_is_that_of_scipy_in_mm() -> None:
    values = _head()
    np.testing.assert_array_equal(_applied({"median_filter": 1}, values)[0], ndimage.median_filter(values, 3))
    found = _applied({"gaussian_smooth": 2.0}, values)[0]
    expected = ndimage.gaussian_filter(values, [2 / step for step in (1.0, 1.2, 2.0)], mode="nearest")
    np.testing.assert_allclose(found, expected, atol=1e-3)


NORMALIZING = [
    "z_normalize",
    {"z_normalize": "nonzero"},
    {"z_normalize": "positive"},
    {"z_normalize": "mean"},
    {"z_normalize": "otsu"},
    "robust_normalize",
    {"robust_normalize": "nonzero"},
    "rescale",
    "histogram_equalization",
    "adaptive_histogram_equalization",
    {"histogram_matching": {"percentiles": [1, 99], "values": [0, 1]}},
    {"histogram_matching": {"percentiles": [1, 99], "values": [0, 1], "within": "nonzero"}},
    "white_stripe",
]


@pytest.mark.parametrize("step", NORMALIZING, ids=str)
@pytest.mark.parametrize("value", [0, 7.7])
def test_a_channel_of_one_value_is_told_with_its_number(step: Any, value: float) -> None:
    with pytest.raises(InputError, match=r"channel 2 of 2.*(without contrast|no contrast)"):
        _applied(step, _head(), np.full(SHAPE, value, np.float32))


def test_histograms_of_more_tiles_than_memory_holds_are_refused() -> None:
    step = {"adaptive_histogram_equalization": {"tiles": 64, "bins": 4096}}
    with pytest.raises(ValueError, match="histograms of all tiles"):
        study_of(changed(SEGMENTATION, preprocessing=[step]))
