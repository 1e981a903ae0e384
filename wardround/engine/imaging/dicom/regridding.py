"""Series that make no grid, onto one: a tilted gantry sheared back, uneven distances made even.

Slices of a tilted gantry are parallel, but each lies beside the one before; so on a grid with right angles each slice
is moved within its plane, and voxels between slices follow from the two around them, all by linear interpolation. Of a
segmentation the nearest voxel is taken. Nobody gets this without asking: interpolated slices were not measured.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from wardround.engine.basics.dicom import REFUSING, Dicom
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.dicom import segments
from wardround.engine.imaging.dicom.objects import Instance
from wardround.engine.imaging.dicom.pixels import planes, require_pixels
from wardround.engine.imaging.dicom.series import Series, series_of
from wardround.engine.imaging.dicom.stacking import Pile, Stack, pile_of, stack_of, tilt_of, unevenness_of
from wardround.engine.imaging.geometry import TOLERANCE, rectangular
from wardround.engine.imaging.header import Header
from wardround.engine.imaging.image import Geometry, Image, Role, Space
from wardround.engine.imaging.sources import Source

MOST_UNEVEN = 1.8
"""How much wider or narrower than the usual distance one may be: at twice that a slice is missing."""
MOST_TILTED = 45.0
"""Degrees: a gantry tilts by up to 30."""
_ON_A_SLICE = 0.01
"""Of the distance between slices: what lies nearer to one of them lies on it."""


@dataclass(frozen=True)
class Regridding:
    """How a series is laid onto a grid.

    Attributes:
        source: where it lies.
        pile: its slices.
        grid: the even grid with right angles that holds all of them, (columns, rows, slices).
        shifts: by how many columns and rows each slice lies beside the grid's first, (slices, 2).
        told: what had to be done, in words.
    """

    source: Source
    pile: Pile
    grid: Geometry
    shifts: np.ndarray
    told: str


def regridding_of(path: Path) -> Regridding:
    """How the series of a folder is laid onto a grid. Raises `InputError` where that would be a guess: slices at very
    uneven distances, that lie side by side, or that are no slices."""
    source = Source(path)
    series = series_of(source)
    require_pixels(series, Role.IMAGE)
    return _regridding(source, series)


def laid(source: Source, series: Series, dicom: Dicom = REFUSING) -> Stack | Regridding:
    """A series on the grid of its slices; or, where they make none and the study says so, how it is laid onto one.

    Raises `InputError` with everything for which the study has no such word, and as `regridding_of` does.
    """
    if not dicom.resamples or sum(len(each.frames) for each in series.instances) == 1:
        return stack_of(series)
    pile = pile_of(series)
    words = ((tilt_of(series.path, pile), dicom.tilt), (unevenness_of(series.path, pile), dicom.uneven))
    faults = [(fault, word) for fault, word in words if fault is not None]
    refused = [fault for fault, word in faults if word == "refuse"]
    if refused:
        raise InputError(refused)
    return _regridding(source, series) if faults else stack_of(series)


def grid_for(path: Path, dicom: Dicom) -> Geometry | Regridding:
    """The grid of the series of a folder, or how it is laid onto one. Raises as `laid` does, and `OSError`."""
    source = Source(path)
    found = laid(source, series_of(source), dicom)
    return found if isinstance(found, Regridding) else found.geometry


def _regridding(source: Source, series: Series) -> Regridding:
    path, pile = series.path, pile_of(series)
    gaps = np.diff(pile.depths)
    usual = float(np.median(gaps))
    _require_moderate(path, gaps, usual)
    beside = _beside(path, pile)
    low, high = np.floor(beside.min(axis=0) + 1e-3), np.ceil(beside.max(axis=0) - 1e-3)
    encoding = pile.slices[0].encoding
    columns, rows = (int(side + room) for side, room in zip((encoding.columns, encoding.rows), high - low, strict=True))
    depth = math.floor((pile.depths[-1] - pile.depths[0]) / usual + _ON_A_SLICE) + 1
    origin = pile.places[0] + pile.steps @ low
    grid = rectangular(np.column_stack([pile.steps, pile.normal * usual]), origin, (columns, rows, depth))
    if isinstance(grid, str):
        raise InputError.one("the series makes no grid", where=str(path), got=grid, remedy="Export the series again")
    return Regridding(source, pile, grid, beside - low, _told(pile, gaps, usual))


def _require_moderate(path: Path, gaps: np.ndarray, usual: float) -> None:
    if gaps.max() <= MOST_UNEVEN * usual and gaps.min() >= usual / MOST_UNEVEN:
        return
    raise InputError.one(
        "the slices lie at distances too uneven to be resampled",
        where=str(path),
        got=f"{gaps.min():.4g} to {gaps.max():.4g} mm, mostly {usual:.4g} mm",
        expected=f"{usual / MOST_UNEVEN:.4g} to {usual * MOST_UNEVEN:.4g} mm",
        remedy="Are slices missing? Export the series again, or its even part as a series of its own",
    )


def _beside(path: Path, pile: Pile) -> np.ndarray:
    """By how many columns and rows each slice lies beside the first, (slices, 2). Raises `InputError` where they do not
    lie along one line."""
    moved = pile.places - pile.places[0]
    within = moved @ pile.steps / (np.linalg.norm(pile.steps, axis=0) ** 2)
    way = moved @ pile.normal
    slope = within[-1] / way[-1]
    off = np.abs(within - np.outer(way, slope)).max()
    angle = _angle(pile)
    if off > 1 or angle > MOST_TILTED:
        got = f"{angle:.3g}° to the side" if off <= 1 else f"slices up to {off:.3g} pixels beside a line"
        raise InputError.one(
            "the slices do not lie behind each other",
            where=str(path),
            got=got,
            expected=f"one line, at most {MOST_TILTED:g}° to the side",
            remedy="Are they several stacks? Export each as a series of its own",
        )
    return np.asarray(within)


def _angle(pile: Pile) -> float:
    moved = pile.places[-1] - pile.places[0]
    way = float(moved @ pile.normal)
    return math.degrees(math.atan2(float(np.linalg.norm(moved - way * pile.normal)), way))


def _told(pile: Pile, gaps: np.ndarray, usual: float) -> str:
    tilt = f"sheared back by {_angle(pile):.3g}°, " if _angle(pile) > 0.05 else ""
    return f"{tilt}slices that lay {gaps.min():.4g} to {gaps.max():.4g} mm apart resampled to {usual:.4g} mm"


def resampled_image(how: Regridding) -> Image:
    """The voxels on the grid, (1, columns, rows, slices) float32. What no slice has seen has the lowest value of all.

    Raises `InputError` for pixels that are damaged.
    """
    read = planes(how.source, how.pile.slices, Role.IMAGE)
    out = np.full((1, *how.grid.shape), np.nan, dtype=np.float32)
    targets = [*enumerate(_positions(how))]
    for (number, below), (_, above) in itertools.pairwise(enumerate(_moved(how, read))):
        for place, position in targets:
            if number <= position <= number + 1:
                weight = np.float32(position - number)
                out[0, :, :, place] = _between(below, above, weight)
    lowest = np.nanmin(out)
    np.copyto(out, lowest, where=np.isnan(out))
    return Image(out, how.grid)


def _between(below: np.ndarray, above: np.ndarray, weight: np.float32) -> np.ndarray:
    """Linear between two planes; what is on one of them is that one, whatever the other has not seen."""
    if weight in (0, 1):
        return above if weight else below
    return np.asarray(below * (1 - weight) + above * weight)


def _positions(how: Regridding) -> np.ndarray:
    """Where each plane of the grid lies among the slices: 1.5 is halfway between the second and the third."""
    depths = how.pile.depths
    wanted = depths[0] + np.arange(how.grid.shape[2]) * how.grid.spacing[2]
    found = np.interp(wanted, depths, np.arange(len(depths)))
    near = np.rint(found)
    return np.asarray(np.where(np.abs(found - near) <= _ON_A_SLICE, near, found))


def _moved(how: Regridding, read: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Each slice on the columns and rows of the grid, (columns, rows) float32; NaN where it has not seen anything."""
    for shift, plane in zip(how.shifts, read, strict=True):
        yield _placed(plane.T.astype(np.float32), shift, how.grid.shape[:2], order=1, outside=np.nan)


