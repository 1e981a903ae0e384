"""How deep a U-Net is, and how its levels halve and look along each axis, by nnU-Net's rule (Isensee et al. 2021).

An axis is halved while it stays 4 voxels long, together with all axes whose voxels are less than twice as long as the
shortest; convolutions are 3 voxels wide along an axis from the level on at which its voxels are no longer twice as
long as the shortest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_LEAST_SIDE = 4
_MOST_LEVELS = 7
_ALIKE = 2.0
"""Voxels that are less than so many times as long as the shortest are treated alike."""


@dataclass(frozen=True)
class Topology:
    """The levels of a U-Net.

    Attributes:
        strides: of each level but the first, by axis.
        kernels: of each level, by axis.
    """

    strides: tuple[tuple[int, ...], ...]
    kernels: tuple[tuple[int, ...], ...]

    @property
    def levels(self) -> int:
        """How many."""
        return len(self.kernels)

    @property
    def divisors(self) -> tuple[int, ...]:
        """What each side of a patch is a multiple of."""
        found = [1] * len(self.kernels[0])
        for stride in self.strides:
            found = [before * step for before, step in zip(found, stride, strict=True)]
        return tuple(found)

    @property
    def is_even(self) -> bool:
        """Whether every level halves all axes, and looks 3 voxels wide, as a U-Net does that is told nothing."""
        return all(set(each) == {2} for each in self.strides) and all(set(each) == {3} for each in self.kernels)

    def fitted(self, patch: Sequence[int]) -> tuple[int, ...]:
        """The sides of a patch, each made up to a multiple."""
        return tuple(-(-side // divisor) * divisor for side, divisor in zip(patch, self.divisors, strict=True))


def topology_for(patch: Sequence[int], spacing: Sequence[float]) -> Topology:
    """The levels for patches of this size; two of them, which halve all axes, where it is too small for any."""
    sizes, steps = list(patch), list(spacing)
    kernel = [1] * len(sizes)
    strides: list[tuple[int, ...]] = []
    kernels: list[tuple[int, ...]] = []
    while len(strides) < _MOST_LEVELS - 1 and (halved := _halved(sizes, steps)):
        kernel = _widened(kernel, steps)
        strides.append(tuple(2 if axis in halved else 1 for axis in range(len(sizes))))
        kernels.append(tuple(kernel))
        steps = [step * by for step, by in zip(steps, strides[-1], strict=True)]
        sizes = [-(-side // by) for side, by in zip(sizes, strides[-1], strict=True)]
    if not strides:
        strides, kernels = [(2,) * len(sizes)], [(3,) * len(sizes)]
    return Topology(tuple(strides), (*kernels, (3,) * len(sizes)))


def _widened(kernel: Sequence[int], steps: Sequence[float]) -> list[int]:
    """3 along each axis along which it was so already, or whose voxels are no longer too long."""
    return [3 if wide == 3 or step < _ALIKE * min(steps) else 1 for wide, step in zip(kernel, steps, strict=True)]


def _halved(sizes: Sequence[int], steps: Sequence[float]) -> list[int]:
    """The axes that the next level halves; none where the network ends."""
    long = [axis for axis, side in enumerate(sizes) if side >= 2 * _LEAST_SIDE]
    shortest = min((steps[axis] for axis in long), default=0.0)
    alike = [axis for axis in long if steps[axis] < _ALIKE * shortest]
    is_short = len(alike) == 1 and sizes[alike[0]] < 3 * _LEAST_SIDE
    return [] if is_short else alike
