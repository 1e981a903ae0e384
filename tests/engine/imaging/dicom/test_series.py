"""Series lie as ITK places them, with the values that ITK gives; what makes no grid is refused by name."""

from __future__ import annotations

import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import generate_uid

from tests.support import dicoms
from tests.support.dicoms import AXIAL, OBLIQUE, SECRET, save, voxels, write_series
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging import Geometry, open_image, read_header, read_image, read_label, write_image
from wardround.engine.imaging.geometry import geometry_differences
from wardround.engine.imaging.image import Space
from wardround.engine.imaging.itk import from_itk, sitk

SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
DOUBLE = (0.6, 0.64, 0.48, -0.8, 0.48, 0.36)


def _by_itk(folder: Path) -> tuple[np.ndarray, Geometry]:
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    grid = Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    return from_itk(image), grid


@pytest.mark.parametrize(
    "orientation", [AXIAL, OBLIQUE, SAGITTAL, DOUBLE], ids=["axial", "oblique", "sagittal", "both"]
)
@pytest.mark.parametrize("step", [2.5, -1.25])
def test_a_series_lies_where_itk_places_it_whatever_its_files_are_called(
    tmp_path: Path, orientation: tuple[float, ...], step: float
) -> None:
    write_series(tmp_path, orientation=orientation, step=step, RescaleSlope=2, RescaleIntercept=-1024)
    expected, grid = _by_itk(tmp_path)
    image = read_image(tmp_path)
    assert geometry_differences(image.geometry, grid) == ()
    np.testing.assert_allclose(image.geometry.origin, grid.origin, atol=1e-5)
    np.testing.assert_array_equal(image.data[0], expected)
    header = read_header(tmp_path)
    assert (header.geometry, header.channels, header.space) == (image.geometry, 1, Space.BODY)


def test_the_scale_of_each_slice_is_its_own(tmp_path: Path) -> None:
    slopes = [0.5, 1.25, 2.0, 3.5, 7.0]

    def scaled(number: int, made: Any) -> None:
        made.RescaleSlope, made.RescaleIntercept = slopes[number], 10 * number

    values = write_series(tmp_path, change=scaled, SOPClassUID=dicoms.PET, Modality="PT")
    expected = values * np.asarray(slopes)[:, None, None] + 10 * np.arange(5)[:, None, None]
    np.testing.assert_array_equal(read_image(tmp_path).data[0], expected.transpose(2, 1, 0).astype(np.float32))


def test_a_region_is_that_part_of_the_whole(tmp_path: Path) -> None:
    write_series(tmp_path, voxels(20), RescaleSlope=1.5, RescaleIntercept=0)
    opened, whole = open_image(tmp_path), read_image(tmp_path).data
    assert opened.shape == whole.shape == (1, 7, 6, 20)
    box = (slice(2, 6), slice(1, 5), slice(3, 19))
    np.testing.assert_array_equal(opened.region(box), whole[:, *box])
    np.testing.assert_array_equal(opened.whole(), whole)
    assert opened.region((slice(0, 7), slice(0, 6), slice(4, 4))).shape == (1, 7, 6, 0)


