"""The preprocessing steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from wardround.engine.basics.blocks import blocks, pairwise_sum
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.image import Image
from wardround.engine.parts.preprocessing import Clip, Grid, Orient, Resample, Rescale, Resize, ZNormalize
from wardround.engine.preprocessing import orientation
from wardround.engine.preprocessing.resampling import grid_of, pick_nearest, resample_held
from wardround.engine.preprocessing.sample import Sample


class OrientStep:
    """Reorder and flip the axes of a 3D case to an anatomical orientation. Exact: nothing is interpolated."""

    version = 1

    def __init__(self, parameters: Orient) -> None:
        self._axes = parameters.axes

    def apply(self, sample: Sample) -> Sample:
        """The same voxels at the same places in space, in another order."""
        change = orientation.towards(sample.image.geometry, self._axes)
        if change.is_identity:
            return sample
        image = Image(_laid_out(change.apply(sample.image.data)), change.apply_to_grid(sample.image.geometry))
        return Sample(image, None if sample.label is None else _laid_out(change.apply(sample.label)))


class ResampleStep:
    """Resample to a spacing in mm: as many voxels as fit the extent best, about the same centre."""

    version = 2

    def __init__(self, parameters: Resample) -> None:
        self._parameters = parameters

    def apply(self, sample: Sample) -> Sample:
        """Linear for the image, after a low-pass filter along axes whose voxels grow; nearest neighbour for the mask.

        Unchanged if the spacing is already right.
        """
        held = [sample]
        del sample
        return _regridded(held, self._parameters)


class ResizeStep:
    """Resample to a number of pixels or voxels per axis over the same extent."""

    version = 2

    def __init__(self, parameters: Resize) -> None:
        self._parameters = parameters

    def apply(self, sample: Sample) -> Sample:
        """Linear for the image, after a low-pass filter along axes whose voxels grow; nearest neighbour for the mask.

        Unchanged if the size is already right.
        """
        held = [sample]
        del sample
        return _regridded(held, self._parameters)


class ClipStep:
    """Limit intensities to a range."""

    version = 1

    def __init__(self, parameters: Clip) -> None:
        self._low, self._high = parameters.low, parameters.high

    def apply(self, sample: Sample) -> Sample:
        """Values below `low` become `low`, those above `high` become `high`."""
        return _with_data(sample, np.clip(sample.image.data, self._low, self._high))


class ZNormalizeStep:
    """Per channel: subtract the mean and divide by the standard deviation.

    Within `nonzero` both come from the voxels that are not zero, and the others stay zero: a background that was cut
    out stays at the value with which patches are padded.
    """

    version = 1

    def __init__(self, parameters: ZNormalize) -> None:
        self._nonzero = parameters.within == "nonzero"

    def apply(self, sample: Sample) -> Sample:
        """Raises `InputError` for a channel whose values are all equal."""
        return _per_channel(sample, self._normalized)

    def _normalized(self, values: np.ndarray, out: np.ndarray) -> None:
        chosen = _nonzero(values, out) if self._nonzero else values.reshape(-1)
        mean, deviation = _moments(chosen)
        _require_contrast(deviation, values, chosen.size)
        for part, found in zip(blocks(out), blocks(values), strict=True):
            np.divide(found.astype(np.float64) - mean, deviation, out=part, casting="same_kind")
            if self._nonzero:
                part[found == 0] = 0


def _nonzero(values: np.ndarray, room: np.ndarray) -> np.ndarray:
    """The values that are not zero, in order, in the memory of `room`, which is as large as `values`."""
    flat, count = room.reshape(-1), 0
    for part in blocks(values):
        found = part[part != 0]
        flat[count : count + found.size] = found
        count += found.size
    return flat[:count]


def _moments(chosen: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation, to the bits that numpy gives in float64."""
    if not chosen.size:
        return 0.0, 0.0
    mean = pairwise_sum(lambda first, last: chosen[first:last].astype(np.float64), 0, chosen.size) / chosen.size

    def squares(first: int, last: int) -> np.ndarray:
        offsets = chosen[first:last].astype(np.float64) - mean
        return np.multiply(offsets, offsets, out=offsets)

    return mean, math.sqrt(pairwise_sum(squares, 0, chosen.size) / chosen.size)


