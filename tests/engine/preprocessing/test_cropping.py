"""Steps that cut and pad leave every voxel in its place, and predictions find their way back exactly."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.images import oblique_geometry
from tests.support.studies import CLASSIFICATION, SEGMENTATION, changed, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging import Geometry, Image
from wardround.engine.imaging.geometry import direction_matrix, plain_geometry
from wardround.engine.inspection.shapes import largest_grid, preprocessed_grid
from wardround.engine.preprocessing import Pipeline, Sample, to_native
from wardround.engine.study import Study

SHAPE = (13, 11, 9)


def _study(*steps: Any, inputs: int = 1) -> Study:
    names = ["CT", "PET", "T1w"][:inputs]
    return study_of(changed(SEGMENTATION, preprocessing=[*steps], inputs=names))


def _numbered(grid: Geometry, channels: int = 1) -> Sample:
    """Each voxel has a number of its own, from 1; its class is the number's remainder."""
    numbers = np.arange(1, np.prod(grid.shape) + 1, dtype=np.float32).reshape(grid.shape)
    return Sample(Image(np.stack([numbers] * channels), grid), (numbers % 5).astype(np.uint8))


def _place(geometry: Geometry, index: tuple[int, ...]) -> np.ndarray:
    return np.asarray(geometry.origin) + direction_matrix(geometry) @ (np.asarray(index) * geometry.spacing)


@st.composite
def rearranging(draw: st.DrawFn) -> list[Any]:
    sizes = st.lists(st.integers(3, 16), min_size=3, max_size=3)
    known = [
        {"orient": draw(st.sampled_from(["RAS", "LPS", "SRA", "PIL"]))},
        {"crop": {"before": [draw(st.integers(0, 2)) for _ in range(3)], "after": [1, 0, draw(st.integers(0, 2))]}},
        {"center_crop": draw(sizes)},
        {"pad": {"size": draw(sizes), "padding": -2}},
        {"pad_to_multiple": {"multiple": draw(st.integers(2, 5)), "padding": -1}},
        {"crop_foreground": {"above": draw(st.integers(0, 900)), "margin": draw(st.integers(0, 2))}},
    ]
    return draw(st.lists(st.sampled_from(known), min_size=1, max_size=5))