def test_reading_a_long_series_takes_little_more_memory_than_its_voxels(tmp_path: Path) -> None:
    values = np.zeros((300, 64, 64), np.int16)
    write_series(tmp_path, values)
    wanted = values.size * 4
    read_header(tmp_path)
    tracemalloc.start()
    read_image(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    open_image(tmp_path).region((slice(0, 64), slice(0, 64), slice(100, 108)))
    region = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.25 * wanted
    assert region < 0.25 * wanted


def test_a_single_file_is_a_flat_image_and_several_are_a_volume(tmp_path: Path) -> None:
    values = write_series(tmp_path)
    first = sorted(tmp_path.iterdir())[0]
    flat = read_image(first)
    assert flat.data.shape == (1, 6, 7)
    assert flat.geometry.spacing == (0.8, 0.6)
    assert any(np.array_equal(flat.data[0], plane) for plane in values)


def test_a_mask_may_be_a_series_of_numbers(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 5, (4, 6, 7)).astype(np.uint16)
    write_series(tmp_path, values)
    mask, grid = read_label(tmp_path)
    np.testing.assert_array_equal(mask, values.transpose(2, 1, 0))
    assert grid == read_header(tmp_path).geometry
    assert mask.dtype == np.uint16


def test_files_beside_a_series_are_told_and_passed_over(tmp_path: Path) -> None:
    write_series(tmp_path)
    (tmp_path / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(600))
    (tmp_path / ".DS_Store").write_bytes(b"hidden")
    (remark,) = read_header(tmp_path).remarks
    assert remark.got == "Thumbs.db"


def _wide_gap(number: int, made: Any) -> None:
    made.ImagePositionPatient = [-12.5, 4.0, -30.0 + [0, 2.5, 5, 10, 12.5][number]]


def _uneven(number: int, made: Any) -> None:
    made.ImagePositionPatient = [-12.5, 4.0, -30.0 + [0, 2.5, 5.0, 8.7, 11.2][number]]


def _tilted(number: int, made: Any) -> None:
    made.ImagePositionPatient = [-12.5, 4.0 + 0.6 * number, -30.0 + 2.5 * number]


def _beside(number: int, made: Any) -> None:
    made.ImagePositionPatient = [-12.5 + (40 if number > 2 else 0), 4.0, -30.0 + 2.5 * number]


def _repeated(number: int, made: Any) -> None:
    made.ImagePositionPatient = [-12.5, 4.0, -30.0 + 2.5 * (number // 2)]
    made.EchoTime = [2.5, 5.0][number % 2]


def _of_other_size(number: int, made: Any) -> None:
    if number == 2:
        made.Rows, made.PixelData = 3, made.PixelData[: 3 * 7 * 2]


def _turned(number: int, made: Any) -> None:
    if number == 4:
        made.ImageOrientationPatient = [*SAGITTAL]


def _scout(number: int, made: Any) -> None:
    if number == 0:
        made.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]


def _coarser(number: int, made: Any) -> None:
    if number == 3:
        made.PixelSpacing = [1.6, 1.2]


def _nowhere(number: int, made: Any) -> None:
    del made.ImagePositionPatient


def _without_scale(number: int, made: Any) -> None:
    made.RescaleSlope = 0


def _colours(number: int, made: Any) -> None:
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, "RGB", 0
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.PixelRepresentation, made.PixelData = 7, 0, bytes(6 * 7 * 3)


@pytest.mark.parametrize(
    ("change", "what", "got"),
    [
        (_wide_gap, "a slice is missing", "5 slices of 6, 2.5 mm apart, with gaps 5 mm behind -25 mm"),
        (_uneven, "the slices lie at uneven distances", "otherwise 3.7 mm behind -25 mm"),
        (_tilted, "the slices are tilted", "13.5°"),
        (_beside, "the slices lie side by side", "40 mm beside the first"),
        (_repeated, "several images lie at one place", "5 images at 3 places; they differ by EchoTime (2.5, 5"),
        (_of_other_size, "the slices have several sizes", "4 of 7 x 6 pixels, 1 of 7 x 3 pixels; such as IM"),
        (_turned, "the slices lie in several directions", "such as IM"),
        (_scout, "localizers lie among the slices", "1 of 5 images: IM"),
        (_coarser, "the slices have several spacings", "1 of (1.6, 1.2) mm"),
        (_nowhere, "nothing tells where the images lie", "5 of 5 images"),
        (_without_scale, "the image cannot be read", "scaled by 0"),
        (_colours, "a volume in colour cannot be read", "5 images of RGB"),
    ],
)
def test_what_makes_no_grid_is_refused_by_name(tmp_path: Path, change: dicoms.Change, what: str, got: str) -> None:
    write_series(tmp_path, change=change)
    for read in (read_header, read_image, open_image):
        with pytest.raises(InputError) as caught:
            read(tmp_path)  # type: ignore[operator]
        problem = caught.value.problems[0]
        assert problem.what.startswith(what)
        assert got in problem.got
        assert problem.remedy
        assert SECRET.split("^")[0] not in str(caught.value)
        assert "SECRET-ID" not in str(caught.value)


def test_slices_that_lie_nearly_evenly_are_a_volume(tmp_path: Path) -> None:
    def rounded(number: int, made: Any) -> None:
        made.ImagePositionPatient = [-12.5, 4.0, round(-30.0 + 2.5 * number + 0.1 * (-1) ** number, 3)]

    write_series(tmp_path, change=rounded)
    assert read_header(tmp_path).geometry.shape == (7, 6, 5)


def test_copies_are_refused(tmp_path: Path) -> None:
    write_series(tmp_path)
    shutil.copy(tmp_path / "IM0002", tmp_path / "copy.dcm")
    with pytest.raises(InputError, match=r"images stand in the folder twice \(got 1 copy: "):
        read_header(tmp_path)


def test_of_several_series_one_is_chosen_by_number_or_uid(tmp_path: Path) -> None:
    one = write_series(tmp_path / "a" / "b", voxels(seed=1), series="1.2.3", SeriesNumber=4)
    two = write_series(tmp_path / "a" / "c", voxels(4, seed=2), series="1.2.4", SeriesNumber=7)
    with pytest.raises(InputError) as caught:
        read_header(tmp_path / "a")
    (problem,) = caught.value.problems
    assert problem.what == "the folder holds several series"
    assert problem.got == "#4 (CT, 5 files), #7 (CT, 4 files)"
    assert "a#4" in problem.remedy
    for cell, values in {"a#4": one, "a#7": two, "a/#7": two, "a#1.2.3": one, "a/#1.2.4": two}.items():
        np.testing.assert_array_equal(read_image(tmp_path / cell).data[0], values.transpose(2, 1, 0))
    with pytest.raises(InputError, match="the folder holds no series 9"):
        read_header(tmp_path / "a#9")


def test_series_of_one_number_are_told_apart_by_uid(tmp_path: Path) -> None:
    for series in ("1.2.3", "1.2.4"):
        write_series(tmp_path / series, series=series, SeriesNumber=4)
    with pytest.raises(InputError, match=r"several series have the number 4 \(got #1\.2\.3 \(CT, 5 files\), #1\.2\.4"):
        read_header(Path(f"{tmp_path}#4"))
    assert read_header(Path(f"{tmp_path}#1.2.4")).geometry.shape == (7, 6, 5)


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def _emptied(file: Path) -> None:
    file.write_bytes(b"")


def _garbled(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:132] + b"\xff" * 300)


def _without_pixels(file: Path) -> None:
    made = dicoms.pydicom.dcmread(file)
    del made.PixelData
    made.save_as(file)


@pytest.mark.parametrize(
    ("spoil", "got"),
    [
        (_cut, "a file cut short: 64 of 84 bytes of pixels"),
        (_emptied, "an empty file of 0 bytes"),
        (_garbled, "a "),
        (_without_pixels, "an object without pixels"),
    ],
)
def test_a_damaged_file_of_a_series_is_named(tmp_path: Path, spoil: Callable[[Path], None], got: str) -> None:
    write_series(tmp_path)
    spoil(tmp_path / "IM0003")
    with pytest.raises(InputError) as caught:
        read_header(tmp_path)
    (problem,) = caught.value.problems
    assert problem.where == str(tmp_path / "IM0003")
    assert problem.got.startswith(got)


def test_folders_without_a_series_say_what_they_hold(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the folder holds no image \(got no file"):
        read_header(tmp_path)
    report = dicoms.dataset(voxels()[0], "1.2.840.10008.5.1.4.1.1.88.33", "SR")
    del report.Rows, report.PixelData
    save(tmp_path / "report", report)
    with pytest.raises(InputError, match="1 x a structured report, which holds no image"):
        read_header(tmp_path)


def test_old_files_without_a_preamble_are_read(tmp_path: Path) -> None:
    values = write_series(tmp_path)
    for file in tmp_path.iterdir():
        bare = dicoms.pydicom.dcmread(file)
        del bare.file_meta
        bare.preamble = None
        dicoms.pydicom.dcmwrite(file, bare, implicit_vr=True, little_endian=True)
        assert file.read_bytes()[128:132] != b"DICM"
    np.testing.assert_array_equal(read_image(tmp_path).data[0], values.transpose(2, 1, 0))


def test_a_series_of_one_patient_is_not_mixed_with_its_uid_of_another_export(tmp_path: Path) -> None:
    uid = generate_uid()
    write_series(tmp_path / "one", series=uid)
    write_series(tmp_path / "two", series=uid)
    with pytest.raises(InputError, match="several images lie at one place"):
        read_header(tmp_path)


def test_images_are_not_written_as_dicom(tmp_path: Path) -> None:
    write_series(tmp_path / "scan")
    image = read_image(tmp_path / "scan")
    with pytest.raises(InputError, match="images are not written as DICOM"):
        write_image(tmp_path / "out.dcm", image)
    write_image(tmp_path / "out.nii.gz", image, like=tmp_path / "scan")
    assert geometry_differences(read_header(tmp_path / "out.nii.gz").geometry, image.geometry) == ()
