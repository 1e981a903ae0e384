"""Series that make no grid, laid onto one: against phantoms whose every value is known."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.commands import run_wardround
from tests.support.dicoms import AXIAL, OBLIQUE, write_series
from wardround.engine.basics.dicom import Dicom
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging import label_grid, open_image, read_header, read_image, read_label, read_label_header
from wardround.engine.imaging.dicom import segment_writing
from wardround.engine.imaging.dicom.regridding import regridding_of, resampled_image, resampled_mask
from wardround.engine.imaging.geometry import step_matrix
from wardround.engine.imaging.image import Geometry

SIDES = (9, 24, 20)  # slices, rows, columns
EVEN = tuple(3.0 * number for number in range(9))
UNEVEN = (0.0, 3.0, 6.0, 9.5, 12.0, 15.0, 18.4, 21.0, 24.0)
SLOPES = np.array([7.0, -5.0, 11.0])


def _phantom(places: np.ndarray) -> np.ndarray:
    """A value that grows evenly along every axis of the body: linear interpolation finds it exactly."""
    return 300 + places @ SLOPES


def _write(folder: Path, depths: tuple[float, ...], tilt: float = 0.0, orientation: tuple[float, ...] = AXIAL) -> None:
    """A series whose slices lie at these depths, each moved down its columns by the tilt."""
    steps = np.asarray(orientation).reshape(2, 3).T * (0.6, 0.8)
    normal = np.cross(orientation[:3], orientation[3:])
    down = np.asarray(orientation[3:])
    corners = [np.array([-12.5, 4.0, -30.0]) + depth * (normal + tilt * down) for depth in depths]
    columns, rows = np.meshgrid(np.arange(SIDES[2]), np.arange(SIDES[1]))
    values = [_phantom(corner + columns[..., None] * steps[:, 0] + rows[..., None] * steps[:, 1]) for corner in corners]

    def change(number: int, made: Any) -> None:
        made.ImagePositionPatient = [float(f"{each:.6f}") for each in corners[number]]
        made.RescaleSlope, made.RescaleIntercept = 0.02, 0

    write_series(folder, np.rint(np.array(values) / 0.02).astype(np.int16), orientation=orientation, change=change)


def _at(grid: Geometry) -> np.ndarray:
    """What the phantom has at each voxel of a grid."""
    indices = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1)
    return _phantom(indices @ step_matrix(grid).T + np.asarray(grid.origin))


@pytest.mark.parametrize("orientation", [AXIAL, OBLIQUE])
@pytest.mark.parametrize(
    ("depths", "tilt"), [(EVEN, 0.25), (EVEN, -0.3), (UNEVEN, 0.0), (UNEVEN, 0.2), (EVEN, 0.8 / 3)]
)
def test_a_phantom_is_found_where_it_was(
    tmp_path: Path, depths: tuple[float, ...], tilt: float, orientation: tuple[float, ...]
) -> None:
    _write(tmp_path, depths, tilt, orientation)
    with pytest.raises(InputError, match=r"tilted|uneven"):
        read_header(tmp_path)
    image = resampled_image(regridding_of(tmp_path))
    found, expected = image.data[0], _at(image.geometry)
    seen = found > found.min()
    assert seen.mean() > 0.5
    np.testing.assert_allclose(found[seen], expected[seen], atol=0.1)  # stored in steps of 0.02
    assert image.geometry.spacing[2] == pytest.approx(3.0)
    assert image.geometry.shape[2] == 9
    room = abs(tilt) * depths[-1] / 0.8
    assert image.geometry.shape[0] == SIDES[2]
    assert image.geometry.shape[1] == SIDES[1] + round(np.ceil(room - 1e-3))


def test_every_slice_of_a_tilted_series_is_wholly_there(tmp_path: Path) -> None:
    """Nothing that was measured is cut off, and nothing but what was not measured is filled in."""
    _write(tmp_path, EVEN, 0.8 / 3)  # by whole pixels, so that each slice is kept as it is
    how = regridding_of(tmp_path)
    found = resampled_image(how).data[0]
    for number in range(9):
        own = found[:, number : number + SIDES[1], number]
        assert (own > found.min()).mean() > 0.99
        outside = np.delete(found[:, :, number], np.s_[number : number + SIDES[1]], axis=1)
        assert (outside == found.min()).all()
    assert "sheared back by 14.9" in how.told


def test_a_mask_stays_on_its_structure(tmp_path: Path) -> None:
    """A segmentation of the untilted series, moved with the slices: its voxels are those of the nearest slice's."""
    tilt = 0.25
    _write(tmp_path / "even", EVEN)
    mask = np.zeros((SIDES[2], SIDES[1], SIDES[0]), np.uint8)
    mask[6:14, 8:16, 2:7] = 1
    mask[15:18, 8:16, 4:6] = 2
    segment_writing.write(tmp_path / "mask.dcm", mask, ("one", "two"), tmp_path / "even")
    _write(tmp_path / "tilted", EVEN, tilt)
    _tilt_segmentation(tmp_path / "mask.dcm", tilt)
    how = regridding_of(tmp_path / "tilted")
    found = resampled_mask(how, tmp_path / "mask.dcm")
    assert found.shape == how.grid.shape
    for number in range(9):
        moved = int(np.rint(how.shifts[number, 1]))
        np.testing.assert_array_equal(found[:, moved : moved + SIDES[1], number], mask[:, :, number])
    assert np.count_nonzero(found) == np.count_nonzero(mask)


