"""Metrics of images against scikit-image and numpy, and where they are not defined."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from wardround.engine.metrics.images import NCCMetric, PSNRMetric, SSIMMetric
from wardround.engine.parts.metrics.images import NCC, PARTS, PSNR, SSIM

RANDOM = np.random.default_rng(0)
TRUTH = RANDOM.random((2, 14, 13, 12)).astype(np.float32) * 4
FOUND = (TRUTH + RANDOM.normal(0, 0.3, TRUTH.shape)).astype(np.float32)
NAMES = ("t1", "t2")
SPACING = (1.0, 1.0, 1.0)


@pytest.mark.parametrize("data_range", [None, 4.0])
def test_scores_are_scikit_images(data_range: float | None) -> None:
    ssim = SSIMMetric(SSIM(data_range=data_range)).scores(FOUND, TRUTH, SPACING, NAMES)
    psnr = PSNRMetric(PSNR(data_range=data_range)).scores(FOUND, TRUTH, SPACING, NAMES)
    ncc = NCCMetric(NCC()).scores(FOUND, TRUTH, SPACING, NAMES)
    for name, one, other in zip(NAMES, FOUND.astype(np.float64), TRUTH.astype(np.float64), strict=True):
        width = data_range or float(np.ptp(other))
        theirs = structural_similarity(
            one, other, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=width
        )
        assert ssim[f"ssim.{name}"] == pytest.approx(theirs)
        assert psnr[f"psnr.{name}"] == pytest.approx(peak_signal_noise_ratio(other, one, data_range=width))
        assert ncc[f"ncc.{name}"] == pytest.approx(np.corrcoef(one.ravel(), other.ravel())[0, 1])
    assert ssim["ssim"] == pytest.approx((ssim["ssim.t1"] + ssim["ssim.t2"]) / 2)


def test_the_truth_scores_best_within_the_bounds() -> None:
    for part in PARTS:
        metric = part.make(part.parameters())
        best = metric.scores(TRUTH, TRUTH, SPACING, NAMES)[part.name]
        assert best == pytest.approx({"ssim": 1.0, "psnr": 200.0, "ncc": 1.0}[part.name])
        for scale in (-1.0, 0.5, 1e9):
            found = metric.scores(scale * FOUND, TRUTH, SPACING, NAMES)[part.name]
            assert part.bounds.hold(found)
            assert found < best


def test_what_is_not_defined_is_left_out() -> None:
    flat = np.ones((1, 12, 12), np.float32)
    other = RANDOM.random((1, 12, 12))
    assert SSIMMetric(SSIM()).scores(other, flat, SPACING[:2], NAMES[:1]) == {}
    assert PSNRMetric(PSNR()).scores(other, flat, SPACING[:2], NAMES[:1]) == {}
    assert NCCMetric(NCC()).scores(other, flat, SPACING[:2], NAMES[:1]) == {}
    assert SSIMMetric(SSIM()).scores(other[:, :10], other[:, :10], SPACING[:2], NAMES[:1]) == {}
    assert {*PSNRMetric(PSNR(data_range=1.0)).scores(other, flat, SPACING[:2], NAMES[:1])} == {"psnr", "psnr.t1"}
    with pytest.raises(ValueError, match="a prediction of shape"):
        NCCMetric(NCC()).scores(other, flat[:, 1:], SPACING[:2], NAMES[:1])
