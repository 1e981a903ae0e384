"""The fingerprint of a cohort: every image and every mask is read once, one after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from wardround.engine.basics.dicom import REFUSING, Dicom
from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.progress import Progress
from wardround.engine.cohort import Case, Cohort
from wardround.engine.imaging.header import Header
from wardround.engine.imaging.image import Geometry, Space
from wardround.engine.imaging.reading import label_grid, read_header, read_image, read_label
from wardround.engine.planning.fingerprint import ChannelPrint, ClassPrint, Fingerprint
from wardround.engine.planning.sizes import sizes_of
from wardround.engine.preprocessing.cases import naming
from wardround.engine.preprocessing.orientation import Rearrangement, towards
from wardround.engine.summaries import Extremes, Moments, Octaves

_SAMPLED = 10_000
"""Voxels of a case that tell of its intensities, as in nnU-Net."""
_MOST_VALUES = 1000
"""A mask of more values is an image."""


@dataclass(frozen=True)
class _Seen:
    """One case: numbers alone.

    Attributes:
        is_body: whether it says how it lies in the body.
        grid: after orientation, where it does.
        box: voxels of the box of what is not zero.
        everywhere: sampled intensities by channel.
        structures: those within the mask, if there is one.
        is_whole: whether files hold whole numbers.
        values: by value of the mask its voxels, and where it lies along the first axis from 0 to 1.
    """

    is_body: bool
    grid: Geometry
    box: tuple[int, ...]
    everywhere: np.ndarray
    structures: np.ndarray
    is_whole: bool
    values: dict[int, tuple[int, float]]

    @property
    def voxels(self) -> int:
        """All of them."""
        return math.prod(self.grid.shape)

    def unit(self, *, is_body: bool) -> tuple[float, ...]:
        """What lengths are measured in along each axis: mm where all cases are of a body, otherwise voxels."""
        return self.grid.spacing if is_body else (1.0,) * len(self.box)


def read_fingerprint(cohort: Cohort, shown: Progress, dicom: Dicom = REFUSING) -> Fingerprint:
    """Of all cases of a manifest; `dicom` is a study's word on its DICOM series.

    Raises `InputError` with everything that keeps any of them from being read, and where they are not of one kind.
    """
    findings, seen = Findings(), []
    for number, case in enumerate(cohort.cases, 1):
        with findings.gather(), naming(case):
            seen.append(_seen(case, dicom))
        shown.advance(number)
    _require_one_kind(cohort, seen, findings)
    findings.raise_if_any()
    return _summed(seen)


def _require_one_kind(cohort: Cohort, seen: Sequence[_Seen], findings: Findings) -> None:
    axes, channels = {len(each.box) for each in seen}, {len(each.everywhere) for each in seen}
    where = cohort.manifest.name
    if len(axes) > 1:
        remedy = "Keep flat images and volumes in tables of their own"
        findings.add("some images are flat and others are volumes", where=where, got="2 and 3 axes", remedy=remedy)
    if len(channels) > 1:
        findings.add(
            "cases have different numbers of channels",
            where=where,
            got=", ".join(map(str, sorted(channels))),
            expected="one number",
            remedy="Keep colour images and grey ones in tables of their own, or save them alike",
        )


def _seen(case: Case, dicom: Dicom) -> _Seen:
    headers = [read_header(path, dicom) for path in case.channels]
    for path, header in zip(case.channels[1:], headers[1:], strict=True):
        if header.geometry.shape != headers[0].geometry.shape:
            what = "the channels of a case have different shapes"
            got = f"{_shape(header.geometry)} and {_shape(headers[0].geometry)}"
            raise InputError.one(what, where=str(path), got=got, expected="one grid")
    grid, turn = _turned(headers)
    data = np.concatenate([read_image(path, dicom).data for path in case.channels])
    if not np.isfinite(data).all():
        remedy = "Replace them, for instance by 0 where they lie outside the body"
        raise InputError.one("the image has values that are not numbers", got="NaN or infinity", remedy=remedy)
    data = data if turn is None else turn.apply(data)
    mask = _mask(case, headers[0].geometry, turn, dicom)
    return _Seen(
        is_body=turn is not None,
        grid=grid,
        box=_box(data),
        everywhere=_sampled(data.reshape(len(data), -1)),
        structures=_sampled(data.reshape(len(data), -1) if mask is None else data[:, mask > 0]),
        is_whole=all(np.issubdtype(np.dtype(header.pixel_type), np.integer) for header in headers),
        values={} if mask is None else _values(mask),
    )


def _turned(headers: Sequence[Header]) -> tuple[Geometry, Rearrangement | None]:
    first = headers[0].geometry
    if first.dimensions != 3 or any(header.space is not Space.BODY for header in headers):
        return first, None
    turn = towards(first, "RAS")
    return turn.apply_to_grid(first), turn


def _mask(case: Case, grid: Geometry, turn: Rearrangement | None, dicom: Dicom) -> np.ndarray | None:
    if case.label is None:
        return None
    mask, own = read_label(case.label, label_grid(case.label, case.channels[0], dicom), dicom)
    if own.shape != grid.shape:
        raise InputError.one(
            "the mask does not lie on the grid of its image",
            where=str(case.label),
            got=_shape(own),
            expected=_shape(grid),
            remedy="Export it on the image's grid",
        )
    return mask if turn is None else turn.apply(mask)


def _box(data: np.ndarray) -> tuple[int, ...]:
    """Sides of the box of what is not zero in any channel; the whole image where all of it is."""
    is_there = np.asarray(data.any(axis=0))
    if not is_there.any():
        return data.shape[1:]
    sides = []
    for axis in range(is_there.ndim):
        found = np.flatnonzero(np.moveaxis(is_there, axis, 0).reshape(is_there.shape[axis], -1).any(axis=1))
        sides.append(int(found[-1] - found[0] + 1))
    return tuple(sides)


def _sampled(values: np.ndarray) -> np.ndarray:
    """About evenly so many of (channels, voxels), always the same."""
    return np.ascontiguousarray(values[:, :: max(1, values.shape[1] // _SAMPLED)], dtype=np.float32)


def _values(mask: np.ndarray) -> dict[int, tuple[int, float]]:
    values, counts = np.unique(mask, return_counts=True)
    if len(values) > _MOST_VALUES:
        got, expected = f"{len(values):,} values", f"at most {_MOST_VALUES:,}, one for each structure"
        remedy = "Is it an image? A mask has a number for each structure"
        raise InputError.one("the mask has as many values as an image", got=got, expected=expected, remedy=remedy)
    rows = mask.reshape(len(mask), -1)
    places = (np.arange(len(mask)) + 0.5) / len(mask)
    return {
        int(value): (int(count), float((rows == value).sum(axis=1) @ places / count))
        for value, count in zip(values, counts, strict=True)
        if value
    }


def _summed(seen: Sequence[_Seen]) -> Fingerprint:
    is_body = all(each.is_body for each in seen)
    units = [each.unit(is_body=is_body) for each in seen]
    extents = np.multiply([each.box for each in seen], units)
    voxels = [each.voxels for each in seen]
    return Fingerprint(
        cases=len(seen),
        is_body=is_body,
        spacings=tuple(sizes_of(along) for along in np.transpose(units)),
        extents=tuple(sizes_of(along) for along in np.transpose(extents)),
        kept=sizes_of(np.prod([each.box for each in seen], axis=1) / voxels),
        voxels=sum(voxels),
        channels=tuple(_channel(seen, index) for index in range(len(seen[0].everywhere))),
        classes=tuple(_classes(seen, [float(np.prod(unit)) for unit in units])),
    )


def _channel(seen: Sequence[_Seen], index: int) -> ChannelPrint:
    everywhere = np.concatenate([each.everywhere[index] for each in seen])
    structures = np.concatenate([each.structures[index] for each in seen])
    return ChannelPrint(
        everywhere=Octaves.of(everywhere),
        range=Extremes.of(everywhere, len(seen)),
        structures=Octaves.of(structures),
        moments=Moments.of(structures),
        whole_numbers=sum(each.is_whole for each in seen),
    )


def _classes(seen: Sequence[_Seen], sizes: Sequence[float]) -> Iterator[ClassPrint]:
    for value in sorted({value for each in seen for value in each.values}):
        found = [(*each.values[value], size) for each, size in zip(seen, sizes, strict=True) if value in each.values]
        yield ClassPrint(
            value=value,
            voxels=sum(count for count, _, _ in found),
            volumes=sizes_of([count * size for count, _, size in found]),
            places=Moments.of(np.array([place for _, place, _ in found])),
        )


def _shape(grid: Geometry) -> str:
    return " x ".join(map(str, grid.shape))
