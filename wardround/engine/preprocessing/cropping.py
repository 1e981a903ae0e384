"""The preprocessing steps that cut voxels off, or add some around. Exact: no voxel that stays changes its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.image import Image
from wardround.engine.parts.preprocessing.cropping import CenterCrop, Crop, CropForeground, Pad, Padding, PadToMultiple
from wardround.engine.parts.preprocessing.grid import Grid
from wardround.engine.preprocessing.resampling import beginning_at
from wardround.engine.preprocessing.sample import Sample

Box = tuple[tuple[int, int], ...]
"""Of each axis the first voxel and the one behind the last."""
Region = tuple[slice, ...]
"""The same, as arrays are asked for it."""


class CropForegroundStep:
    """Cut a case to the box of its voxels above a value."""

    version = 1

    def __init__(self, parameters: CropForeground) -> None:
        self._above, self._margin = parameters.above, parameters.margin

    def apply(self, sample: Sample) -> Sample:
        """The box with its margin. Raises `InputError` for a case without a voxel above the value."""
        shape = sample.image.geometry.shape
        data = sample.image.data
        given = self._above if isinstance(self._above, tuple) else (self._above,) * len(data)
        pairs = zip(data, given, strict=True)
        looked_at = [(values, above) for values, above in pairs if above is not None]
        seen = _seen_planes(looked_at, shape)
        if not all(planes.any() for planes in seen):
            raise InputError.one(
                "the case has no foreground to be cut to",
                got=f"no voxel above {' or '.join(sorted({f'{above:g}' for _, above in looked_at}))}",
                remedy="Lower `above`, have the image looked at, or leave the case out",
            )
        ends = [(int(planes.argmax()), len(planes) - int(planes[::-1].argmax())) for planes in seen]
        margin = self._margin
        box = ((max(0, low - margin), min(side, high + margin)) for side, (low, high) in zip(shape, ends, strict=True))
        return cut(sample, tuple(box))


class CropStep:
    """Cut numbers of voxels off each axis."""

    version = 1

    def __init__(self, parameters: Crop) -> None:
        self._before, self._after = parameters.before, parameters.after

    def apply(self, sample: Sample) -> Sample:
        """What is left. Raises `InputError` where nothing would be."""
        shape = sample.image.geometry.shape
        box = tuple((low, side - high) for side, low, high in zip(shape, self._before, self._after, strict=True))
        if any(low >= high for low, high in box):
            raise InputError.one(
                "nothing of the case would be left",
                got=f"{' x '.join(map(str, shape))} voxels",
                expected=f"more than {' x '.join(map(str, map(sum, zip(self._before, self._after, strict=True))))}",
                remedy="Cut less off, or leave the case out",
            )
        return cut(sample, box)


class CenterCropStep:
    """Cut a case to a size about its middle."""

    version = 1

    def __init__(self, parameters: CenterCrop) -> None:
        self._size = parameters.size

    def apply(self, sample: Sample) -> Sample:
        """At most of that size."""
        return cut(sample, tuple(map(_middle, sample.image.geometry.shape, self._size)))


class PadStep:
    """Add voxels until a case has a size."""

    version = 1

    def __init__(self, parameters: Pad | PadToMultiple) -> None:
        self._parameters = parameters

    def apply(self, sample: Sample) -> Sample:
        """At least of that size."""
        grid = sample.image.geometry
        after = self._parameters.grid_after(Grid(grid.shape, grid.spacing))
        return _padded(sample, after.shape, self._parameters.padding)


class PadToMultipleStep(PadStep):
    """Add voxels until the number along each axis is a multiple of one number."""


def cut(sample: Sample, box: Box) -> Sample:
    """The voxels of a box, in arrays of their own; the sample itself where the box holds all of it."""
    grid = sample.image.geometry
    if box == tuple((0, side) for side in grid.shape):
        return sample
    region = tuple(slice(*ends) for ends in box)
    shape = tuple(high - low for low, high in box)
    data = np.array(sample.image.data[(slice(None), *region)], order="C")
    label = None if sample.label is None else np.array(sample.label[region], order="C")
    wanted = None if sample.wanted is None else np.array(sample.wanted[(slice(None), *region)], order="C")
    image = Image(data, beginning_at(grid, [low for low, _ in box], shape))
    return replace(sample, image=image, label=label, wanted=wanted)


def _seen_planes(channels: Sequence[tuple[np.ndarray, float]], shape: tuple[int, ...]) -> list[np.ndarray]:
    """Of each axis, which of its planes have a voxel above its value in any of the channels."""
    seen = [np.zeros(side, dtype=bool) for side in shape]
    for index in range(shape[0]):
        # Plane by plane, so that no array of the whole's size is made.
        plane = np.logical_or.reduce([values[index] > above for values, above in channels])
        seen[0][index] = plane.any()
        for axis in range(1, len(shape)):
            others = tuple(other - 1 for other in range(1, len(shape)) if other != axis)
            seen[axis] |= plane.any(axis=others)
    return seen


def _middle(have: int, size: int) -> tuple[int, int]:
    low = max(0, have - size) // 2
    return low, low + min(have, size)


def _padded(sample: Sample, shape: tuple[int, ...], padding: Padding) -> Sample:
    grid = sample.image.geometry
    if shape == grid.shape:
        return sample
    before = [(new - old) // 2 for new, old in zip(shape, grid.shape, strict=True)]
    region = tuple(slice(low, low + side) for low, side in zip(before, grid.shape, strict=True))
    data = _surrounded(sample.image.data, shape, region, padding)
    # What an image of other intensities shows outside is told by no parameter.
    wanted = None if sample.wanted is None else _surrounded(sample.wanted, shape, region, "minimum")
    label = None
    if sample.label is not None:
        label = np.zeros(shape, dtype=sample.label.dtype)
        label[region] = sample.label
    image = Image(data, beginning_at(grid, [-low for low in before], shape))
    return replace(sample, image=image, label=label, wanted=wanted)


def _surrounded(channels: np.ndarray, shape: tuple[int, ...], region: Region, padding: Padding) -> np.ndarray:
    """float32 (channels, *shape) with the channels in a region of it, and `padding` around them."""
    data = np.empty((len(channels), *shape), dtype=np.float32)
    for values, into in zip(channels, data, strict=True):
        into[...] = values.min() if padding == "minimum" else padding
        into[region] = values
    return data
