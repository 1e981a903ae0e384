"""Each step against numpy, an independent reader, or its own inverse."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from tests.support.images import oblique_geometry
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging import Geometry, Image, geometry_differences, write_image
from wardround.engine.imaging.geometry import centre, direction_matrix, plain_geometry
from wardround.engine.parts.preprocessing import (
    Clip,
    Orient,
    Resample,
    ResampleAxis,
    ResampleMin,
    Rescale,
    Resize,
    ZNormalize,
)
from wardround.engine.preprocessing import Sample, to_native
from wardround.engine.preprocessing import steps as all_steps
from wardround.engine.preprocessing.orientation import towards
from wardround.engine.preprocessing.resampling import resample_held, resample_linear, resample_nearest

SHAPE = (12, 14, 10)
AXES = ("RAS", "LPS", "ASL", "IPR", "SRA", "PLI")


def _sample(channels: int = 2, geometry: Geometry | None = None) -> Sample:
    random = np.random.default_rng(0)
    grid = geometry or oblique_geometry(SHAPE)
    data = random.normal(100, 20, (channels, *grid.shape)).astype(np.float32)
    return Sample(Image(data, grid), random.integers(0, 3, grid.shape).astype(np.uint8))


def _place(geometry: Geometry, index: tuple[int, ...]) -> np.ndarray:
    return np.asarray(geometry.origin) + direction_matrix(geometry) @ (np.asarray(index) * geometry.spacing)


@pytest.mark.parametrize("axes", AXES)
def test_orient_moves_no_voxel_in_space(axes: str) -> None:
    before = _sample()
    after = all_steps.OrientStep(Orient(axes=axes)).apply(before)
    np.testing.assert_array_equal(np.sort(after.image.data, axis=None), np.sort(before.image.data, axis=None))
    inverse = np.linalg.inv(direction_matrix(before.image.geometry))
    for index in ((0, 0, 0), (3, 5, 2), tuple(side - 1 for side in after.image.geometry.shape)):
        offset = _place(after.image.geometry, index) - np.asarray(before.image.geometry.origin)
        old = tuple(np.rint(inverse @ offset / before.image.geometry.spacing).astype(int))
        np.testing.assert_array_equal(after.image.data[(slice(None), *index)], before.image.data[(slice(None), *old)])
        assert after.label is not None
        assert before.label is not None
        assert after.label[index] == before.label[old]


@pytest.mark.parametrize("axes", AXES)
def test_orient_gives_the_letters_that_another_library_reads(axes: str, tmp_path: Path) -> None:
    after = all_steps.OrientStep(Orient(axes=axes)).apply(_sample(channels=1))
    write_image(tmp_path / "turned.nii.gz", after.image)
    assert "".join(nibabel.aff2axcodes(nibabel.load(tmp_path / "turned.nii.gz").affine)) == axes


@pytest.mark.parametrize("axes", AXES)
def test_orient_and_back_is_exact(axes: str) -> None:
    before = _sample()
    after = all_steps.OrientStep(Orient(axes=axes)).apply(before)
    stored, native = after.image.geometry, before.image.geometry
    np.testing.assert_array_equal(to_native(after.image.data, stored, native, "probabilities"), before.image.data)
    assert after.label is not None
    np.testing.assert_array_equal(to_native(after.label, stored, native, "label"), before.label)
    again = all_steps.OrientStep(Orient(axes="RAS")).apply(after)
    assert towards(again.image.geometry, "RAS").is_identity


def _ramp(geometry: Geometry) -> np.ndarray:
    """A linear function of the position in space, which linear interpolation reproduces."""
    indices = np.stack(np.meshgrid(*map(np.arange, geometry.shape), indexing="ij"))
    scaled = indices * np.asarray(geometry.spacing).reshape(3, 1, 1, 1)
    position = np.tensordot(direction_matrix(geometry), scaled, axes=1) + np.asarray(geometry.origin).reshape(
        3, 1, 1, 1
    )
    return np.asarray(0.5 * position[0] - 0.2 * position[1] + 0.8 * position[2], dtype=np.float32)


def test_resample_agrees_with_a_linear_function_of_space() -> None:
    grid = oblique_geometry(SHAPE)
    after = all_steps.ResampleStep(Resample(spacing=(0.8, 1.5, 1.7))).apply(
        Sample(Image(_ramp(grid)[None], grid), None)
    )
    assert after.image.geometry.spacing == (0.8, 1.5, 1.7)
    np.testing.assert_allclose(centre(after.image.geometry), centre(grid), atol=1e-9)
    inner = (slice(2, -2),) * 3
    np.testing.assert_allclose(after.image.data[0][inner], _ramp(after.image.geometry)[inner], atol=1e-3)


def test_orient_resample_and_back_on_an_oblique_grid() -> None:
    native = oblique_geometry((24, 26, 20))
    sample = all_steps.OrientStep(Orient()).apply(Sample(Image(_ramp(native)[None], native), None))
    stored = all_steps.ResampleStep(Resample(spacing=(0.9, 0.9, 1.1))).apply(sample)
    back = to_native(stored.image.data, stored.image.geometry, native, "probabilities")
    assert back.shape == (1, *native.shape)
    inner = (slice(2, -2),) * 3
    np.testing.assert_allclose(back[0][inner], _ramp(native)[inner], atol=2e-3)


def test_a_constant_stays_constant_to_the_last_voxel_on_the_way_back() -> None:
    native = oblique_geometry((11, 13, 9), spacing=(0.7, 1.3, 2.9))
    sample = Sample(Image(np.ones((1, *native.shape), np.float32), native), np.full(native.shape, 3, np.uint8))
    stored = all_steps.ResampleStep(Resample(spacing=(1.0, 1.0, 1.0))).apply(sample)
    np.testing.assert_array_equal(stored.image.data, 1)
    assert stored.label is not None
    np.testing.assert_array_equal(stored.label, 3)
    np.testing.assert_array_equal(to_native(stored.image.data, stored.image.geometry, native, "probabilities"), 1)
    np.testing.assert_array_equal(to_native(stored.label, stored.image.geometry, native, "label"), 3)


def test_masks_only_take_known_values_and_keep_their_type() -> None:
    before = _sample()
    assert before.label is not None
    spread = replace(before, label=(before.label * 100).astype(np.uint16))
    for step in (
        all_steps.ResampleStep(Resample(spacing=(0.7, 0.7, 0.9))),
        all_steps.ResizeStep(Resize(size=(20, 9, 9))),
    ):
        after = step.apply(spread)
        assert after.label is not None
        assert after.label.dtype == np.uint16
        assert set(np.unique(after.label)) <= {0, 100, 200}
        native = to_native(after.label, after.image.geometry, before.image.geometry, "label")
        assert set(np.unique(native)) <= {0, 100, 200}


def test_resize_gives_the_size_over_the_same_extent() -> None:
    before = _sample(geometry=Geometry((30, 50), (1.0, 1.0), (0.0, 0.0), (1.0, 0.0, 0.0, 1.0)))
    after = all_steps.ResizeStep(Resize(size=(15, 25))).apply(before)
    assert after.image.data.shape == (2, 15, 25)
    assert after.image.geometry.spacing == (2.0, 2.0)
    # halving: each new pixel lies between four old ones, which are made smooth first
    old = before.image.data
    for axis in (1, 2):
        old = ndimage.gaussian_filter1d(old, math.sqrt(3 / (8 * math.log(2))), axis, mode="nearest")
    mean = (old[:, ::2, ::2] + old[:, 1::2, ::2] + old[:, ::2, 1::2] + old[:, 1::2, 1::2]) / 4
    np.testing.assert_allclose(after.image.data, mean, rtol=1e-5)


def test_resampling_agrees_with_scipy() -> None:
    from scipy.ndimage import map_coordinates

    grid = plain_geometry((9, 8, 7))
    values = np.random.default_rng(3).normal(size=(1, *grid.shape)).astype(np.float32)
    target = Geometry((5, 6, 4), (1.3, 1.1, 1.4), (0.6, 0.4, 0.9), grid.direction)
    places = np.stack(np.meshgrid(*map(np.arange, target.shape), indexing="ij")) * np.reshape(
        target.spacing, (3, 1, 1, 1)
    )
    smooth = ndimage.gaussian_filter(
        values[0], [math.sqrt((step**2 - 1) / 5.545177) for step in target.spacing], mode="nearest"
    )
    oracle = map_coordinates(smooth, places + np.reshape(target.origin, (3, 1, 1, 1)), order=1)
    np.testing.assert_allclose(resample_linear(values, grid, target)[0], oracle, atol=1e-5)


def test_steps_that_find_nothing_to_do_return_the_sample() -> None:
    sample = _sample(geometry=plain_geometry(SHAPE))
    assert all_steps.ResampleStep(Resample(spacing=(1, 1, 1))).apply(sample) is sample
    assert all_steps.ResizeStep(Resize(size=SHAPE)).apply(sample) is sample
    assert all_steps.OrientStep(Orient(axes="LPS")).apply(sample) is sample


def test_z_normalize_against_numpy() -> None:
    sample = _sample()
    data = sample.image.data.copy()
    data[0, :4] = 0
    sample = Sample(Image(data, sample.image.geometry), sample.label)
    whole = all_steps.ZNormalizeStep(ZNormalize(within="all")).apply(sample).image.data
    exact = data.astype(np.float64)
    oracle = (exact - exact.mean((1, 2, 3), keepdims=True)) / exact.std((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(whole, oracle, atol=1e-5)
    inside = all_steps.ZNormalizeStep(ZNormalize(within="nonzero")).apply(sample).image.data
    chosen = exact[0][exact[0] != 0]
    np.testing.assert_allclose(inside[0][data[0] != 0], (chosen - chosen.mean()) / chosen.std(), atol=1e-5)
    assert not inside[0, :4].any()


def test_clip_and_rescale() -> None:
    sample = _sample()
    clipped = all_steps.ClipStep(Clip(low=90, high=110)).apply(sample).image.data
    np.testing.assert_array_equal(clipped, sample.image.data.clip(90, 110))
    rescaled = all_steps.RescaleStep(Rescale(low=-1, high=1, percentiles=(1, 99))).apply(sample).image.data
    for channel, before in zip(rescaled, sample.image.data, strict=True):
        low, high = np.percentile(before.astype(np.float64), (1, 99))
        np.testing.assert_allclose(channel, ((before - low) / (high - low) * 2 - 1).clip(-1, 1), atol=1e-5)


@pytest.mark.parametrize("step", [all_steps.ZNormalizeStep(ZNormalize()), all_steps.RescaleStep(Rescale())])
def test_a_channel_without_contrast_is_refused(step: all_steps.ZNormalizeStep) -> None:
    flat = Sample(Image(np.full((1, *SHAPE), 7, np.float32), plain_geometry(SHAPE)), None)
    with pytest.raises(InputError, match="of the value 7"):
        step.apply(flat)


def test_the_way_back_lands_on_the_native_grid() -> None:
    native = oblique_geometry(SHAPE)
    turned = towards(native, "SRA").apply_to_grid(native)
    assert geometry_differences(turned, native) != ()
    assert to_native(np.zeros(turned.shape, np.uint8), turned, native, "label").shape == native.shape
    with pytest.raises(ValueError, match="shape"):
        to_native(np.zeros(native.shape, np.uint8), turned, native, "label")


def _stripes(shape: tuple[int, ...], period: float, axis: int) -> np.ndarray:
    """A wave along one axis, of amplitude 1."""
    phase = np.arange(shape[axis]) * (2 * np.pi / period)
    return np.broadcast_to(np.sin(phase).reshape([-1 if each == axis else 1 for each in range(len(shape))]), shape)


@pytest.mark.parametrize("axis", [0, 1])
def test_stripes_finer_than_the_new_pixels_leave_no_pattern(axis: int) -> None:
    shape = (264, 320)
    image = Image(_stripes(shape, 8.25, axis)[None].astype(np.float32), plain_geometry(shape))
    for step in (all_steps.ResizeStep(Resize(size=(33, 40))), all_steps.ResampleStep(Resample(spacing=(8.0, 8.0)))):
        found = np.abs(step.apply(Sample(image, None)).image.data[0])
        assert found.max() < 0.15
        assert found[1:-1, 1:-1].max() < 0.05  # away from the border, where the wave is cut


def test_only_axes_whose_voxels_grow_are_made_smooth() -> None:
    shape, spacing = (16, 16, 64), (2.0, 1.0, 0.5)
    grid = replace(oblique_geometry(shape), spacing=spacing)
    step = all_steps.ResampleStep(Resample(spacing=(1.0, 1.0, 2.0)))
    fine = np.stack([_stripes(shape, 2.5, axis) for axis in (1, 2)]).astype(np.float32)
    after = step.apply(Sample(Image(fine, grid), None)).image.data
    assert np.abs(after[0]).max() > 0.9  # axis 1 keeps its voxels
    assert np.abs(after[1]).max() < 0.2
    smoothed = step.apply(Sample(Image(_stripes(shape, 4.0, 0)[None].astype(np.float32), grid), None)).image.data
    assert np.abs(smoothed).max() > 0.9  # the voxels of axis 0 shrink


@pytest.mark.parametrize("factor", [1.5, 2, 3, 4, 6])
def test_image_and_mask_stay_about_the_same_centre(factor: float) -> None:
    grid = replace(plain_geometry((96, 60)), spacing=(0.7, 0.7), origin=(-31.0, 12.5))
    distance = np.hypot(
        *(index - (side - 1) / 2 for index, side in zip(np.indices(grid.shape), grid.shape, strict=True))
    )
    mask = (distance < 20).astype(np.uint8)
    small = all_steps.ResampleStep(Resample(spacing=(0.7 * factor,) * 2)).apply(
        Sample(Image(mask[None].astype(np.float32), grid), mask)
    )
    assert small.label is not None
    for weights in (small.image.data[0].astype(float), small.label.astype(float)):
        middle = np.array([np.average(index, weights=weights) for index in np.indices(weights.shape)])
        place = np.asarray(small.image.geometry.origin) + middle * small.image.geometry.spacing
        np.testing.assert_allclose(place, centre(grid), atol=1e-4)
        assert weights.sum() * factor**2 == pytest.approx(mask.sum(), rel=0.1)


def test_probabilities_that_come_back_to_larger_voxels_are_made_smooth_too() -> None:
    stored, native = plain_geometry((256,) * 2), Geometry((32, 32), (8.0, 8.0), (3.5, 3.5), (1.0, 0.0, 0.0, 1.0))
    waves = 0.5 + 0.5 * _stripes(stored.shape, 8.25, 0)[None].astype(np.float32)
    assert np.abs(to_native(waves, stored, native, "probabilities") - 0.5).max() < 0.08


def test_a_filtered_sample_stays_as_it_is() -> None:
    for sample in (_sample(channels=1), _sample(channels=1, geometry=plain_geometry((40, 30)))):
        held = sample.image.data.copy()
        all_steps.ResizeStep(Resize(size=(5,) * (held.ndim - 1))).apply(sample)
        np.testing.assert_array_equal(sample.image.data, held)


def test_beyond_the_outermost_voxel_lies_its_own_value() -> None:
    """Neither image nor mask has a rim of zeros where a target grid reaches further than its source."""
    source = oblique_geometry(SHAPE)
    corner = tuple((np.asarray(source.origin) - direction_matrix(source) @ (2 * np.asarray(source.spacing))).tolist())
    target = replace(source, shape=tuple(side + 4 for side in SHAPE), origin=corner)
    image = np.random.default_rng(0).uniform(100, 200, (2, *SHAPE)).astype(np.float32)
    label = np.random.default_rng(1).integers(1, 4, SHAPE).astype(np.uint8)
    expected = np.pad(image, ((0, 0), (2, 2), (2, 2), (2, 2)), mode="edge")
    np.testing.assert_allclose(resample_linear(image, source, target), expected, rtol=1e-5)
    np.testing.assert_allclose(resample_held([image[:1].copy()], source, target), expected[:1], rtol=1e-5)
    np.testing.assert_array_equal(resample_nearest(label, source, target), np.pad(label, 2, mode="edge"))


def test_one_axis_alone_is_resampled() -> None:
    before = _sample(geometry=oblique_geometry((12, 14, 10), spacing=(0.7, 0.9, 5.0)))
    after = all_steps.ResampleAxisStep(ResampleAxis(axis=2, spacing=1.0)).apply(before)
    assert after.image.geometry.spacing == (0.7, 0.9, 1.0)
    assert after.image.geometry.shape == (12, 14, 50)
    oracle = all_steps.ResampleStep(Resample(spacing=(0.7, 0.9, 1.0))).apply(before)
    np.testing.assert_array_equal(after.image.data, oracle.image.data)


@pytest.mark.parametrize(
    ("spacing", "given", "expected"),
    [
        ((0.7, 0.9, 5.0), None, (0.7, 0.7, 0.7)),
        ((0.7, 0.9, 5.0), 1.0, (0.7, 0.9, 1.0)),
        ((0.7, 0.9, 5.0), 0.5, (0.5, 0.5, 0.5)),
        ((1.0, 1.0, 1.0), None, (1.0, 1.0, 1.0)),
    ],
)
def test_the_shortest_side_of_a_case(
    spacing: tuple[float, ...], given: float | None, expected: tuple[float, ...]
) -> None:
    before = _sample(geometry=oblique_geometry((8, 7, 6), spacing=spacing))
    after = all_steps.ResampleMinStep(ResampleMin(spacing=given)).apply(before)
    assert after.image.geometry.spacing == pytest.approx(expected)
    np.testing.assert_allclose(centre(after.image.geometry), centre(before.image.geometry), atol=1e-9)
    assert after is before or spacing != expected


@pytest.mark.parametrize(("old", "new"), [(6.0, 2.0), (2.0, 7.0), (6.0, 6.0)])
def test_along_a_coarse_axis_each_plane_is_the_nearest_one(old: float, new: float) -> None:
    """nnU-Net's way: within planes as ever, and none of them is a mixture of two."""
    grid = oblique_geometry((12, 14, 9), spacing=(1.0, 1.0, old))
    before = _sample(geometry=grid)
    step = all_steps.ResampleStep(Resample(spacing=(0.8, 1.3, new), coarse_axis="nearest"))
    after = step.apply(before)
    target = after.image.geometry
    assert target.spacing == (0.8, 1.3, new)
    within = all_steps.ResampleStep(Resample(spacing=(0.8, 1.3, old))).apply(before).image.data
    assert target.shape[2] == round(9 * old / new)
    for index in range(target.shape[2]):
        place = 4 + (index - (target.shape[2] - 1) / 2) * new / old
        nearest = {int(np.clip(np.floor(place + shift), 0, 8)) for shift in (0.499, 0.501)}
        assert any(np.array_equal(after.image.data[..., index], within[..., plane]) for plane in nearest)
    linear = all_steps.ResampleStep(Resample(spacing=(0.8, 1.3, new))).apply(before)
    np.testing.assert_array_equal(after.label, linear.label)
    assert np.array_equal(after.image.data, linear.image.data) is (old == new)


def test_without_a_coarse_axis_nothing_changes() -> None:
    before = _sample(geometry=oblique_geometry((12, 14, 9), spacing=(1.0, 1.0, 2.9)))
    one, other = (
        all_steps.ResampleStep(Resample(spacing=(0.8, 1.3, 2.0), coarse_axis=axis)).apply(before)  # type: ignore[arg-type]
        for axis in ("linear", "nearest")
    )
    np.testing.assert_array_equal(one.image.data, other.image.data)