@settings(max_examples=40, deadline=None)
@given(rearranging())
def test_every_voxel_stays_in_its_place_and_comes_back(steps: list[Any]) -> None:
    native = oblique_geometry(SHAPE)
    before, study = _numbered(native), _study(*steps)
    try:
        after = Pipeline(study).apply(before)
    except InputError:
        assume(False)  # crops of what crops have left
    stored, numbers = after.image.geometry, after.image.data[0]
    assert before.label is not None
    assert after.label is not None
    found = np.argwhere(numbers > 0)
    for index in found[:: max(1, len(found) // 20)]:
        old = np.unravel_index(int(numbers[tuple(index)]) - 1, SHAPE)
        np.testing.assert_allclose(_place(stored, tuple(index)), _place(native, old), atol=1e-5)
    back = to_native(after.label, stored, native, "label", after.cut_to)
    kept = np.isin(before.image.data[0], numbers)
    # A voxel that was cut off and stood within a later padding is as unknown as any other.
    np.testing.assert_array_equal(back, np.where(kept, before.label, 0))
    values = to_native(after.image.data, stored, native, "probabilities", after.cut_to, outside=-7)
    np.testing.assert_array_equal(values[0], np.where(kept, before.image.data[0], -7))
    largest, foretold = largest_grid(study, native), preprocessed_grid(study, native)
    assert largest is not None
    assert all(side <= most for side, most in zip(stored.shape, largest.shape, strict=True))
    assert foretold is None or foretold.shape == stored.shape


def test_cut_and_resampled_predictions_are_background_outside_and_right_inside() -> None:
    native = oblique_geometry((40, 36, 20))
    data = np.zeros((1, *native.shape), np.float32)
    data[0, 10:30, 8:28, 4:16] = 100
    sample = Sample(Image(data, native), (data[0] > 0).astype(np.uint8))
    for spacing in ([0.8, 0.8, 0.8], [2.3, 2.1, 3.5]):
        steps = ["orient", {"crop_foreground": {"margin": 1}}, {"resample": spacing}]
        after = Pipeline(_study(*steps)).apply(sample)
        assert np.prod(after.image.geometry.shape) * np.prod(spacing) < 0.4 * data.size * np.prod(native.spacing)
        assert sample.label is not None
        ones = np.ones(after.image.geometry.shape, np.uint8)
        covered = to_native(ones, after.image.geometry, native, "label", after.cut_to)
        expected = np.zeros(native.shape, np.uint8)
        expected[9:31, 7:29, 3:17] = 1
        np.testing.assert_array_equal(covered, expected)  # the box itself, to the voxel
        assert to_native(ones, after.image.geometry, native, "label").all()  # without it all would be filled
        assert after.label is not None
        back = to_native(after.label, after.image.geometry, native, "label", after.cut_to)
        overlap = 2 * np.logical_and(back, sample.label).sum() / (back.sum() + sample.label.sum())
        assert overlap > (0.97 if spacing[0] < 1 else 0.85)


def test_sides_that_were_not_cut_reach_to_the_end_of_the_file() -> None:
    """Three voxels of 3 mm end short of 14 of 0.74 mm: the last of the file are like those next to them."""
    native = oblique_geometry((14, 12, 10), spacing=(0.74, 1.0, 1.0))
    for before, after, kept in (([1, 0, 0], [0, 0, 0], slice(5, 14)), ([0, 0, 0], [1, 0, 0], slice(0, 9))):
        step = {"crop": {"before": before, "after": after}}
        cut = Pipeline(_study({"resample": [3, 1, 1]}, step)).apply(_numbered(native))
        ones = np.ones(cut.image.geometry.shape, np.uint8)
        found = to_native(ones, cut.image.geometry, native, "label", cut.cut_to)
        expected = np.zeros(native.shape, np.uint8)
        expected[kept] = 1
        np.testing.assert_array_equal(found, expected)


def test_a_prediction_on_the_native_grid_is_left_alone() -> None:
    """Cut and padded back: the grid is the old one, the border is unknown, and the caller keeps the array."""
    native = plain_geometry((8, 8))
    study = study_of(changed(CLASSIFICATION, preprocessing=[{"center_crop": [4, 4]}, {"pad": [8, 8]}]))
    after = Pipeline(study).apply(Sample(Image(np.ones((1, 8, 8), np.float32), native), None))
    assert after.image.geometry == native
    prediction = np.ones((8, 8), np.uint8)
    assert to_native(prediction, native, native, "label", after.cut_to).sum() == 16
    assert prediction.sum() == 64
    assert to_native(prediction, native, native, "label").all()


def test_the_foreground_is_that_of_the_channels_that_are_looked_at() -> None:
    grid = plain_geometry(SHAPE)
    data = np.full((2, *SHAPE), -1000, np.float32)
    data[0, 2:5, 3:9, 4] = 40
    data[1] = 0
    data[1, 8, 3, 4] = 5
    for above, expected in (
        ([-500, None], (3, 6, 1)),
        ([None, 0], (1, 1, 1)),
        ([-500, 0], (7, 6, 1)),
        (-500, SHAPE),
    ):
        after = Pipeline(_study({"crop_foreground": {"above": above}}, inputs=2)).apply(Sample(Image(data, grid), None))
        assert after.image.geometry.shape == expected
    wide = {"crop_foreground": {"above": [-500, None], "margin": 3}}
    after = Pipeline(_study(wide, inputs=2)).apply(Sample(Image(data, grid), None))
    assert after.image.geometry.shape == (8, 11, 7)


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ({"crop_foreground": {"above": 1e6}}, r"crop_foreground: .*no foreground.*no voxel above 1e\+06"),
        ({"crop": {"before": [7, 0, 0], "after": [6, 0, 0]}}, "crop: nothing of the case would be left"),
    ],
)
def test_a_case_of_which_nothing_would_be_left_is_refused(step: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Pipeline(_study(step)).apply(_numbered(plain_geometry(SHAPE)))


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ({"crop_foreground": {"above": [0, 0]}}, "not those of the inputs"),
        ({"crop_foreground": {"above": [None]}}, "no channel is looked at"),
        ({"crop": {"before": [1, 1, 1], "after": [1, 1]}}, "another number of axes"),
        ({"crop": {"before": [1, 1], "after": [1, 1]}}, "number of axes does not fit"),
        ({"center_crop": [4, 4]}, "number of axes does not fit"),
        ({"pad": [4, 4]}, "number of axes does not fit"),
        ({"pad_to_multiple": 1}, "cannot be used"),
        ({"resample_axis": {"axis": 3, "spacing": 1}}, "cannot be used"),
    ],
)
def test_what_does_not_fit_the_study_is_told(step: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        _study(step)


def test_padding_is_of_the_value_and_background() -> None:
    sample = _numbered(plain_geometry((2, 3, 4)), channels=2)
    sample.image.data[1] *= -1
    after = Pipeline(_study({"pad": {"size": [5, 3, 4], "padding": "minimum"}}, inputs=2)).apply(sample)
    assert after.image.data[:, [0, 3, 4]].reshape(2, -1).min(axis=1).tolist() == [1, -24]
    assert after.image.data[:, [0, 3, 4]].reshape(2, -1).max(axis=1).tolist() == [1, -24]
    assert after.label is not None
    assert sample.label is not None
    np.testing.assert_array_equal(after.label[1:3], sample.label)
    assert not after.label[[0, 3, 4]].any()


@pytest.mark.slow
def test_the_box_is_that_of_monai() -> None:
    from monai.transforms import CenterSpatialCrop, CropForeground, SpatialPad

    random = np.random.default_rng(1)
    for _ in range(20):
        data = (random.random((2, *SHAPE)) > 0.997).astype(np.float32) * 9
        data[0, 6, 5, 4] = 9
        after = Pipeline(_study({"crop_foreground": {"above": 0, "margin": 1}}, inputs=2)).apply(
            Sample(Image(data, plain_geometry(SHAPE)), None)
        )
        oracle = CropForeground(select_fn=lambda values: values > 0, margin=1, allow_smaller=True)(data)
        np.testing.assert_array_equal(after.image.data, np.asarray(oracle))
        same = Pipeline(_study({"center_crop": [5, 5, 5]}, {"pad": [9, 9, 9]}, inputs=2)).apply(
            Sample(Image(data, plain_geometry(SHAPE)), None)
        )
        middle = np.asarray(SpatialPad([9, 9, 9])(CenterSpatialCrop([5, 5, 5])(data)))
        np.testing.assert_array_equal(same.image.data, middle)
