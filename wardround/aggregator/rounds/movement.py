"""How far an update moves the model, and how far it may: no site can throw the model away, or drown the others.

An update's movement is the L2 norm of update minus base, in two parts: what is learned, and the running statistics of
normalisation layers, which follow a site's images and differ more between honest sites.

What a strategy sends in other groups of tensors is measured by its own norm, group by group.

Two rules. Alone, no tensor may move by more than `ceiling` times the larger of its own norm and that of weights of 0.1;
none of another group may have a norm above `ceiling` times that of numbers as large as the group's `usual`; counters
only go up, by no more than the steps allow; variances are not negative. Among three sites or more, no update may move
the model more than `largest` times as far as the median one (statistics: `largest` squared, as variances go with the
square of the images' scale; other groups too, as the gradients of honest sites may differ more than their steps, which
control variates make alike). Of one or two sites nobody can say which one is wrong, so there the first rule stands
alone. What stays below both is folded: they bound harm, they do not find a site that lies within them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from wardround.federation.strategies.protocol import Arrays
from wardround.federation.strategies.sharing import MODEL, RUNNING_STATISTICS, WEIGHTS_ALONE, Group, Sharing, group_of

_LARGEST_STATISTIC = 1e12
_TYPICAL_WEIGHT = 0.1
_COUNTS_A_STEP = 64
"""A layer that is used several times in one step counts each time."""
_FEWEST_TO_COMPARE = 3
_BLOCK = 2**20


class MovementError(Exception):
    """An update that moves the model as no training does. The text names tensors of the aggregator's own model."""


@dataclass(frozen=True)
class Movement:
    """How far an update goes.

    Attributes:
        learned: L2 norm of update minus base over the learned tensors.
        statistics: the same over the running statistics.
        groups: L2 norm of what came in each group other than the model's, by its name.
    """

    learned: float
    statistics: float
    groups: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Yardstick:
    """Measures the updates of one round.

    Attributes:
        base: the round's incoming model.
        steps: optimiser steps that a site makes in a round.
        ceiling: how many times its own norm a tensor may move.
        sharing: what the strategy declares.
    """

    base: Arrays
    steps: int
    ceiling: float
    sharing: Sharing = WEIGHTS_ALONE

    def measure(self, update: Arrays) -> Movement:
        """The movement of an update of the declared names, shapes and types. Raises `MovementError`."""
        groups = {group.name: self._group(group, update) for group in self.sharing.up if group.name != MODEL}
        learned, running = self._model({name: array for name, array in update.items() if group_of(name) == MODEL})
        return Movement(learned, running, groups)

    def _group(self, group: Group, update: Arrays) -> float:
        """The norm of a group's tensors, none of which is out of all proportion.

        The reach is the same in every round: one that followed what went down would follow a hostile site, a
        hundredfold each time, until nothing finite is left.
        """
        total = 0.0
        for name, array in update.items():
            if group_of(name) == group.name:
                squared = _sum_of_squares(array)
                self._check(name, squared, (self.ceiling * group.usual) ** 2 * array.size, "has a norm of")
                total += squared
        return math.sqrt(total)

    def _model(self, update: Arrays) -> tuple[float, float]:
        """How far the learned tensors move, and the running statistics."""
        learned, running = 0.0, 0.0
        for name, array in update.items():
            if array.dtype.kind != "f":
                self._check_counter(name, array)
                continue
            squared = _sum_of_squares(array, self.base[name])
            if name.endswith(RUNNING_STATISTICS):
                _check_statistic(name, array)
                running += squared
            else:
                self._check(name, squared, self._reach[name], "moves by")
                learned += squared
        return math.sqrt(learned), math.sqrt(running)

    @cached_property
    def _reach(self) -> Mapping[str, float]:
        """The square of how far each learned tensor may move."""
        return {
            name: self.ceiling**2 * max(_sum_of_squares(array), _TYPICAL_WEIGHT**2 * array.size)
            for name, array in self.base.items()
            if array.dtype.kind == "f"
        }

    def _check(self, name: str, squared: float, reach: float, does: str) -> None:
        if squared > reach:
            far, allowed = math.sqrt(squared), math.sqrt(reach)
            raise MovementError(f"{name} {does} {far:.3g}, more than the {allowed:.3g} that are allowed")

    def _check_counter(self, name: str, array: np.ndarray) -> None:
        before, most = self.base[name], self.steps * _COUNTS_A_STEP
        # Between signed 64-bit numbers of which the first is not the smaller one, the unsigned difference is exact.
        moved = array.astype(np.int64).view(np.uint64) - before.astype(np.int64).view(np.uint64)
        if np.any(array < before) or np.any(moved > most):
            raise MovementError(f"{name} counts down, or up by more than the {most} that the steps allow")


def outliers(movements: Mapping[str, Movement], largest: float | None) -> dict[str, str]:
    """The sites whose updates move the model too far beside the others', and how far."""
    if largest is None or len(movements) < _FEWEST_TO_COMPARE:
        return {}
    moves, groups = (
        "its update moves the model by",
        {name for movement in movements.values() for name in movement.groups},
    )
    found = [
        _too_far(movements, lambda movement: movement.learned, largest, moves),
        _too_far(movements, lambda movement: movement.statistics, largest**2, moves),
        *(_too_far(movements, _norm_of(group), largest**2, f"its {group} has a norm of") for group in sorted(groups)),
    ]
    first = ((site, next((each[site] for each in found if site in each), "")) for site in movements)
    return {site: told for site, told in first if told}


def _norm_of(group: str) -> Callable[[Movement], float]:
    return lambda movement: movement.groups.get(group, 0.0)


def _too_far(
    movements: Mapping[str, Movement], part: Callable[[Movement], float], largest: float, does: str
) -> dict[str, str]:
    median = statistics.median_low([part(movement) for movement in movements.values()])
    if not median:
        return {}
    return {
        site: f"{does} {part(movement):.3g}, more than {largest:g} times the median {median:.3g}"
        for site, movement in movements.items()
        if part(movement) > largest * median
    }


def _check_statistic(name: str, array: np.ndarray) -> None:
    least = 0.0 if name.endswith("running_var") else -_LARGEST_STATISTIC
    if array.size and (array.min() < least or array.max() > _LARGEST_STATISTIC):
        raise MovementError(f"{name} lies outside {least:g} to {_LARGEST_STATISTIC:g}")


def _sum_of_squares(array: np.ndarray, base: np.ndarray | None = None) -> float:
    """In float64 and in blocks: of float32 numbers no sum overflows, and no copy of a large tensor is made."""
    total = 0.0
    for block, before in _blocks(array, base):
        moved = block.astype(np.float64) if before is None else np.subtract(block, before, dtype=np.float64)
        total += float(np.dot(moved, moved))
    return total


def _blocks(array: np.ndarray, base: np.ndarray | None) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    flat = array.reshape(-1)
    other = None if base is None else base.reshape(-1)
    for start in range(0, flat.size, _BLOCK):
        stop = start + _BLOCK
        yield flat[start:stop], None if other is None else other[start:stop]
