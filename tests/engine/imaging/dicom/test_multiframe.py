"""Frames of one object lie where their functional groups place them, and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

from tests.support import dicoms
from tests.support.dicoms import OBLIQUE, dataset, save, voxels, write_multiframe
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging import open_image, read_header, read_image


def test_frames_lie_by_their_positions_and_each_has_its_scale(tmp_path: Path) -> None:
    values, slopes = voxels(6), [0.5, 1.0, 2.0, 1.5, 3.0, 0.25]
    file = write_multiframe(tmp_path / "a.dcm", values, slopes=slopes)
    image = read_image(file)
    expected = values * np.asarray(slopes)[:, None, None]
    np.testing.assert_array_equal(image.data[0], expected.transpose(2, 1, 0).astype(np.float32))
    assert image.geometry.shape == (7, 6, 6)
    np.testing.assert_allclose(image.geometry.spacing, (0.6, 0.8, 2.0))
    np.testing.assert_allclose(image.geometry.origin, (-3.0, 5.0, 10.0))
    axes = np.asarray(image.geometry.direction).reshape(3, 3).T
    np.testing.assert_allclose(axes[:2].ravel(), OBLIQUE, atol=1e-9)
    assert read_header(file).geometry == image.geometry


def test_a_region_decodes_frames_in_the_order_in_which_they_lie(tmp_path: Path) -> None:
    values = voxels(9)
    opened = open_image(write_multiframe(tmp_path / "a.dcm", values))
    part = opened.region((slice(1, 4), slice(0, 6), slice(2, 7)))
    np.testing.assert_array_equal(part[0], values[2:7].transpose(2, 1, 0)[1:4])


def test_a_folder_may_hold_one_such_object(tmp_path: Path) -> None:
    values = voxels(4)
    write_multiframe(tmp_path / "a.dcm", values)
    np.testing.assert_array_equal(read_image(tmp_path).data[0], values.transpose(2, 1, 0))


def test_frames_of_several_times_are_refused(tmp_path: Path) -> None:
    def timed(number: int, group: Any) -> None:
        group.PlanePositionSequence[0].ImagePositionPatient = [-3.0, 5.0, 10 + number // 2]
        time = Dataset()
        time.TemporalPositionTimeOffset = [0.0, 30.0][number % 2]
        group.TemporalPositionSequence = [time]

    file = write_multiframe(tmp_path / "a.dcm", voxels(6), change=timed)
    with pytest.raises(InputError, match=r"6 images at 3 places; they differ by TemporalPositionTimeOffset \(0\.0, 30"):
        read_header(file)


def test_a_film_is_refused(tmp_path: Path) -> None:
    values = voxels(4)
    made = dataset(values[0], "1.2.840.10008.5.1.4.1.1.3.1", "US", NumberOfFrames=4)
    made.PixelData = values.tobytes()
    with pytest.raises(InputError, match=r"nothing tells where the frames lie \(got an ultrasound clip of 4 frames"):
        read_header(save(tmp_path / "a.dcm", made))


def test_an_object_with_fewer_groups_than_frames_is_damaged(tmp_path: Path) -> None:
    file = write_multiframe(tmp_path / "a.dcm", voxels(4))
    made = dicoms.pydicom.dcmread(file)
    made.PerFrameFunctionalGroupsSequence.pop()
    with pytest.raises(InputError, match="a DICOM header that is damaged"):
        read_header(save(tmp_path / "b.dcm", made))


@pytest.mark.parametrize("count", [-1, 999_999_999_999])
def test_a_number_of_frames_that_no_object_has_is_damage(tmp_path: Path, count: int) -> None:
    file = save(tmp_path / "a.dcm", dataset(voxels(1)[0], NumberOfFrames=count))
    with pytest.raises(InputError, match="a DICOM header that is damaged"):
        read_header(file)
