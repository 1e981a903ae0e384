"""What steps that change intensities have in common: channel by channel, in blocks, without copies of the whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from wardround.engine.basics.blocks import blocks, pairwise_sum
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.image import Image
from wardround.engine.preprocessing.sample import Sample

Chosen = Literal["all", "nonzero", "positive", "mean", "otsu"]
"""Which voxels of a channel are looked at."""
Change = Callable[[np.ndarray, np.ndarray], None]
Chooser = Callable[[np.ndarray], np.ndarray]
"""Tells of values of a channel which of them are looked at."""
_NONE: Mapping[Chosen, str] = {
    "all": "no voxel",
    "nonzero": "no nonzero voxel",
    "positive": "no voxel above zero",
    "mean": "no voxel above the mean",
    "otsu": "no voxel above the threshold",
}
_LEVELS = 256
"""Bins in which the threshold of Otsu is sought, as in scikit-image."""


def with_data(sample: Sample, data: np.ndarray) -> Sample:
    """The sample with other intensities on the same grid."""
    return replace(sample, image=Image(data, sample.image.geometry))


def per_channel(sample: Sample, change: Change) -> Sample:
    """The sample with each channel as `change` writes it into its second argument, from the first, which it leaves.

    Both are in C order. An `InputError` is told with the number of the channel.
    """
    return each_channel(sample, [change] * len(sample.image.data))


def each_channel(sample: Sample, changes: Sequence[Change]) -> Sample:
    """`per_channel` with a change for each."""
    data = np.ascontiguousarray(sample.image.data)
    out = np.empty(data.shape, dtype=np.float32)
    for index, (change, values, into) in enumerate(zip(changes, data, out, strict=True), start=1):
        try:
            change(values, into)
        except InputError as error:
            where = f"channel {index} of {len(data)}" if len(data) > 1 else ""
            raise InputError(replace(problem, where=where) for problem in error.problems) from None
    return with_data(sample, out)


def require_contrast(spread: float, values: np.ndarray, count: int, within: Chosen = "all") -> None:
    """Raise `InputError` unless the `count` values that are looked at are spread."""
    if spread <= 0:
        value = next((float(part[part != 0][0]) for part in blocks(values) if part.any()), 0.0)
        got = f"{count:,} voxels of the value {value:g}" if count else _NONE[within]
        raise InputError.one("a channel without contrast cannot be normalised", got=got, remedy="Leave the case out")


def chooser(within: Chosen, values: np.ndarray) -> Chooser | None:
    """Which values of a channel are looked at; None where all are."""
    if within == "all":
        return None
    if within == "nonzero":
        return lambda found: found != 0
    least = 0.0 if within == "positive" else moments_of(values.reshape(-1))[0] if within == "mean" else otsu_of(values)
    return lambda found: found > least


def gathered(values: np.ndarray, room: np.ndarray, is_chosen: Chooser) -> np.ndarray:
    """The values that are looked at, in order, in the memory of `room`, which is as large as `values`."""
    flat, count = room.reshape(-1), 0
    for part in blocks(values):
        found = part[is_chosen(part)]
        flat[count : count + found.size] = found
        count += found.size
    return flat[:count]


def range_of(values: np.ndarray) -> tuple[float, float]:
    """The least and the greatest value."""
    return float(values.min()), float(values.max())


def histogram_of(values: np.ndarray, low: float, high: float, bins: int) -> np.ndarray:
    """How many values, none of them below `low`, lie in each of equal bins; those above `high` count in the last."""
    counts = np.zeros(bins, dtype=np.int64)
    for part in blocks(np.ascontiguousarray(values)):
        counts += np.bincount(bin_of(part, low, high, bins), minlength=bins)
    return counts


def bin_of(values: np.ndarray, low: float, high: float, bins: int) -> np.ndarray:
    """The bin of each value between two ends; the last bin holds the upper end itself."""
    places = (values.astype(np.float64) - low) * (bins / (high - low))
    return np.minimum(places.astype(np.intp), bins - 1)


def otsu_of(values: np.ndarray) -> float:
    """The threshold that parts values into two classes of the largest variance between them (Otsu 1979).

    It is the middle of one of 256 bins; of equal values it is that value.
    """
    low, high = range_of(values)
    if low == high:
        return low
    counts = histogram_of(values, low, high, _LEVELS).astype(np.float64)
    middles = low + (np.arange(_LEVELS) + 0.5) * ((high - low) / _LEVELS)
    below, above = np.cumsum(counts), np.cumsum(counts[::-1])[::-1]
    mean_below = np.cumsum(counts * middles) / below
    mean_above = (np.cumsum((counts * middles)[::-1]) / above[::-1])[::-1]
    between = below[:-1] * above[1:] * (mean_below[:-1] - mean_above[1:]) ** 2
    return float(middles[between.argmax()])


def moments_of(chosen: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation, to the bits that numpy gives in float64."""
    if not chosen.size:
        return 0.0, 0.0
    mean = pairwise_sum(lambda first, last: chosen[first:last].astype(np.float64), 0, chosen.size) / chosen.size

    def squares(first: int, last: int) -> np.ndarray:
        offsets = chosen[first:last].astype(np.float64) - mean
        return np.multiply(offsets, offsets, out=offsets)

    return mean, math.sqrt(pairwise_sum(squares, 0, chosen.size) / chosen.size)
