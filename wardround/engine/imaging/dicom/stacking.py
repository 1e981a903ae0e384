"""The frames of a series in the order in which they lie behind each other, and the grid that they make.

Neither names of files nor InstanceNumber tell that order: what counts is where ImagePositionPatient lies along the
normal of the slices, as in ITK. What makes no grid is refused by name, and never stacked all the same.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.imaging.dicom.encoding import Encoding
from wardround.engine.imaging.dicom.frames import TIMES, TRAITS, Frame
from wardround.engine.imaging.dicom.objects import Instance
from wardround.engine.imaging.dicom.series import Series, names
from wardround.engine.imaging.geometry import TOLERANCE, flat, plain_geometry, rectangular, spacing_words, with_third
from wardround.engine.imaging.image import Geometry, Remark, Space

_SAME_DIRECTION = 1e-3
"""By how much entries of unit vectors may differ that point one way."""
_SAME_PLACE = 0.01
"""Of a pixel's size: slices that lie nearer to each other lie at one place."""
_SHOWN = 4
_EXPORT = "Export the series again, whole and alone"
TILTED = "the slices are tilted against their own axis, as by a tilted gantry"
UNEVEN = "the slices lie at uneven distances"
"""What is wrong with series that can be resampled; every other one stays refused."""
_PLACED = "a position, an orientation and a spacing for each"


@dataclass(frozen=True)
class Slice:
    """A frame and the object that holds it."""

    instance: Instance
    frame: Frame

    @property
    def encoding(self) -> Encoding:
        """How its pixels are stored."""
        if self.instance.encoding is None:
            raise AssertionError("an image without an encoding")
        return self.instance.encoding


@dataclass(frozen=True)
class Stack:
    """Slices in their order, and their grid.

    Attributes:
        slices: along the last axis of a volume; one alone is a flat image.
        geometry: of all of them.
        space: what is told of the space that they lie in.
        remarks: what is allowed, but worth telling.
    """

    slices: tuple[Slice, ...]
    geometry: Geometry
    space: Space
    remarks: tuple[Remark, ...] = ()


def stack_of(series: Series) -> Stack:
    """The slices of a series in their order. Raises `InputError` where they make no grid."""
    slices = [Slice(each, frame) for each in series.instances for frame in each.frames]
    _require_one_kind(series.path, slices)
    if len(slices) == 1:
        return _single(series.path, slices[0], series.remarks)
    return _volume(series.path, slices, series.remarks)


def _require_one_kind(path: Path, slices: Sequence[Slice]) -> None:
    """Raise `InputError` for images of several sizes or colours, and for scouts among slices."""
    scouts = [each for each in slices if each.instance.is_localizer]
    if 0 < len(scouts) < len(slices):
        got, remedy = f"{len(scouts)} of {len(slices)} images", "Move the localizers into another folder"
        raise _refused("localizers lie among the slices", path, scouts, got, remedy)
    sizes = _groups(slices, lambda each: f"{each.encoding.columns} x {each.encoding.rows}")
    if len(sizes) > 1:
        raise _several("the slices have several sizes", path, sizes, "pixels")
    colours = _groups(slices, lambda each: f"{each.encoding.photometric} with {each.encoding.samples} values a pixel")
    if len(colours) > 1:
        raise _several("the slices have several kinds of pixels", path, colours)


def _single(path: Path, found: Slice, remarks: Sequence[Remark]) -> Stack:
    """The grid of one image: flat, with the sizes and the place that its header tells."""
    rows, columns, frame = found.encoding.rows, found.encoding.columns, found.frame
    told = _detector(frame) if frame.at_detector else ()
    if frame.spacing is None:
        return Stack((found,), plain_geometry((rows, columns)), Space.NOTHING, tuple(remarks))
    if not all(math.isfinite(size) and size > 0 for size in frame.spacing):
        raise _fault(path, f"a spacing of {spacing_words(np.asarray(frame.spacing))} mm", _EXPORT)
    if frame.orientation is None or frame.position is None:
        grid = replace(plain_geometry((rows, columns)), spacing=frame.spacing)
        return Stack((found,), grid, Space.SIZES, (*remarks, *told))
    solid = rectangular(with_third(_in_plane(frame)), np.asarray(frame.position), (columns, rows, 1))
    if isinstance(solid, str):
        raise _fault(path, solid, _EXPORT)
    return Stack((found,), flat(solid), Space.BODY, (*remarks, *told))