def _placed(plane: np.ndarray, shift: np.ndarray, shape: tuple[int, ...], *, order: int, outside: float) -> np.ndarray:
    near = np.rint(shift)
    exact = np.where(np.abs(shift - near) < 1e-3, near, shift)
    return np.asarray(
        ndimage.affine_transform(
            plane, [1.0, 1.0], offset=-exact, output_shape=shape, order=order, mode="constant", cval=outside
        )
    )


def resampled_classes(how: Regridding) -> np.ndarray:
    """The values of a series that is a mask on the grid, (columns, rows, slices): of each voxel that of the nearest one
    of the nearest slice; 0 where no slice has seen anything. Raises `InputError` for pixels that are damaged."""
    read = planes(how.source, how.pile.slices, Role.MASK)
    out, nearest = np.zeros(0), _nearest(how)
    for number, plane in enumerate(read):
        out = out if out.size else np.zeros(how.grid.shape, dtype=plane.dtype)
        placed = _placed(plane.T, how.shifts[number], how.grid.shape[:2], order=0, outside=0)
        out[:, :, nearest == number] = placed[:, :, None]
    return out


def mask_header(how: Regridding, instance: Instance) -> Header:
    """The header of a segmentation on the grid. Raises `InputError` for frames that lie on none of the slices."""
    by_slice = _by_slice(how, instance)
    found = [segments.header(part, _grid_of(how, number)) for number, part in by_slice.items()]
    kind = found[0].pixel_type if found else "uint8"
    return Header(how.grid, 1, kind, (), Space.BODY)