def _tilt_segmentation(path: Path, tilt: float) -> None:
    import pydicom

    made = pydicom.dcmread(path)
    for group in made.PerFrameFunctionalGroupsSequence:
        place = group.PlanePositionSequence[0]
        x, y, z = map(float, place.ImagePositionPatient)
        place.ImagePositionPatient = [x, float(f"{y + tilt * (z + 30.0):.6f}"), z]
    made.save_as(path)


@pytest.mark.parametrize(
    ("depths", "tilt", "told"),
    [
        ((*EVEN[:4], *(depth + 3 for depth in EVEN[4:])), 0.0, "too uneven"),
        ((0, 1, 4, 7, 10, 13, 16, 19, 22), 0.0, "too uneven"),
        (EVEN, 1.2, "50.2° to the side"),
    ],
)
def test_what_would_be_a_guess_is_refused(tmp_path: Path, depths: tuple[float, ...], tilt: float, told: str) -> None:
    _write(tmp_path, tuple(map(float, depths)), tilt)
    with pytest.raises(InputError) as error:
        regridding_of(tmp_path)
    assert told in str(error.value)


def test_slices_beside_a_line_are_refused(tmp_path: Path) -> None:
    def beside(number: int, made: Any) -> None:
        made.ImagePositionPatient = [-12.5 + (40 if number > 2 else 0), 4.0, -30.0 + 2.5 * number]

    write_series(tmp_path, change=beside)
    with pytest.raises(InputError, match="pixels beside a line"):
        regridding_of(tmp_path)


def test_the_command_writes_volumes_that_can_be_read_and_names_them(tmp_path: Path) -> None:
    _write(tmp_path / "export" / "tilted", EVEN, 0.25)
    _write(tmp_path / "export" / "even", EVEN)
    _write(tmp_path / "export" / "gap", (*EVEN[:4], *(depth + 3 for depth in EVEN[4:])))
    table, out, key = tmp_path / "data.csv", tmp_path / "volumes", tmp_path / "k"
    words = ("dicom", tmp_path / "export", "--manifest", table, "--resample", out, "--key-file", key)
    done = run_wardround(*words)
    assert done.code == 0, done.err
    assert "sheared back by 14" in done.err
    assert "a slice is missing" in done.out
    with table.open(newline="", encoding="utf-8") as handle:
        cells = [row["Channel_0"] for row in csv.DictReader(handle)]
    (volume,) = out.iterdir()
    assert sorted(cells) == sorted(["export/even", f"volumes/{volume.name}"])
    image = read_image(volume)
    seen = image.data[0] > image.data.min()
    np.testing.assert_allclose(image.data[0][seen], _at(image.geometry)[seen], atol=0.1)
    table.unlink()
    again = run_wardround(*words)
    assert again.code == 2
    assert "Nothing was replaced" in again.err