def _detector(frame: Frame) -> tuple[Remark, ...]:
    return (Remark("the size of a pixel is that at the detector, for the header tells none in the body"),)


def _in_plane(frame: Frame) -> np.ndarray:
    """The steps in mm along a row and down a column, (3, 2)."""
    assert frame.orientation is not None
    assert frame.spacing is not None
    along = np.asarray(frame.orientation).reshape(2, 3).T
    steps: np.ndarray = along * (frame.spacing[1], frame.spacing[0])
    return steps


@dataclass(frozen=True)
class Pile:
    """Slices that lie behind each other, at whatever distances and however far beside each other.

    Attributes:
        slices: in the order in which they lie along their normal.
        steps: mm along a row and down a column, (3, 2).
        normal: the unit vector at right angles to both.
        places: the centre of each slice's first pixel in mm, LPS, (slices, 3).
    """

    slices: tuple[Slice, ...]
    steps: np.ndarray
    normal: np.ndarray
    places: np.ndarray

    @property
    def depths(self) -> np.ndarray:
        """How far each lies along the normal, in mm."""
        return np.asarray(self.places @ self.normal)


def pile_of(series: Series) -> Pile:
    """The slices of a series in their order. Raises `InputError` where they are not of one kind, or not placed."""
    slices = [Slice(each, frame) for each in series.instances for frame in each.frames]
    _require_one_kind(series.path, slices)
    if len(slices) == 1:
        raise _fault(series.path, "1 image", "Name it in a row of its own", "a single image has no distances")
    return _pile(series.path, slices)


def _pile(path: Path, slices: Sequence[Slice]) -> Pile:
    _require_placed(path, slices)
    first = slices[0].frame
    _require_alike(path, slices, first)
    steps = _in_plane(first)
    normal = with_third(steps)[:, 2]
    places = np.asarray([each.frame.position for each in slices], dtype=np.float64)
    depths = places @ normal
    order = np.argsort(depths, kind="stable")
    ordered = tuple(slices[index] for index in order)
    _require_single(path, ordered, depths[order], min(first.spacing or (1.0,)))
    return Pile(ordered, steps, normal, places[order])


def _volume(path: Path, slices: Sequence[Slice], remarks: Sequence[Remark]) -> Stack:
    pile = _pile(path, slices)
    for fault in (tilt_of(path, pile), unevenness_of(path, pile)):
        if fault is not None:
            raise InputError([fault])
    places = pile.places
    third = (places[-1] - places[0]) / (len(places) - 1)
    encoding = slices[0].encoding
    grid = rectangular(np.column_stack([pile.steps, third]), places[0], (encoding.columns, encoding.rows, len(places)))
    if isinstance(grid, str):
        raise _fault(path, grid, "Resample it to a rectangular grid first")
    return Stack(pile.slices, grid, Space.BODY, tuple(remarks))


def _require_placed(path: Path, slices: Sequence[Slice]) -> None:
    """Raise `InputError` where nothing tells where slices lie."""
    if not slices[0].encoding.is_grey:
        raise InputError.one(
            "a volume in colour cannot be read",
            where=str(path),
            got=f"{len(slices)} images of {slices[0].encoding.photometric}",
            expected="one picture, or grey slices",
            remedy="Name each picture in a row of its own, or export the slices in grey",
        )
    lost = [each for each in slices if None in (each.frame.position, each.frame.orientation, each.frame.spacing)]
    if not lost:
        return
    instance = lost[0].instance
    if len(instance.frames) > 1:
        got = f"{instance.kind.named} of {len(instance.frames)} frames"
        remedy = "Is it a film or a scan over time? Save the frame that is wanted as an image of its own"
        raise _refused("nothing tells where the frames lie", path, lost, got, remedy, _PLACED)
    got, remedy = f"{len(lost)} of {len(slices)} images", "Are they single radiographs? Name each in a row of its own"
    raise _refused("nothing tells where the images lie", path, lost, got, remedy, _PLACED)


