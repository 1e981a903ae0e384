"""Transforms of intensities and colours against their formulas, and against skimage."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.color import hed2rgb, hsv2rgb, rgb2hed, rgb2hsv

from wardround.engine.augmentation.colour import ColorJitterDrawn, ColorJitterTransform, HedDrawn, HedTransform
from wardround.engine.augmentation.intensity import (
    BrightnessDrawn,
    BrightnessTransform,
    ContrastDrawn,
    ContrastTransform,
    GammaDrawn,
    GammaTransform,
    NoiseDrawn,
    NoiseTransform,
)
from wardround.engine.augmentation.noise import (
    PoissonNoiseDrawn,
    PoissonNoiseTransform,
    RicianNoiseDrawn,
    RicianNoiseTransform,
)
from wardround.engine.augmentation.transform import DrawnT, IntensityTransform
from wardround.engine.parts.augmentation import (
    Brightness,
    ColorJitter,
    Contrast,
    Gamma,
    Hed,
    Noise,
    PoissonNoise,
    RicianNoise,
)


def _image(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def _after(transform: IntensityTransform[DrawnT], image: torch.Tensor, drawn: DrawnT) -> torch.Tensor:
    return transform.apply(image[None], None, [drawn])[0][0]


def test_brightness_multiplies_then_adds() -> None:
    image = _image(2, 9, 8)
    torch.testing.assert_close(
        _after(BrightnessTransform(Brightness()), image, BrightnessDrawn(1.3, -2.0)), image * 1.3 - 2
    )


@pytest.mark.parametrize("factor", [0.5, 1.8])
def test_contrast_stretches_about_the_mean_of_each_channel(factor: float) -> None:
    image = _image(2, 9, 8) + torch.tensor([0.0, 50.0]).reshape(2, 1, 1)
    mean = image.mean((1, 2), keepdim=True)
    free = _after(ContrastTransform(Contrast(limited=False)), image, ContrastDrawn(factor, False))
    torch.testing.assert_close(free, (image - mean) * factor + mean)
    limited = _after(ContrastTransform(Contrast()), image, ContrastDrawn(factor, True))
    torch.testing.assert_close(limited, free.clamp(image.amin((1, 2), True), image.amax((1, 2), True)))
    assert bool((limited != free).any()) is (factor > 1)


@pytest.mark.parametrize("inverted", [False, True])
def test_gamma_keeps_moments_or_bends_the_negative(inverted: bool) -> None:
    image = _image(2, 9, 8, 7)
    bent = _after(GammaTransform(Gamma()), image, GammaDrawn(1.4, inverted))
    sign = -1 if inverted else 1
    low, high = (sign * image).amin((1, 2, 3), True), (sign * image).amax((1, 2, 3), True)
    torch.testing.assert_close(bent, sign * (((sign * image - low) / (high - low)) ** 1.4 * (high - low) + low))
    kept = _after(GammaTransform(Gamma()), image, GammaDrawn(1.4, inverted, keeps_moments=True))
    torch.testing.assert_close(kept.mean((1, 2, 3)), image.mean((1, 2, 3)), atol=1e-5, rtol=0)
    torch.testing.assert_close(kept.std((1, 2, 3)), image.std((1, 2, 3)))
    assert torch.corrcoef(torch.stack([kept[0].flatten(), bent[0].flatten()]))[0, 1] > 0.9999


def test_what_gamma_draws_has_not_changed_for_studies_without_its_new_keys() -> None:
    random, again = np.random.default_rng(5), np.random.default_rng(5)
    drawn = GammaTransform(Gamma(probability=1)).draw(random, 3)
    again.random()
    assert drawn == GammaDrawn(float(np.exp(again.uniform(-0.3, 0.3))))


def test_noise_in_deviations_is_that_of_each_channel() -> None:
    image = torch.cat([_image(1, 32, 32, 32) * 100, _image(1, 32, 32, 32) * 0.1])
    added = _after(NoiseTransform(Noise(unit="deviation")), image, NoiseDrawn(0.5, 7, relative=True)) - image
    torch.testing.assert_close(added.std((1, 2, 3)), torch.tensor([50.0, 0.05]), rtol=0.03, atol=0)


def test_rician_noise_has_the_moments_of_its_distribution() -> None:
    image = torch.zeros(1, 64, 64, 64)
    image[:, :32] = 5.0
    noisy = _after(RicianNoiseTransform(RicianNoise()), image, RicianNoiseDrawn(0.5, 1))
    assert np.isclose(float(noisy[:, 32:].mean()), 0.5 * np.sqrt(np.pi / 2), rtol=0.01)  # Rayleigh where no signal is
    assert np.isclose(float(noisy[:, :32].mean()), np.sqrt(25 + 0.25), rtol=0.01)
    assert np.isclose(float(noisy[:, :32].std()), 0.5, rtol=0.03)


def test_poisson_noise_has_the_variance_of_its_counts() -> None:
    image = torch.zeros(1, 64, 64, 64) - 3
    image[:, :32] = 5.0
    noisy = _after(PoissonNoiseTransform(PoissonNoise()), image, PoissonNoiseDrawn(100.0, 1))
    assert torch.equal(noisy[:, 32:], image[:, 32:])
    assert np.isclose(float(noisy[:, :32].mean()), 5.0, rtol=0.01)
    assert np.isclose(float(noisy[:, :32].std()), 8 / np.sqrt(100), rtol=0.03)


@pytest.fixture
def rgb() -> torch.Tensor:
    """Colours from black to white, (3, rows, columns), of which some are grey."""
    made = torch.rand((3, 24, 20), generator=torch.Generator().manual_seed(0))
    made[:, 0, 0], made[:, 0, 1], made[:, 1] = 0, 1, made[:1, 1]
    return made


@pytest.mark.parametrize("turn", [0.05, -0.3, 0.5])
def test_a_hue_turns_as_skimages(rgb: torch.Tensor, turn: float) -> None:
    hsv = rgb2hsv(rgb.numpy().transpose(1, 2, 0))
    hsv[..., 0] = (hsv[..., 0] + turn) % 1
    found = _after(ColorJitterTransform(ColorJitter()), rgb, ColorJitterDrawn(1, 1, 1, turn, ()))
    np.testing.assert_allclose(found.numpy().transpose(1, 2, 0), hsv2rgb(hsv), atol=5e-6)


def test_saturation_contrast_and_brightness_are_their_formulas(rgb: torch.Tensor) -> None:
    grey = (torch.tensor([0.2989, 0.587, 0.114]).reshape(3, 1, 1) * rgb).sum(0, keepdim=True)
    transform = ColorJitterTransform(ColorJitter())
    for drawn, expected in (
        (ColorJitterDrawn(0.7, 1, 1, 0, ()), rgb * 0.7),
        (ColorJitterDrawn(1, 0.5, 1, 0, ()), rgb * 0.5 + grey.mean() * 0.5),
        (ColorJitterDrawn(1, 1, 0, 0, ()), grey.expand_as(rgb)),
        (ColorJitterDrawn(1, 1, 1.6, 0, ()), (rgb * 1.6 - grey * 0.6).clamp(0, 1)),
    ):
        torch.testing.assert_close(_after(transform, rgb, drawn), expected, atol=1e-5, rtol=0)
        scaled = _after(transform, rgb * 7 - 2, drawn)
        torch.testing.assert_close(scaled, expected * 7 - 2, atol=1e-4, rtol=0)


def test_stains_are_those_of_skimage() -> None:
    stains = np.random.default_rng(0).uniform(0.005, 0.08, (16, 12, 3))
    image = hed2rgb(stains)
    np.testing.assert_allclose(rgb2hed(image), stains, atol=1e-6)  # none is cut at 0 there
    drawn = HedDrawn((0.9, 1.2, 1.05), (0.01, 0.0, -0.002), (0.0, 1.0))
    found = _after(HedTransform(Hed()), torch.from_numpy(image.transpose(2, 0, 1)).float(), drawn)
    expected = hed2rgb(stains * drawn.factors + np.asarray(drawn.shifts))
    np.testing.assert_allclose(found.numpy().transpose(1, 2, 0), expected, atol=1e-5)


def test_values_beyond_black_and_white_are_cut(rgb: torch.Tensor) -> None:
    drawn = ColorJitterDrawn(1, 1, 1, 0.0, (0.25, 0.75))
    found = _after(ColorJitterTransform(ColorJitter()), rgb, drawn)
    torch.testing.assert_close(found, rgb.clamp(0.25, 0.75), atol=1e-5, rtol=0)