def test_a_mask_is_written_beside_its_volume(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    _write(folder / "even", EVEN)
    mask = np.zeros((SIDES[2], SIDES[1], SIDES[0]), np.uint8)
    mask[6:14, 8:16, 2:7] = 1
    segment_writing.write(folder / "mask.dcm", mask, ("one",), folder / "even")
    for file in (folder / "even").iterdir():
        _tilt_slice(file, 0.25)
    _tilt_segmentation(folder / "mask.dcm", 0.25)
    done = run_wardround("dicom", folder, "--manifest", tmp_path / "data.csv", "--resample", tmp_path / "volumes")
    assert done.code == 0, done.err
    with (tmp_path / "data.csv").open(newline="", encoding="utf-8") as handle:
        (row,) = csv.DictReader(handle)
    label, grid = read_label(tmp_path / row["Label"])
    assert np.count_nonzero(label) == np.count_nonzero(mask)
    assert grid.shape == read_header(tmp_path / row["Channel_0"]).geometry.shape


def _tilt_slice(path: Path, tilt: float) -> None:
    import pydicom

    made = pydicom.dcmread(path)
    x, y, z = map(float, made.ImagePositionPatient)
    made.ImagePositionPatient = [x, float(f"{y + tilt * (z + 30.0):.6f}"), z]
    made.save_as(path)


BOTH = Dicom(uneven="resample", tilt="resample")


@pytest.mark.parametrize(
    ("depths", "tilt", "word", "refused"),
    [
        (EVEN, 0.25, Dicom(), ["tilted"]),
        (UNEVEN, 0.0, Dicom(tilt="resample"), ["uneven"]),
        (EVEN, 0.25, Dicom(uneven="resample"), ["tilted"]),
        (UNEVEN, 0.25, Dicom(uneven="resample"), ["tilted"]),
        (UNEVEN, 0.25, Dicom(tilt="resample"), ["uneven"]),
        (UNEVEN, 0.0, Dicom(uneven="resample"), []),
        (EVEN, 0.25, Dicom(tilt="resample"), []),
        (UNEVEN, 0.25, BOTH, []),
    ],
)
def test_a_study_has_its_word_for_each_fault(
    tmp_path: Path, depths: tuple[float, ...], tilt: float, word: Dicom, refused: list[str]
) -> None:
    """What it lets be resampled has the voxels that the command writes; for each other fault it is refused."""
    _write(tmp_path, depths, tilt)
    for read in (read_header, read_image, open_image):
        if not refused:
            read(tmp_path, word)
            continue
        with pytest.raises(InputError) as error:
            read(tmp_path, word)
        assert [
            next(each for each in ("tilted", "uneven") if each in it.what) for it in error.value.problems
        ] == refused
        assert all("in the study" in problem.remedy for problem in error.value.problems)
    if refused:
        return
    expected, header = resampled_image(regridding_of(tmp_path)), read_header(tmp_path, word)
    image, opened = read_image(tmp_path, word), open_image(tmp_path, word)
    np.testing.assert_array_equal(image.data, expected.data)
    assert image.geometry == opened.geometry == header.geometry == expected.geometry
    assert (header.pixel_type, header.channels, opened.shape) == ("float32", 1, image.data.shape)
    box = (slice(2, 9), slice(5, 11), slice(1, 4))
    np.testing.assert_array_equal(opened.region(box), image.data[(slice(None), *box)])
    assert any("was resampled onto an even grid" in remark.what for remark in header.remarks)


def test_an_even_series_is_read_as_ever_whatever_the_study_says(tmp_path: Path) -> None:
    _write(tmp_path, EVEN)
    np.testing.assert_array_equal(read_image(tmp_path, BOTH).data, read_image(tmp_path).data)
    assert read_header(tmp_path, BOTH) == read_header(tmp_path)


@pytest.mark.parametrize("depths", [(*EVEN[:4], *(depth + 3 for depth in EVEN[4:])), (0, 1, 4, 7, 10, 13, 16, 19, 22)])
def test_no_word_of_a_study_makes_up_what_is_missing(tmp_path: Path, depths: tuple[float, ...]) -> None:
    _write(tmp_path, tuple(map(float, depths)))
    with pytest.raises(InputError, match=r"a slice is missing|too uneven"):
        read_image(tmp_path, BOTH)


@pytest.mark.parametrize(("depths", "tilt"), [(UNEVEN, 0.0), (EVEN, 0.8 / 3), (UNEVEN, 0.2)])
def test_a_predicted_segmentation_lies_on_the_slices_that_were_scanned(
    tmp_path: Path, depths: tuple[float, ...], tilt: float
) -> None:
    """A viewer shows it on the images that it names: each frame has a slice's position, and its structure is there."""
    import pydicom

    _write(tmp_path / "scan", depths, tilt)
    how = regridding_of(tmp_path / "scan")
    grid, file = how.grid, tmp_path / "mask.dcm"
    indices = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1)
    at = indices @ step_matrix(grid).T + np.asarray(grid.origin)
    centre = at.reshape(-1, 3).mean(axis=0)
    ball = (np.linalg.norm(at - centre, axis=-1) < 5).astype(np.uint8)
    segment_writing.write(file, ball, ("ball",), tmp_path / "scan", BOTH)
    found = pydicom.dcmread(file)
    scanned = {tuple(map(float, pydicom.dcmread(each).ImagePositionPatient)) for each in (tmp_path / "scan").iterdir()}
    frames = [
        tuple(map(float, each.PlanePositionSequence[0].ImagePositionPatient))
        for each in found.PerFrameFunctionalGroupsSequence
    ]
    assert len(frames) == len({*frames}) > 2
    assert {*frames} <= scanned
    for place, drawn in zip(frames, np.atleast_3d(found.pixel_array), strict=True):
        rows, columns = np.nonzero(drawn)
        there = np.asarray(place) + columns[:, None] * (0.6, 0, 0) + rows[:, None] * (0, 0.8, 0)
        # Half a step between planes, half a pixel in them.
        assert (np.linalg.norm(there - centre, axis=1) < 5 + 1.6 + 0.5).all()
        assert len(rows) == pytest.approx(np.pi * max(0, 25 - (place[2] - centre[2]) ** 2) / 0.48, abs=45)
    back, onto = read_label(file, label_grid(file, tmp_path / "scan", BOTH))
    assert onto == grid
    assert 2 * np.logical_and(back, ball).sum() / (np.count_nonzero(back) + ball.sum()) > 0.9
    assert read_label_header(file, label_grid(file, tmp_path / "scan", BOTH)).geometry == grid
    np.testing.assert_array_equal(back, resampled_mask(how, file))


