"""What goes wrong while k-space is acquired: motion, ghosts, spikes and too few lines. Labels stay as they are.

Each of the first two and the last one weighs lines of k-space along one axis alone. Transforms along the other axes
cancel then, and what is left is one circulant matrix for that axis: no image is ever transformed as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from wardround.engine.augmentation.along import along
from wardround.engine.augmentation.intensity import moments
from wardround.engine.augmentation.spatial import SpatialDrawn, placed, resampling
from wardround.engine.augmentation.transform import Drawn, IntensityTransform
from wardround.engine.parts.augmentation import Ghosting, Gibbs, Motion, Spike
from wardround.engine.sampling.batch import Surroundings


def weighing(weights: np.ndarray) -> np.ndarray:
    """float32 (side, side): what weighing the lines of k-space does to the voxels of an axis.

    The line of frequency 0 is the one at side // 2; of the outcome the real part is taken, as of a real image.
    """
    response = np.fft.ifft(np.fft.ifftshift(weights)).real
    places = np.arange(len(weights))
    return np.asarray(response[(places[:, None] - places[None, :]) % len(weights)], dtype=np.float32)


@dataclass(frozen=True)
class MotionDrawn(Drawn):
    """How a head lay while the lines of k-space were acquired.

    Attributes:
        axis: along which the lines follow each other.
        times: when it moved, as shares of all lines, in order.
        poses: how it lay before the first, between them and after the last of them, but for the one about frequency 0:
            then it lay as it does in the image.
    """

    axis: int
    times: tuple[float, ...]
    poses: tuple[SpatialDrawn, ...]


class MotionTransform(IntensityTransform[MotionDrawn]):
    """Let the head move between lines of k-space."""

    def __init__(self, parameters: Motion) -> None:
        self._motion = parameters

    def draw(self, random: np.random.Generator, dimensions: int) -> MotionDrawn | None:
        """An axis, times in equal intervals that are shifted a little, and poses; None with probability 1 - p."""
        given = self._motion
        chance, axis = random.random(), int(random.integers(dimensions))
        count = int(random.integers(given.movements[0], given.movements[1] + 1))
        times = (np.arange(1, count + 1) + random.uniform(-_EARLY, _EARLY, count)) / (count + 1)
        poses = tuple(self._pose(random, dimensions) for _ in range(count))
        return MotionDrawn(axis, tuple(times.tolist()), poses) if chance < given.probability else None

    def _pose(self, random: np.random.Generator, dimensions: int) -> SpatialDrawn:
        given = self._motion
        angles = random.uniform(-given.rotation, given.rotation, 3 if dimensions == 3 else 1)
        moved = random.uniform(-given.translation, given.translation, dimensions)
        return SpatialDrawn(tuple(angles.tolist()), 1.0, 0.0, 0, translation=tuple(moved.tolist()))

    def placed(self, drawn: MotionDrawn, surroundings: Surroundings) -> MotionDrawn:
        """With the size of the voxels, and what lies outside."""
        return replace(drawn, poses=tuple(placed(pose, surroundings) for pose in drawn.poses))

    def changed(self, sample: Tensor, drawn: MotionDrawn) -> Tensor:
        """The sum of what each pose contributed."""
        side, shape = sample.shape[drawn.axis + 1], tuple(sample.shape[1:])
        found, poses = torch.zeros_like(sample), iter(drawn.poses)
        for lines in _intervals(drawn.times, side):
            weights = np.zeros(side)
            weights[lines] = 1
            is_still = lines.start <= side // 2 < lines.stop
            seen = sample if is_still else resampling(next(poses), shape, sample.device).image(sample)
            if lines.start < lines.stop:
                found += along(seen, drawn.axis, weighing(weights))
        return found


_EARLY = 0.3
"""Of an interval, by which a movement may come early or late."""


def _intervals(times: Sequence[float], side: int) -> Iterator[slice]:
    """The lines between movements; of an axis with few voxels some intervals have none."""
    ends = [0, *(math.floor(time * side) for time in times), side]
    yield from (slice(first, last) for first, last in pairwise(ends))


@dataclass(frozen=True)
class GhostingDrawn(Drawn):
    """Along which axis, how many ghosts, how strong, and which share of the lines about frequency 0 has none of it."""

    axis: int
    ghosts: int
    intensity: float
    restored: float


class GhostingTransform(IntensityTransform[GhostingDrawn]):
    """Weaken every n-th line of k-space, which repeats the image n times."""

    def __init__(self, parameters: Ghosting) -> None:
        self._ghosting = parameters

    def draw(self, random: np.random.Generator, dimensions: int) -> GhostingDrawn | None:
        """An axis, a number and a strength; None with probability 1 - p, or where the strength is 0."""
        given = self._ghosting
        chance, axis = random.random(), int(random.integers(dimensions))
        ghosts, intensity = int(random.integers(given.ghosts[0], given.ghosts[1] + 1)), random.uniform(*given.intensity)
        if chance >= given.probability or intensity == 0:
            return None
        return GhostingDrawn(axis, ghosts, float(intensity), given.restored)

    def changed(self, sample: Tensor, drawn: GhostingDrawn) -> Tensor:
        """The sample with its ghosts."""
        side = sample.shape[drawn.axis + 1]
        weights, middle, near = np.ones(side), side // 2, math.floor(drawn.restored * side / 2)
        weights[:: drawn.ghosts] = 1 - drawn.intensity
        weights[max(0, middle - near) : middle + near + 1] = 1
        return along(sample, drawn.axis, weighing(weights))


@dataclass(frozen=True)
class GibbsDrawn(Drawn):
    """The share of the lines of k-space that are left along each axis."""

    kept: float


class GibbsTransform(IntensityTransform[GibbsDrawn]):
    """Leave out the lines of high frequencies, so that edges ring."""

    def __init__(self, parameters: Gibbs) -> None:
        self._kept, self._probability = parameters.kept, parameters.probability

    def draw(self, random: np.random.Generator, dimensions: int) -> GibbsDrawn | None:
        """A share from a uniform distribution; None with probability 1 - p, or where it is 1."""
        chance, kept = random.random(), float(random.uniform(*self._kept))
        return GibbsDrawn(kept) if chance < self._probability and kept < 1 else None

    def changed(self, sample: Tensor, drawn: GibbsDrawn) -> Tensor:
        """The sample of the frequencies that are left."""
        for axis, side in enumerate(sample.shape[1:]):
            frequencies = np.abs(np.arange(side) - side // 2)
            sample = along(sample, axis, weighing((frequencies <= drawn.kept * side / 2).astype(float)))
        return sample


@dataclass(frozen=True)
class SpikeDrawn(Drawn):
    """Waves over the image, each with its place in k-space, as shares of its axes, and its phase in turns; and how
    strong they are, in standard deviations of each channel."""

    places: tuple[tuple[float, ...], ...]
    phases: tuple[float, ...]
    intensity: float


class SpikeTransform(IntensityTransform[SpikeDrawn]):
    """Add waves: what single wrong values of k-space become in the image."""

    def __init__(self, parameters: Spike) -> None:
        self._spike = parameters

    def draw(self, random: np.random.Generator, dimensions: int) -> SpikeDrawn | None:
        """Places, phases and a strength; None with probability 1 - p, or where the strength is 0."""
        given = self._spike
        chance, count = random.random(), int(random.integers(given.spikes[0], given.spikes[1] + 1))
        places, phases = random.random((count, dimensions)), random.random(count)
        intensity = float(random.uniform(*given.intensity))
        if chance >= given.probability or intensity == 0:
            return None
        return SpikeDrawn(tuple(map(tuple, places.tolist())), tuple(phases.tolist()), intensity)

    def changed(self, sample: Tensor, drawn: SpikeDrawn) -> Tensor:
        """The sample under its waves."""
        strength = moments(sample)[1] * drawn.intensity
        for place, phase in zip(drawn.places, drawn.phases, strict=True):
            sample = sample.add_(strength * _wave(tuple(sample.shape[1:]), place, phase, sample.device))
        return sample


def _wave(shape: tuple[int, ...], place: Sequence[float], phase: float, device: torch.device) -> Tensor:
    """float32 of this shape: the cosine of a phase that grows evenly along each axis."""
    turns = torch.full((), phase, device=device)
    for axis, (side, share) in enumerate(zip(shape, place, strict=True)):
        frequency = math.floor(share * side) - side // 2
        along_axis = (torch.arange(side, device=device) * frequency % side) / side
        turns = turns + along_axis.reshape(-1, *(1,) * (len(shape) - 1 - axis))
    return turns.mul_(2 * math.pi).cos_()