class RescaleStep:
    """Per channel: map two percentiles linearly to `low` and `high`, and clip there."""

    version = 1

    def __init__(self, parameters: Rescale) -> None:
        self._low, self._high = parameters.low, parameters.high
        self._percentiles = parameters.percentiles

    def apply(self, sample: Sample) -> Sample:
        """Raises `InputError` for a channel in which the two percentiles are equal."""
        return _per_channel(sample, self._rescaled)

    def _rescaled(self, values: np.ndarray, out: np.ndarray) -> None:
        out[...] = values  # to be sorted there; it is overwritten below
        start, end = _percentiles(out.reshape(-1), self._percentiles)
        _require_contrast(end - start, values, values.size)
        for part, found in zip(blocks(out), blocks(values), strict=True):
            unit = (found.astype(np.float64) - start) / (end - start)
            part[...] = np.clip(self._low + unit * (self._high - self._low), self._low, self._high)


def _percentiles(values: np.ndarray, wanted: Sequence[float]) -> list[float]:
    """numpy's percentiles of float32 values as it computes them in float64. Sorts `values`, in part."""
    last = values.size - 1
    ranks = [percent / 100 * last for percent in wanted]
    places = sorted({min(math.floor(rank) + step, last) for rank in ranks for step in (0, 1)})
    values.partition(places)
    at = {place: float(values[place]) for place in places}
    return [_between(at[math.floor(rank)], at[min(math.floor(rank) + 1, last)], rank % 1) for rank in ranks]


def _between(low: float, high: float, share: float) -> float:
    """Linear interpolation as numpy's percentile rounds it."""
    return high - (high - low) * (1 - share) if share >= 0.5 else low + (high - low) * share


def _regridded(held: list[Sample], parameters: Resample | Resize) -> Sample:
    """The only sample of the list on the grid that a step leaves. The list is emptied, so that voxels which nobody else
    holds are gone as soon as they are copied."""
    sample = held.pop()
    source, data = sample.image.geometry, [sample.image.data]
    before = Grid(source.shape, source.spacing)
    after = parameters.grid_after(before)
    if after == before:
        return sample
    target = grid_of(source, after.shape, after.spacing)
    label = None if sample.label is None else pick_nearest(sample.label, source, target)
    del sample
    return Sample(Image(resample_held(data, source, target), target), label)


def _laid_out(array: np.ndarray) -> np.ndarray:
    """A copy in C order: a rearranged view would keep the array that it came from alive."""
    return np.array(array, order="C")


def _with_data(sample: Sample, data: np.ndarray) -> Sample:
    return replace(sample, image=Image(data, sample.image.geometry))


def _per_channel(sample: Sample, change: Callable[[np.ndarray, np.ndarray], None]) -> Sample:
    data = np.ascontiguousarray(sample.image.data)
    out = np.empty(data.shape, dtype=np.float32)
    for index, (values, into) in enumerate(zip(data, out, strict=True), start=1):
        try:
            change(values, into)
        except InputError as error:
            where = f"channel {index} of {len(data)}" if len(data) > 1 else ""
            raise InputError(replace(problem, where=where) for problem in error.problems) from None
    return _with_data(sample, out)


def _require_contrast(spread: float, values: np.ndarray, count: int) -> None:
    if spread <= 0:
        value = next((float(part[part != 0][0]) for part in blocks(values) if part.any()), 0.0)
        got = f"{count:,} voxels of the value {value:g}" if count else "no nonzero voxel"
        raise InputError.one("a channel without contrast cannot be normalised", got=got, remedy="Leave the case out")