def resampled_mask(how: Regridding, mask: Path) -> np.ndarray:
    """`mask_on` of the segmentation of a file. Raises `InputError` where it is none."""
    source = Source(mask)
    instance = segments.segmentation_at(source)
    if instance is None:
        remedy = "Name the file of a DICOM-SEG"
        raise InputError.one("this is no segmentation", where=str(mask), remedy=remedy)
    return mask_on(how, source, instance)


def mask_on(how: Regridding, source: Source, instance: Instance) -> np.ndarray:
    """The numbers of a segmentation's segments on the grid, (columns, rows, slices): of each voxel that of the nearest
    one of the nearest slice; the source is released. Raises `InputError` for frames that lie on none of the slices."""
    nearest, out = _nearest(how), np.zeros(how.grid.shape, dtype=np.uint16)
    parts = _by_slice(how, instance)
    drawn = segments.on_grids(source, instance, [(part, _grid_of(how, number)) for number, part in parts.items()])
    for number, values in zip(parts, drawn, strict=True):
        placed = _placed(values[:, :, 0], how.shifts[number], how.grid.shape[:2], order=0, outside=0)
        out[:, :, nearest == number] = placed[:, :, None]
    return out


def on_slices(how: Regridding, mask: np.ndarray) -> np.ndarray:
    """A mask of the grid on the slices that were scanned, (columns, rows, slices): of each pixel the nearest voxel of
    the nearest plane. A slice that lies behind the last plane has what that plane has."""
    encoding = how.pile.slices[0].encoding
    depths = (how.pile.depths - how.pile.depths[0]) / how.grid.spacing[2]
    nearest = np.rint(depths - 1e-6).astype(int).clip(0, how.grid.shape[2] - 1)
    sides = (encoding.columns, encoding.rows)
    pieces = [
        _placed(mask[:, :, place], -shift, sides, order=0, outside=0)
        for place, shift in zip(nearest, how.shifts, strict=True)
    ]
    return np.stack(pieces, axis=2)


def _nearest(how: Regridding) -> np.ndarray:
    """The slice that lies nearest to each plane of the grid."""
    return np.rint(_positions(how) - 1e-6).astype(int).clip(0)


def _by_slice(how: Regridding, instance: Instance) -> dict[int, Instance]:
    """A segmentation in parts, by the number of the slice on which each lies."""
    owners = _owners(how, instance)
    return {
        number: replace(
            instance, frames=tuple(each for each, owner in zip(instance.frames, owners, strict=True) if owner == number)
        )
        for number in sorted({*owners})
    }


def _owners(how: Regridding, instance: Instance) -> list[int]:
    """The slice on which each frame lies."""
    found = []
    for frame in instance.frames:
        off = None if frame.position is None else np.abs(how.pile.depths - np.asarray(frame.position) @ how.pile.normal)
        nearest = 0 if off is None else int(np.argmin(off))
        if off is None or not off[nearest] <= TOLERANCE * how.grid.spacing[2]:
            raise InputError.one(
                "the segmentation does not lie on the slices of its image",
                where=str(instance.file),
                got="a frame without a position" if off is None else f"a frame {off[nearest]:.3g} mm from the nearest",
                remedy="Export the segmentation again on the slices of its images",
            )
        found.append(nearest)
    return found


def _grid_of(how: Regridding, number: int) -> Geometry:
    """The grid of one slice."""
    pile = how.pile
    encoding = pile.slices[number].encoding
    steps = np.column_stack([pile.steps, pile.normal * how.grid.spacing[2]])
    grid = rectangular(steps, pile.places[number], (encoding.columns, encoding.rows, 1))
    assert isinstance(grid, Geometry)
    return grid