def test_a_series_of_class_numbers_is_laid_as_its_image_is(tmp_path: Path) -> None:
    """The nearest value, never one between two classes."""
    _write(tmp_path / "scan", UNEVEN, 0.8 / 3)
    values = np.random.default_rng(0).choice([0, 3, 9], (*SIDES,)).astype(np.int16)
    for file in (tmp_path / "scan").iterdir():
        _as_mask(file, tmp_path / "mask" / file.name, values)
    label, grid = read_label(tmp_path / "mask", None, BOTH)
    assert grid == read_header(tmp_path / "scan", BOTH).geometry
    assert {*np.unique(label)} == {0, 3, 9}
    how = regridding_of(tmp_path / "scan")
    np.testing.assert_array_equal(label[:, : SIDES[1], 0], values[0].T)
    moved = int(np.rint(how.shifts[-1, 1]))
    np.testing.assert_array_equal(label[:, moved : moved + SIDES[1], -1], values[-1].T)


def _as_mask(source: Path, target: Path, values: np.ndarray) -> None:
    import pydicom

    made = pydicom.dcmread(source)
    number = int(np.argmin(np.abs(np.asarray(UNEVEN) - (float(made.ImagePositionPatient[2]) + 30))))
    made.RescaleSlope, made.RescaleIntercept = 1, 0
    made.PixelData = values[number].tobytes()
    target.parent.mkdir(exist_ok=True)
    made.save_as(target)