def _require_alike(path: Path, slices: Sequence[Slice], first: Frame) -> None:
    """Raise `InputError` for slices that lie in several directions, or have pixels of several sizes."""
    vectors = np.asarray([each.frame.orientation for each in slices], dtype=np.float64)
    sizes = np.asarray([each.frame.spacing for each in slices], dtype=np.float64)
    if not (np.isfinite(vectors).all() and np.isfinite(sizes).all() and (sizes > 0).all()):
        raise _fault(path, "orientations or spacings that are not numbers above 0", _EXPORT)
    if np.abs(vectors - vectors[0]).max() > _SAME_DIRECTION:
        directions = _groups(slices, lambda each: _rounded(each.frame.orientation or ()))
        raise _several("the slices lie in several directions", path, directions)
    encoding = slices[0].encoding
    if np.abs((sizes - sizes[0]) * (encoding.rows, encoding.columns) / sizes[0]).max() > TOLERANCE:
        spacings = _groups(slices, lambda each: _rounded(each.frame.spacing or ()))
        raise _several("the slices have several spacings", path, spacings, "mm")


def _require_single(path: Path, ordered: Sequence[Slice], depths: np.ndarray, pixel: float) -> None:
    """Raise `InputError` where several images lie at one place: copies, or a scan over time, echoes or directions."""
    same = np.flatnonzero(np.diff(depths) <= _SAME_PLACE * pixel).tolist()
    if not same:
        return
    one, other = ordered[same[0]], ordered[same[0] + 1]
    if one.instance.uid == other.instance.uid and one.frame.number == other.frame.number:
        copies = [ordered[index + 1] for index in same]
        got = "1 copy" if len(copies) == 1 else f"{len(copies)} copies"
        raise _refused("images stand in the folder twice", path, copies, got, "Remove the copies from the folder")
    count = len(ordered) - len(same)
    per_place = f"{len(ordered)} images at {count} places"
    by = _telling(ordered)
    raise InputError.one(
        "several images lie at one place, as in a scan over time or of several echoes",
        where=str(path),
        got=f"{per_place}{f'; they differ by {by}' if by else ''}",
        expected="one image at each place",
        remedy="Export the ones that are wanted as a series of their own; a scan over time is no volume",
    )


def _telling(slices: Sequence[Slice]) -> str:
    """The element by which images of one place differ, with a few of its values; empty where none tells."""
    known = [dict(each.frame.traits) for each in slices]
    named = [*TRAITS, *(name for each in known for name in each if name not in TRAITS)]
    for name in dict.fromkeys(named):
        values = sorted({each[name] for each in known if name in each}, key=_in_order)
        if name in TIMES and len(values) > 1:
            return name
        if 1 < len(values) <= len(slices) // 2:
            return f"{name} ({', '.join(values[:_SHOWN])}{' ...' if len(values) > _SHOWN else ''})"
    return ""


def _in_order(value: str) -> tuple[float, str]:
    """Numbers by their size, before all else."""
    return (float(value), "") if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value) else (math.inf, value)


def tilt_of(path: Path, pile: Pile) -> Problem | None:
    """What is wrong with slices that do not lie behind each other along their normal, as of a tilted gantry; None where
    they do. Raises `InputError` for slices that lie side by side."""
    places = pile.places
    moved = places - places[0]
    sideways = moved - np.outer(moved @ pile.normal, pile.normal)
    pixel = np.linalg.norm(pile.steps, axis=0).min()
    if np.linalg.norm(sideways, axis=1).max() <= TOLERANCE * pixel:
        return None
    # Along the way from the first slice to the last, and not from one to the next: distances may be uneven too.
    line = np.outer(moved @ pile.normal / (moved[-1] @ pile.normal), sideways[-1])
    if np.linalg.norm(sideways - line, axis=1).max() > pixel:
        got = f"slices up to {np.linalg.norm(sideways, axis=1).max():.3g} mm beside the first"
        remedy = "Are they several stacks? Export each as a series of its own"
        raise _fault(path, got, remedy, "the slices lie side by side")
    angle = math.degrees(math.atan2(float(np.linalg.norm(sideways[-1])), float(moved[-1] @ pile.normal)))
    return Problem(
        TILTED,
        str(path),
        f"{angle:.3g}°",
        "slices at right angles to the way from one to the next",
        "Write `dicom: {tilt: resample}` in the study; or resample it to a rectangular grid first: "
        "`wardround dicom FOLDER --resample FILES` does so",
    )


