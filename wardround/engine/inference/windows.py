"""Dense prediction of images of any size by overlapping windows, in 2D and 3D.

The windows' starts form a grid, and a window's weight is an outer product of one profile per axis; so the sum of the
weights over all windows is an outer product too, and no count map is accumulated. Accumulators are channels-last, where
adding a window touches memory in order. They lie on the CPU and hold no more planes than a window is deep: once all
windows that touch a plane are in, it is handed out, and its memory is used for the next one. What becomes of it there
is its sink's concern (`sinks`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from wardround.engine.imaging.readable import Readable, copy_region
from wardround.engine.study.sections import Inference

Predictor = Callable[[Tensor], Tensor]
Start = tuple[int, ...]
SIGMA = 1 / 8  # of the window's side, as in nnU-Net (Isensee et al. 2021)


@dataclass(frozen=True)
class WindowGrid:
    """Where windows start along each axis, and how a window is weighted along it.

    Attributes:
        window: voxels per axis.
        starts: first voxel of each window, per axis.
        profiles: weights within a window, per axis; a window's weight is their outer product.
    """

    window: tuple[int, ...]
    starts: tuple[tuple[int, ...], ...]
    profiles: tuple[Tensor, ...]

    @classmethod
    def over(cls, shape: Sequence[int], window: Sequence[int], inference: Inference) -> WindowGrid:
        """The grid over an image that is at least as large as the window."""
        axes = zip(shape, window, strict=True)
        starts = tuple(window_starts(size, side, inference.overlap) for size, side in axes)
        return cls(tuple(window), starts, tuple(PROFILES[inference.blend](side) for side in window))

    def positions(self) -> tuple[Start, ...]:
        """The first voxel of every window."""
        return tuple(itertools.product(*self.starts))

    def region(self, start: Start) -> tuple[slice, ...]:
        """The slices of the window that starts there."""
        return tuple(slice(first, first + side) for first, side in zip(start, self.window, strict=True))

    def coverage(self, axis: int, size: int) -> Tensor:
        """The sum of the profiles of all windows along one axis of `size` voxels."""
        total = torch.zeros(size)
        for first in self.starts[axis]:
            total[first : first + self.window[axis]] += self.profiles[axis]
        return total


def predict_windows(
    predict: Predictor,
    image: Readable,
    window: Sequence[int],
    inference: Inference,
    outside: Sequence[float] = (),
) -> Iterator[tuple[int, Tensor]]:
    """Blend `predict`'s outputs over overlapping windows, and give them slab by slab along the first axis, in order.

    Args:
        predict: maps (samples, channels, *window) on the CPU to (samples, outputs, *window) on any device; it is called
            with at most `inference.batch_size` windows. To average probabilities, it must give probabilities.
        image: of any size; it is asked for one window at a time. Where it is smaller than the window it is padded
            evenly on both sides, and the prediction is cropped back.
        window: voxels per spatial axis.
        inference: overlap as a fraction of the window, blend, windows per call. To average over mirror images or
            scales, pass a `mirrored` or `scaled` predictor.
        outside: the value of what is padded, for each channel; 0 by default.

    Yields:
        The number of a slab's first plane, and the slab: float32 (planes, *others, outputs) on the CPU, at most as many
        planes as a window is deep. It is overwritten once the next one is asked for. Together they are, to the last
        bit, what windows that are added up in an array of the whole would give.
    """
    spatial = image.shape[1:]
    shape = tuple(max(size, side) for size, side in zip(spatial, window, strict=True))
    before = tuple((large - size) // 2 for large, size in zip(shape, spatial, strict=True))
    inside = tuple(slice(first, first + size) for first, size in zip(before, spatial, strict=True))
    grid = WindowGrid.over(shape, window, inference)
    first_axis, *others = (grid.coverage(axis, size) for axis, size in enumerate(shape))
    per_plane = _outer(others).unsqueeze(-1)
    wanted = range(inside[0].start, inside[0].stop)
    outputs = _outputs(predict, image, grid, before, outside, inference.batch_size)
    for first, planes in _summed_planes(outputs, grid, shape):
        for plane, weight in zip(planes, first_axis[first : first + len(planes)], strict=True):
            plane.div_(per_plane * weight)
        start, stop = max(first, wanted.start), min(first + len(planes), wanted.stop)
        if start < stop:
            yield start - wanted.start, planes[(slice(start - first, stop - first), *inside[1:])]


def mirrored(predict: Predictor, axes: Sequence[int]) -> Predictor:
    """`predict` averaged over all 2 ** len(axes) flips of these spatial axes, counted from 0 (test-time augmentation).

    Outputs with a grid are flipped back before they are averaged; vectors, one per sample, have none.
    """
    moved = [axis + 2 for axis in axes]
    flips = [flip for count in range(len(moved) + 1) for flip in itertools.combinations(moved, count)]

    def average(windows: Tensor) -> Tensor:
        outputs = (_flip_grid(predict(windows.flip(flip)), flip) for flip in flips)
        return reduce(torch.add, outputs) / len(flips)

    return average


def scaled(predict: Predictor, scales: Sequence[float], divisors: Sequence[int]) -> Predictor:
    """`predict` averaged over windows of these sizes in relation to their own (test-time augmentation).

    A window is resampled linearly to each size, without losing any of it, and what is said of it is resampled back;
    vectors, one per sample, have no grid. What is smaller than the window is seen amid repeats of its border, so that
    a network is never given less than a window; what is larger is filled up in this way to multiples of `divisors`.
    One size is computed after the other.
    """
    if tuple(scales) in ((), (1.0,)):
        return predict

    def average(windows: Tensor) -> Tensor:
        return reduce(torch.add, (_at_scale(predict, windows, scale, divisors) for scale in scales)) / len(scales)

    return average


def _at_scale(predict: Predictor, windows: Tensor, scale: float, divisors: Sequence[int]) -> Tensor:
    window = windows.shape[2:]
    size = tuple(max(1, round(side * scale)) for side in window)
    if size == tuple(window):
        return predict(windows)
    canvas = [max(side, math.ceil(new / unit) * unit) for side, new, unit in zip(window, size, divisors, strict=True)]
    before = [(large - new) // 2 for large, new in zip(canvas, size, strict=True)]
    after = [large - new - first for large, new, first in zip(canvas, size, before, strict=True)]
    margins = [margin for pair in zip(reversed(before), reversed(after), strict=True) for margin in pair]
    outputs = predict(functional.pad(_resampled(windows, size), margins, mode="replicate"))
    if outputs.ndim == 2:
        return outputs
    for axis, (first, new) in enumerate(zip(before, size, strict=True), start=2):
        outputs = outputs.narrow(axis, first, new)
    return _resampled(outputs, window)


def _resampled(images: Tensor, size: Sequence[int]) -> Tensor:
    """(samples, channels, *size) by linear interpolation between the centres of voxels."""
    mode = "trilinear" if len(size) == 3 else "bilinear"
    return functional.interpolate(images, size=tuple(size), mode=mode, align_corners=False)


def _flip_grid(outputs: Tensor, axes: tuple[int, ...]) -> Tensor:
    return outputs.flip(axes) if outputs.ndim > 2 else outputs


def quick(inference: Inference) -> Inference:
    """Lighter settings for validation in training: at most a quarter of overlap, no mirror images, scales or
    post-processing."""
    lighter = {"mirror": False, "scales": (), "overlap": min(inference.overlap, 0.25), "postprocessing": ()}
    return inference.model_copy(update=lighter)


def window_starts(size: int, side: int, overlap: float) -> tuple[int, ...]:
    """First voxels of the fewest windows that cover `size` with at least that overlap, spread evenly."""
    stride = max(1, int(side * (1 - overlap)))
    count = math.ceil((size - side) / stride) + 1
    if count == 1:
        return (0,)
    return tuple(round(index * (size - side) / (count - 1)) for index in range(count))


def gaussian_profile(side: int) -> Tensor:
    """A Gaussian about the window's centre, with a standard deviation of an eighth of its side."""
    offsets = torch.arange(side, dtype=torch.float32) - (side - 1) / 2
    return torch.exp(-0.5 * (offsets / (SIGMA * side)) ** 2)


