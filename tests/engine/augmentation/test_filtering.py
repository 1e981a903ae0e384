"""Linear filters by matrices against scipy, torch, TorchIO and numpy's Fourier transforms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from scipy.ndimage import gaussian_filter

from wardround.engine.augmentation.along import along
from wardround.engine.augmentation.bias_field import BiasFieldDrawn, BiasFieldTransform, exponents
from wardround.engine.augmentation.filtering import (
    BlurDrawn,
    BlurTransform,
    LowResolutionDrawn,
    LowResolutionTransform,
    nearest,
)
from wardround.engine.augmentation.kspace import (
    GhostingDrawn,
    GhostingTransform,
    GibbsDrawn,
    GibbsTransform,
    MotionDrawn,
    MotionTransform,
    SpikeDrawn,
    SpikeTransform,
)
from wardround.engine.augmentation.spatial import SpatialDrawn, resampling
from wardround.engine.augmentation.transform import DrawnT, IntensityTransform
from wardround.engine.parts.augmentation import BiasField, Blur, Ghosting, Gibbs, LowResolution, Motion, Spike

SHAPES = [(17, 40, 12), (35, 70)]


def _image(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.randn((2, *shape), generator=torch.Generator().manual_seed(3))


def _after(transform: IntensityTransform[DrawnT], image: torch.Tensor, drawn: DrawnT) -> np.ndarray:
    return transform.apply(image[None], None, [drawn])[0][0].numpy()


def test_a_banded_product_is_that_of_the_whole_matrix() -> None:
    random = np.random.default_rng(0)
    for side, rows in ((70, 70), (40, 100), (5, 33)):
        weights = random.normal(size=(rows, side)).astype(np.float32)
        near = np.abs(np.arange(rows)[:, None] * side / rows - np.arange(side)) < 4
        for matrix in (weights * near, weights, weights * 0):
            for axis in range(3):
                shape = [6, 7, 8]
                shape[axis] = side
                image = _image(tuple(shape))
                expected = np.moveaxis(np.tensordot(matrix, image.numpy(), (1, axis + 1)), 0, axis + 1)
                np.testing.assert_allclose(along(image, axis, matrix).numpy(), expected, atol=2e-5)


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.7, 12.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_blur_is_scipys(shape: tuple[int, ...], sigma: float) -> None:
    image = _image(shape)
    expected = [gaussian_filter(channel.astype(np.float64), sigma, mode="reflect") for channel in image.numpy()]
    np.testing.assert_allclose(_after(BlurTransform(Blur()), image, BlurDrawn(sigma)), expected, atol=5e-6)


@pytest.mark.parametrize("scale", [0.5, 0.63, 0.05])
@pytest.mark.parametrize("shape", SHAPES)
def test_low_resolution_is_torchs_nearest_and_linear(shape: tuple[int, ...], scale: float) -> None:
    image, axes = _image(shape), tuple(range(len(shape)))
    fewer = [max(1, round(side * scale)) for side in shape]
    small = functional.interpolate(image[None], size=fewer, mode="nearest-exact")
    kind = "trilinear" if len(shape) == 3 else "bilinear"
    expected = functional.interpolate(small, size=shape, mode=kind)[0].numpy()
    found = _after(LowResolutionTransform(LowResolution()), image, LowResolutionDrawn(scale, axes, "linear"))
    np.testing.assert_allclose(found, expected, atol=5e-6)
    if len(shape) == 2:
        expected = functional.interpolate(small, size=shape, mode="bicubic")[0].numpy()
        found = _after(LowResolutionTransform(LowResolution()), image, LowResolutionDrawn(scale, axes, "cubic"))
        np.testing.assert_allclose(found, expected, atol=5e-6)


def test_the_voxels_left_are_those_that_torch_chooses_for_every_side() -> None:
    for side in range(2, 41):
        for left in range(1, side):
            each = functional.interpolate(torch.eye(side)[None], size=left, mode="nearest-exact")[0]
            np.testing.assert_array_equal(nearest(side, left), each.argmax(dim=0).numpy(), err_msg=f"{side}, {left}")


def test_one_axis_at_low_resolution_leaves_the_others() -> None:
    low, drawn = LowResolutionTransform(LowResolution()), LowResolutionDrawn(0.25, (1,), "linear")
    image = _image((16, 16, 16))
    assert not np.allclose(_after(low, image, drawn), image)
    even = image[:, :, :1].expand_as(image).clone()  # the same all along the axis: nothing to lose
    np.testing.assert_allclose(_after(low, even, drawn), even, atol=1e-6)


def test_a_bias_field_is_torchios() -> None:
    from torchio.transforms.augmentation.intensity.random_bias_field import BiasField as TorchioField

    image, drawn = _image((9, 12, 7)), np.random.default_rng(0).uniform(-0.5, 0.5, len(exponents(3, 3)))
    expected = image.numpy() * TorchioField.generate_bias_field(image, 3, drawn.tolist())
    found = _after(BiasFieldTransform(BiasField()), image, BiasFieldDrawn(3, tuple(drawn.tolist())))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("ghosts", "axis"), [(2, 0), (5, 1), (7, 2)])
def test_ghosts_are_torchios(ghosts: int, axis: int) -> None:
    from torchio.transforms.augmentation.intensity.random_ghosting import Ghosting as TorchioGhosting

    image, theirs = _image((18, 21, 16)), TorchioGhosting(ghosts, axis, 0.8, None)
    expected = [theirs.add_artifact(channel.clone(), ghosts, axis, 0.8, None).numpy() for channel in image]
    found = _after(GhostingTransform(Ghosting()), image, GhostingDrawn(axis, ghosts, 0.8, 0.0))
    np.testing.assert_allclose(found, expected, atol=5e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_gibbs_leaves_a_box_of_k_space(shape: tuple[int, ...]) -> None:
    image, axes = _image(shape), tuple(range(1, len(shape) + 1))
    spectrum = np.fft.fftshift(np.fft.fftn(image.numpy(), axes=axes), axes=axes)
    for axis, side in enumerate(shape):
        gone = np.flatnonzero(np.abs(np.arange(side) - side // 2) > 0.6 * side / 2)
        spectrum[(slice(None),) * (axis + 1) + (gone,)] = 0
    expected = np.fft.ifftn(np.fft.ifftshift(spectrum, axes=axes), axes=axes).real
    np.testing.assert_allclose(_after(GibbsTransform(Gibbs()), image, GibbsDrawn(0.6)), expected, atol=5e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_spike_is_one_wave(shape: tuple[int, ...]) -> None:
    image, place = _image(shape), tuple(0.5 + 3 / side for side in shape)
    added = _after(SpikeTransform(Spike()), image, SpikeDrawn((place,), (0.0,), 0.5)) - image.numpy()
    for channel, wave in zip(image.numpy(), added, strict=True):
        spectrum = np.abs(np.fft.fftn(wave)) / wave.size
        frequency = tuple(math.floor(share * side) - side // 2 for share, side in zip(place, shape, strict=True))
        assert np.isclose(spectrum[frequency], 0.25 * channel.std(), rtol=1e-3)
        assert np.isclose(spectrum.sum(), 0.5 * channel.std(), rtol=0.02)  # and the same at the negative frequency


def test_motion_puts_the_lines_of_moved_heads_together() -> None:
    image, axis = _image((12, 20, 16)), 1
    poses = tuple(
        SpatialDrawn((angle, 0.0, -angle), 1.0, 0.0, 0, translation=(1.0, -2.0, 0.5)) for angle in (8.0, -5.0)
    )
    drawn = MotionDrawn(axis, (0.2, 0.8), poses)
    lain = [resampling(pose, (12, 20, 16), torch.device("cpu")).image(image).numpy() for pose in poses]
    shifted = [np.fft.fftshift(np.fft.fftn(each, axes=(1, 2, 3)), axes=(1, 2, 3)) for each in (lain[0], image, lain[1])]
    spectrum = np.concatenate([shifted[0][:, :, :4], shifted[1][:, :, 4:16], shifted[2][:, :, 16:]], axis=2)
    expected = np.fft.ifftn(np.fft.ifftshift(spectrum, axes=(1, 2, 3)), axes=(1, 2, 3)).real
    np.testing.assert_allclose(_after(MotionTransform(Motion()), image, drawn), expected, atol=5e-6)
    still = tuple(SpatialDrawn((0.0, 0.0, 0.0), 1.0, 0.0, 0) for _ in poses)
    np.testing.assert_allclose(
        _after(MotionTransform(Motion()), image, MotionDrawn(axis, (0.2, 0.8), still)), image, atol=2e-5
    )