def unevenness_of(path: Path, pile: Pile) -> Problem | None:
    """What is wrong with slices that lie at uneven distances; None where they do not. Raises `InputError` where slices
    are missing."""
    depths, count = pile.depths, len(pile.depths)
    step = (depths[-1] - depths[0]) / (count - 1)
    if np.abs(depths - depths[0] - np.arange(count) * step).max() <= TOLERANCE * step:
        return None
    gaps = np.diff(depths)
    usual = float(np.median(gaps))
    steps = np.rint(gaps / usual)
    wide = np.flatnonzero(steps > 1)
    if wide.size and np.abs(gaps / usual - steps).max() <= TOLERANCE:
        missing = int((steps[wide] - 1).sum())
        raise InputError.one(
            "slices are missing" if missing > 1 else "a slice is missing",
            where=str(path),
            got=f"{count} slices of {count + missing}, {usual:.4g} mm apart, with gaps {_at(depths, wide)}",
            expected=f"a slice every {usual:.4g} mm",
            remedy="Copy or export the series again, whole",
        )
    odd = np.flatnonzero(np.abs(gaps - usual) > TOLERANCE * usual)
    span = f"{gaps.min():.4g} to {gaps.max():.4g} mm apart"
    told = f"mostly {usual:.4g} mm apart, but otherwise {_at(depths, odd)}" if odd.size else span
    return Problem(
        UNEVEN,
        str(path),
        f"{count} slices, {told}",
        "one distance between all of them",
        "Write `dicom: {uneven: resample}` in the study; or resample it to an even grid first, which "
        "`wardround dicom FOLDER --resample FILES` does; or export the part that is even as a series of its own",
    )


def _at(depths: np.ndarray, gaps: np.ndarray) -> str:
    shown = [f"{depths[index + 1] - depths[index]:.4g} mm behind {depths[index]:.6g} mm" for index in gaps[:_SHOWN]]
    more = len(gaps) - _SHOWN
    return ", ".join(shown) + (f" and at {more} more places" if more > 0 else "")


def _groups(slices: Sequence[Slice], key: Callable[[Slice], str]) -> dict[str, list[Slice]]:
    found: dict[str, list[Slice]] = defaultdict(list)
    for each in slices:
        found[key(each)].append(each)
    return found


def _several(what: str, path: Path, groups: Mapping[str, Sequence[Slice]], unit: str = "") -> InputError:
    by_size = sorted(groups.items(), key=lambda item: -len(item[1]))
    words = [f"{len(found)} of {name}{f' {unit}' if unit else ''}" for name, found in by_size[:_SHOWN]]
    fewest = by_size[-1][1]
    more = " and more" if len(by_size) > _SHOWN else ""
    got = f"{', '.join(words)}{more}; such as {names(path, [each.instance.file for each in fewest])}"
    remedy = "Export the ones that belong together as a series of their own; are localizers among them?"
    return InputError.one(what, where=str(path), got=got, remedy=remedy)


def _refused(what: str, path: Path, slices: Sequence[Slice], got: str, remedy: str, expected: str = "") -> InputError:
    files = dict.fromkeys(each.instance.file for each in slices)
    named = f"{got}: {names(path, files)}" if len(slices) > 1 or len(files) == 1 else got
    return InputError.one(what, where=str(path), got=named, expected=expected, remedy=remedy)


def _fault(path: Path, got: str, remedy: str, what: str = "the series makes no grid") -> InputError:
    return InputError.one(what, where=str(path), got=got, remedy=remedy)


def _rounded(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"
