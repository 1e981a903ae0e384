"""DICOM-SEG as a mask: the number of a voxel's segment, laid onto the grid of its image voxel by voxel.

A segmentation has frames only where it has a segment, so that its own grid may be smaller than the image's, in another
order or turned round. Each frame is put where its position says; nothing is interpolated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.imaging.dicom.classes import Content
from wardround.engine.imaging.dicom.encoding import Encoding
from wardround.engine.imaging.dicom.frames import Frame
from wardround.engine.imaging.dicom.objects import Instance
from wardround.engine.imaging.dicom.pixels import require_readable, stored_frames
from wardround.engine.imaging.dicom.series import found_at, series_of
from wardround.engine.imaging.formats import unreadable
from wardround.engine.imaging.geometry import TOLERANCE, plain_geometry, rectangular, step_matrix, with_third
from wardround.engine.imaging.header import Header
from wardround.engine.imaging.image import Geometry, Remark, Space
from wardround.engine.imaging.sources import Source

_LABELMAP, _FRACTIONAL = "LABELMAP", "FRACTIONAL"
_SHOWN = 4
_EXPORT = "Export the segmentation again on the grid of its images, or as .nii.gz"
_OTHER_SERIES = Remark("the segmentation names another series of its scan as its source than the image; its place fits")


@dataclass(frozen=True)
class _Landing:
    """Where a frame lies in a mask.

    Attributes:
        frame: which.
        box: the region of the mask, along an axis backwards where the frame is turned round.
        is_transposed: whether rows of the frame lie along the later of the mask's axes.
        thin: the axis along which the frame has one voxel; none in a flat mask.
    """

    frame: Frame
    box: tuple[slice, ...]
    is_transposed: bool
    thin: tuple[int, ...] = ()


@dataclass(frozen=True)
class _Plan:
    """Where all frames lie."""

    instance: Instance
    grid: Geometry
    landings: tuple[_Landing, ...]


def segmentation_at(source: Source) -> Instance | None:
    """The segmentation that lies where a source leads; None where there are images.

    Raises `InputError` for several segmentations, and where there is none of either.
    """
    found = found_at(source).instances
    masks = [each for each in found if each.kind.content is Content.SEGMENTS]
    if not masks or any(each.is_image for each in found):
        return None
    if len(masks) > 1:
        remedy = "Name the file of the one that is meant"
        raise InputError.one(
            "the folder holds several segmentations", where=str(source.path), got=f"{len(masks)}", remedy=remedy
        )
    return masks[0]


def header(instance: Instance, onto: Geometry | None) -> Header:
    """The grid of a segmentation, which is `onto` where it can be laid onto that. Raises `InputError` where not."""
    encoding = _sound(instance)
    plan = _plan(instance, onto)
    space = Space.BODY if plan.grid.dimensions > 2 else Space.NOTHING
    return Header(plan.grid, 1, "uint8" if encoding.allocated <= 8 else "uint16", (), space)


def voxels(source: Source, instance: Instance, onto: Geometry | None) -> tuple[np.ndarray, Geometry]:
    """The numbers of the segments, (*spatial), 0 where there is none, and the grid; the source is released.

    Raises `InputError` for segments that overlap, and for fractions.
    """
    plan = _plan(instance, onto)
    (mask,) = _drawn(source, instance, [plan])
    source.release()
    return mask, plan.grid


def on_grids(source: Source, instance: Instance, parts: Iterable[tuple[Instance, Geometry]]) -> list[np.ndarray]:
    """`voxels` of parts of a segmentation, each on a grid of its own; its file is read once."""
    masks = _drawn(source, instance, [_plan(part, grid) for part, grid in parts])
    source.release()
    return masks


def _drawn(source: Source, instance: Instance, plans: Sequence[_Plan]) -> list[np.ndarray]:
    masks, overlaps = [np.zeros(plan.grid.shape, dtype=_kind(instance)) for plan in plans], _Overlaps()
    lands = [(mask, landing) for mask, plan in zip(masks, plans, strict=True) for landing in plan.landings]
    numbers = [landing.frame.number for _, landing in lands]
    for (mask, landing), stored in zip(lands, stored_frames(source, instance, numbers), strict=True):
        values = _values(instance, landing.frame, stored).astype(mask.dtype)
        if landing.is_transposed:
            values = values.T
        _lay(np.squeeze(mask[landing.box], axis=landing.thin), values, overlaps)
    overlaps.refuse(instance)
    return masks


def _kind(instance: Instance) -> type[np.unsignedinteger]:
    """The type of numbers that holds those of all segments; of a map of labels any that is stored, listed or not."""
    if instance.segmentation == _LABELMAP:
        return np.uint8 if _sound(instance).allocated <= 8 else np.uint16
    highest = max((each.number for each in instance.segments), default=1)
    return np.uint8 if highest <= 255 else np.uint16


def drawn_on(instance: Instance, image: Source) -> Problem | Remark | None:
    """What a segmentation says against having been drawn on this image: another scan is a problem, and another series
    of the same scan worth a remark; None where it fits."""
    series = series_of(image).instances
    spaces = {each.frame_of_reference for each in series} - {""}
    is_known = bool(instance.frame_of_reference and spaces)
    if is_known and instance.frame_of_reference not in spaces:
        return _foreign(instance, "a segmentation of another space (FrameOfReferenceUID)")
    named = set(instance.references) - {""}
    if not named or named & {each.series for each in series}:
        return None
    return (
        _OTHER_SERIES if is_known else _foreign(instance, "a segmentation of another series (ReferencedSeriesSequence)")
    )


def _foreign(instance: Instance, got: str) -> Problem:
    remedy = "Are masks of two rows exchanged? Name the segmentation of this image, or the image that it was drawn on"
    what = "the segmentation was drawn on another scan than the image"
    return Problem(what, str(instance.file), got, "a segmentation of this image", remedy)


def _sound(instance: Instance) -> Encoding:
    """Its encoding. Raises `InputError` for one that cannot be laid onto anything."""
    require_readable(instance)
    if instance.is_tiled:
        remedy = "Whole slides are not read yet; export regions of it and of its mask as .png"
        raise unreadable(instance.file, "a segmentation of a whole slide", remedy)
    if not instance.frames or instance.encoding is None:
        raise unreadable(instance.file, "a segmentation without frames", _EXPORT)
    known = {each.number for each in instance.segments}
    strange = {frame.segment for frame in instance.frames} - known
    if instance.segmentation != _LABELMAP and strange:
        got = f"frames of the segment {min(strange)}, which it does not list"
        raise unreadable(instance.file, got, _EXPORT)
    return instance.encoding


def _plan(instance: Instance, onto: Geometry | None) -> _Plan:
    grid = onto if onto is not None else _own_grid(instance)
    land = _landings_flat if grid.dimensions == 2 else _landings
    return _Plan(instance, grid, tuple(land(instance, grid)))


def _landings_flat(instance: Instance, grid: Geometry) -> Iterator[_Landing]:
    """A flat image has one place: frames must be as large as it, and lie at one place themselves."""
    encoding = _sound(instance)
    shape = (encoding.rows, encoding.columns)
    if shape != grid.shape:
        got, expected = (f"{columns} x {rows} pixels" for rows, columns in (shape, grid.shape))
        raise _misfit(instance, got, f"{expected}, as the image")
    positions = {frame.position for frame in instance.frames}
    if len(positions) > 1:
        raise _misfit(instance, f"frames at {len(positions)} places", "one place: the image is flat")
    for frame in instance.frames:
        yield _Landing(frame, (slice(None), slice(None)), is_transposed=False)


def _landings(instance: Instance, grid: Geometry) -> Iterator[_Landing]:
    encoding = _sound(instance)
    back = np.linalg.inv(step_matrix(grid))
    for frame in instance.frames:
        if frame.position is None or frame.orientation is None or frame.spacing is None:
            raise _misfit(instance, "frames without a position", "a position for each frame")
        along = np.asarray(frame.orientation).reshape(2, 3).T * (frame.spacing[1], frame.spacing[0])
        start = back @ (np.asarray(frame.position) - np.asarray(grid.origin))
        yield _landing(instance, frame, grid, start, back @ along, (encoding.columns, encoding.rows))


def _landing(
    instance: Instance, frame: Frame, grid: Geometry, start: np.ndarray, steps: np.ndarray, sides: tuple[int, int]
) -> _Landing:
    """Where a frame lies whose first pixel is at `start`, and whose axes go by `steps`, all in voxels of the grid."""
    whole, first = np.rint(steps), np.rint(start)
    drift = np.abs(start - first) + np.abs(steps - whole) @ np.asarray(sides)
    crossed = np.abs(whole).sum(axis=0).tolist() != [1, 1] or np.abs(whole).sum(axis=1).max() > 1
    if drift.max() > TOLERANCE or crossed:
        got = f"a frame that lies up to {drift.max():.2g} voxels beside the image's, at {_shown(frame.position)} mm"
        raise _misfit(instance, got, "frames that lie on the image's voxels")
    axes = [int(np.flatnonzero(whole[:, each])[0]) for each in (0, 1)]
    spans = {axis: (int(first[axis]), int(whole[axis, each]), sides[each]) for each, axis in enumerate(axes)}
    other = next(axis for axis in range(3) if axis not in spans)
    spans[other] = (int(first[other]), 1, 1)
    box = tuple(_span(instance, frame, grid.shape[axis], *spans[axis]) for axis in range(3))
    return _Landing(frame, box, is_transposed=axes[0] < axes[1], thin=(other,))


def _span(instance: Instance, frame: Frame, side: int, start: int, step: int, count: int) -> slice:
    stop = start + step * (count - 1)
    if not (0 <= start < side and 0 <= stop < side):
        got = f"a frame that lies outside of the image, at {_shown(frame.position)} mm"
        raise _misfit(instance, got, "frames within the image")
    after = stop + step
    return slice(start, after if after >= 0 else None, step)


def _lay(place: np.ndarray, values: np.ndarray, overlaps: _Overlaps) -> None:
    """Put a frame into its place in a mask, of which `place` is a view."""
    both = (place != 0) & (values != 0) & (place != values)
    if both.any():
        overlaps.note(place[both], values[both])
    np.copyto(place, values, where=values != 0)


def _values(instance: Instance, frame: Frame, stored: np.ndarray) -> np.ndarray:
    """The numbers of segments in a frame."""
    if instance.segmentation == _LABELMAP:
        return stored
    if instance.segmentation == _FRACTIONAL:
        between = (stored != 0) & (stored != instance.most)
        if between.any():
            raise InputError.one(
                "the segmentation holds fractions, and a mask has one class per voxel",
                where=str(instance.file),
                got=f"{int(between.sum()):,} values between 0 and 1 in a frame of the segment {frame.segment}",
                remedy="Export it as a BINARY segmentation, in which a voxel belongs to a segment or does not",
            )
    return np.asarray((stored != 0).astype(np.uint16) * frame.segment)


class _Overlaps:
    """Voxels that several segments claim."""

    def __init__(self) -> None:
        self._pairs: dict[tuple[int, int], int] = {}

    def note(self, there: np.ndarray, new: np.ndarray) -> None:
        """Count voxels that have a segment, and are given another one."""
        pairs, counts = np.unique(np.stack([there, new]), axis=1, return_counts=True)
        for (one, other), count in zip(pairs.T.tolist(), counts.tolist(), strict=True):
            key = (min(one, other), max(one, other))
            self._pairs[key] = self._pairs.get(key, 0) + count

    def refuse(self, instance: Instance) -> None:
        """Raise `InputError` where there are any."""
        if not self._pairs:
            return
        labels = {each.number: each.named for each in instance.segments}
        told = [
            f"{labels.get(one, one)} and {labels.get(other, other)} in {count:,} voxels"
            for (one, other), count in list(self._pairs.items())[:_SHOWN]
        ]
        raise InputError.one(
            "segments overlap, and a mask has one class per voxel",
            where=str(instance.file),
            got=", ".join(told) + (" and more" if len(self._pairs) > _SHOWN else ""),
            expected="at most one segment in each voxel",
            remedy="Decide which of them a voxel belongs to, and export it again; or save each as a mask of its own",
        )


def _own_grid(instance: Instance) -> Geometry:
    """The grid that a segmentation has by itself: from its first frame to its last."""
    encoding, first = _sound(instance), instance.frames[0]
    if first.position is None or first.orientation is None or first.spacing is None:
        return plain_geometry((encoding.rows, encoding.columns))
    steps = np.asarray(first.orientation).reshape(2, 3).T * (first.spacing[1], first.spacing[0])
    normal = with_third(steps)[:, 2]
    places = np.asarray([frame.position or first.position for frame in instance.frames])
    depths = [next(group) for _, group in groupby(np.sort(places @ normal), key=lambda depth: round(float(depth), 3))]
    gaps = np.diff(depths)
    step = float(gaps.min()) if gaps.size else first.thickness or 1.0
    count = round((depths[-1] - depths[0]) / step) + 1
    lowest = places[int(np.argmin(places @ normal))]
    grid = rectangular(np.column_stack([steps, normal * step]), lowest, (encoding.columns, encoding.rows, count))
    if isinstance(grid, str):
        raise _misfit(instance, grid, "frames that lie behind each other")
    return grid


def _misfit(instance: Instance, got: str, expected: str) -> InputError:
    what = "the segmentation does not lie on the grid of its image"
    return InputError.one(what, where=str(instance.file), got=got, expected=expected, remedy=_EXPORT)


def _shown(position: Sequence[float] | None) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in position or ()) + ")"


def labels_of(path: Path) -> tuple[tuple[int, str], ...]:
    """The numbers and labels of the segments of a segmentation; none for another file."""
    found = segmentation_at(Source(path))
    return () if found is None else tuple((each.number, each.label) for each in found.segments)