PROFILES: dict[str, Callable[[int], Tensor]] = {"gaussian": gaussian_profile, "constant": torch.ones}


def _outputs(
    predict: Predictor,
    image: Readable,
    grid: WindowGrid,
    before: Start,
    outside: Sequence[float],
    batch_size: int,
) -> Iterator[tuple[Start, Tensor]]:
    """Each window's start on the grid, which begins `before` the image, and its output, (*window, outputs)."""
    for starts in _batches(grid.positions(), batch_size):
        windows = np.empty((len(starts), image.shape[0], *grid.window), dtype=np.float32)
        for start, each in zip(starts, windows, strict=True):
            corner = [first - margin for first, margin in zip(start, before, strict=True)]
            copy_region(image, corner, each, outside)
        yield from zip(starts, predict(torch.from_numpy(windows)).float().cpu().movedim(1, -1), strict=True)


def _summed_planes(
    outputs: Iterable[tuple[Start, Tensor]], grid: WindowGrid, shape: Sequence[int]
) -> Iterator[tuple[int, Tensor]]:
    """The weighted sums of the windows' outputs, (planes, *others, outputs), and the number of the first plane."""
    first, weights = 0, _outer(grid.profiles).unsqueeze(-1)
    total: Tensor | None = None
    for start, output in outputs:
        if total is None:
            total = torch.zeros(grid.window[0], *shape[1:], output.shape[-1])
        if start[0] > first:
            yield first, total[: start[0] - first]
            _move_up(total, start[0] - first)
            first = start[0]
        total[(slice(None), *grid.region(start)[1:])].addcmul_(output, weights)
        del output  # a batch's memory, while the next one is predicted
    assert total is not None
    yield first, total


def _move_up(planes: Tensor, count: int) -> None:
    """Forget the first planes and make room behind the last one."""
    kept = len(planes) - count
    for place in range(kept):
        planes[place] = planes[place + count]
    planes[kept:] = 0


def _outer(profiles: Sequence[Tensor]) -> Tensor:
    return reduce(lambda grown, profile: grown.unsqueeze(-1) * profile, profiles)


def _batches(positions: Sequence[Start], size: int) -> Iterator[Sequence[Start]]:
    return (positions[first : first + size] for first in range(0, len(positions), size))
