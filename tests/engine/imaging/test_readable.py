"""A region of a readable is that part of the whole, to the last bit, whatever the readable is and however it lies."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.images import oblique_geometry, write_segmentation_cohort
from tests.support.studies import SEGMENTATION, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Truth, read_manifest
from wardround.engine.imaging import ArrayReadable, Image, Readable, open_image, read_image, write_image
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.imaging.readable import copy_region, slabs
from wardround.engine.store import CaseStore

SHAPE = (7, 9, 5)
GRID = oblique_geometry(SHAPE)


def _values(channels: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (channels, *shape)).astype(np.uint8)


def _array(folder: Path) -> Readable:
    return ArrayReadable.of(_values(3, SHAPE), GRID)


def _stored(folder: Path) -> Readable:
    study = study_of(SEGMENTATION)
    cohort = read_manifest(write_segmentation_cohort(folder / "data", cases=1), study, truth=Truth.REQUIRED)
    return CaseStore(folder / "store").open_case(study, cohort.cases[0]).voxels


def _file(name: str, channels: int, shape: tuple[int, ...]) -> Callable[[Path], Readable]:
    def opened(folder: Path) -> Readable:
        grid = GRID if len(shape) == 3 else plain_geometry(shape)
        write_image(folder / name, Image(_values(channels, shape), grid))
        return open_image(folder / name)

    return opened


def _nifti(kind: Any, slope: float, shape: tuple[int, ...]) -> Callable[[Path], Readable]:
    """An uncompressed file whose values are stored in another type than is meant."""

    def opened(folder: Path) -> Readable:
        values = np.random.default_rng(1).normal(0, 90, shape).astype(kind)
        image: Any = nibabel.Nifti1Image(values, np.diag([0.7, -1.1, 3.0, 1.0]))
        image.header.set_slope_inter(slope, -1024.0 if slope != 1 else 0.0)
        nibabel.save(image, folder / "scaled.nii")
        return open_image(folder / "scaled.nii")

    return opened


MAKERS: dict[str, Callable[[Path], Readable]] = {
    "an array": _array,
    "a case in the store": _stored,
    "int16 that is scaled": _nifti(np.int16, 0.37, SHAPE),
    "big-endian float64": _nifti(">f8", 1.0, SHAPE),
    "channels in a fourth axis": _nifti(np.float32, 1.0, (*SHAPE, 2)),
    "a slice": _nifti(np.uint8, 1.0, (6, 11)),
    "compressed NIfTI": _file("a.nii.gz", 1, SHAPE),
    "NRRD": _file("a.nrrd", 2, SHAPE),
    "MetaImage": _file("a.mha", 1, SHAPE),
    "a coloured picture": _file("a.png", 3, (8, 13)),
    "TIFF": _file("a.tif", 1, (8, 13)),
}


@pytest.fixture(params=MAKERS, ids=str)
def readable(request: pytest.FixtureRequest, tmp_path: Path) -> Readable:
    """Every kind of readable there is."""
    return MAKERS[request.param](tmp_path)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_region_is_that_part_of_the_whole(readable: Readable, data: st.DataObject) -> None:
    whole = readable.whole()
    assert (readable.shape, readable.dtype) == (whole.shape, whole.dtype)
    assert readable.geometry.shape == readable.shape[1:]
    bounds = [sorted(data.draw(st.tuples(*[st.integers(0, side)] * 2))) for side in readable.shape[1:]]
    box = tuple(slice(first, last) for first, last in bounds)
    np.testing.assert_array_equal(readable.region(box), whole[(slice(None), *box)], strict=True)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_region_that_lies_beyond_the_image_equals_numpys_padding(readable: Readable, data: st.DataObject) -> None:
    sides = [data.draw(st.integers(1, side + 6)) for side in readable.shape[1:]]
    corner = [data.draw(st.integers(-size - 2, side + 2)) for side, size in zip(readable.shape[1:], sides, strict=True)]
    outside = data.draw(st.sampled_from([(), tuple(3.0 + number for number in range(readable.shape[0]))]))
    margin = max(sides) + 3
    padded = [
        np.pad(channel, margin, constant_values=value)
        for channel, value in zip(readable.whole(), outside or (0.0,) * readable.shape[0], strict=True)
    ]
    box = tuple(slice(first + margin, first + margin + side) for first, side in zip(corner, sides, strict=True))
    out = np.full((readable.shape[0], *sides), 99, readable.dtype)
    copy_region(readable, corner, out, outside)
    np.testing.assert_array_equal(out, np.stack(padded)[(slice(None), *box)])


def test_slabs_are_the_whole_in_order_and_small(readable: Readable, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in (1, 150, 1 << 22):
        monkeypatch.setattr("wardround.engine.imaging.readable._SLAB", limit)
        pieces = list(slabs(readable))
        np.testing.assert_array_equal(np.concatenate(pieces, axis=1), readable.whole())
        plane = math.prod(readable.shape) // readable.shape[1]
        assert all(piece.size <= max(limit, plane) for piece in pieces)


@pytest.mark.parametrize("name", [name for name in MAKERS if name not in ("an array", "a case in the store")])
def test_a_file_by_regions_is_the_file_as_it_is_read(name: str, tmp_path: Path) -> None:
    readable = MAKERS[name](tmp_path)
    (path,) = tmp_path.iterdir()
    image = read_image(path)
    np.testing.assert_array_equal(readable.whole(), image.data, strict=True)
    assert readable.geometry == image.geometry


def test_of_an_uncompressed_file_no_other_voxels_are_read(tmp_path: Path) -> None:
    """A region is given although a voxel elsewhere is no number, and refused where one lies in it."""
    values = np.ones(SHAPE, np.float32)
    values[6, 0, 0] = np.nan
    image: Any = nibabel.Nifti1Image(values, np.eye(4))
    nibabel.save(image, tmp_path / "a.nii")
    readable = open_image(tmp_path / "a.nii")
    assert (readable.region((slice(0, 6), slice(0, 9), slice(0, 5))) == 1).all()
    with pytest.raises(InputError, match="not numbers"):
        readable.region((slice(5, 7), slice(0, 2), slice(0, 2)))
    with pytest.raises(InputError, match="not numbers"):
        readable.whole()


def test_a_file_that_was_cut_short_is_told_before_a_region_is_asked_for(tmp_path: Path) -> None:
    _nifti(np.int16, 1.0, SHAPE)(tmp_path)
    path = tmp_path / "scaled.nii"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="cut short"):
        open_image(path)


def test_an_array_that_is_not_on_its_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="on a grid of shape"):
        ArrayReadable.of(np.zeros(SHAPE), GRID)
