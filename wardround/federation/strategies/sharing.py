"""What a strategy exchanges: groups of tensors that go down to the sites and come up from them, and numbers.

The worker, the courier's guard and the aggregator's inspector read the same declaration, so that what one lets out the
other takes in, and nothing else passes anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from wardround.engine.basics.printable import printable
from wardround.engine.parts import Bounds
from wardround.federation.declared import UndeclaredError, check_number
from wardround.federation.guards import Schema, TensorSpec, check_update, describe
from wardround.federation.model_group import MODEL_GROUP, Arrays, model_of

MODEL = MODEL_GROUP.removesuffix("/")
"""The group of the network's own tensors. Every strategy sends it down."""
RUNNING_STATISTICS = ("running_mean", "running_var")
"""How the tensors end in which a normalisation layer keeps what it has seen of images."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


class Like(StrEnum):
    """Which tensors of the model a group has a counterpart of, each of the same shape.

    `MODEL`: all of them, each of its own type. `LEARNED`: those of floating-point numbers that are not running
    statistics, in float32.
    """

    MODEL = MODEL_GROUP.removesuffix("/")
    LEARNED = "learned"


@dataclass(frozen=True)
class Group:
    """Tensors that travel under one name, as `name/tensor`.

    Attributes:
        name: lower-case letters, digits and underscores.
        what: for people, such as "the control variate".
        like: which tensors there are.
        required: whether they always travel; all of a group's tensors do, or none.
        usual: root mean square that a tensor may well have; none may exceed the coordinator's ceiling times this. What
            went down does not count, since a site may have driven that up itself. Not for the model's own group.
    """

    name: str
    what: str
    like: Like = Like.MODEL
    required: bool = True
    usual: float = 1.0

    def schema(self, model: Schema) -> Schema:
        """The form of its tensors, beside a model of the form `model`, whose names have no group."""
        return Schema(
            {f"{self.name}/{name}": self._spec(spec) for name, spec in model.tensors.items() if self._has(name, spec)}
        )

    def _has(self, name: str, spec: TensorSpec) -> bool:
        is_learned = spec.dtype.startswith("float") and not name.endswith(RUNNING_STATISTICS)
        return self.like is Like.MODEL or is_learned

    def _spec(self, spec: TensorSpec) -> TensorSpec:
        return spec if self.like is Like.MODEL else TensorSpec(spec.shape, "float32")


@dataclass(frozen=True)
class Number:
    """A number that a site sends beside its tensors.

    Attributes:
        name: lower-case letters, digits and underscores.
        what: for people.
        bounds: what it can be.
        required: whether it always comes.
    """

    name: str
    what: str
    bounds: Bounds
    required: bool = True


WEIGHTS = Group(MODEL, "the model's weights")


@dataclass(frozen=True)
class Sharing:
    """All that crosses between the sites and the aggregator in a round of training, beside scores, loss and progress.

    Raises ValueError for a name that cannot be used or stands twice, or where the model does not go down.

    Attributes:
        down: groups of tensors that every site receives.
        up: groups of tensors that a site sends.
        numbers: numbers that a site sends.
    """

    down: tuple[Group, ...] = (WEIGHTS,)
    up: tuple[Group, ...] = (WEIGHTS,)
    numbers: tuple[Number, ...] = ()

    def __post_init__(self) -> None:
        for declared in (self.down, self.up, self.numbers):
            names = [each.name for each in declared]
            if len(set(names)) != len(names) or not all(_NAME.fullmatch(name) for name in names):
                raise ValueError(f"names of what is shared: {names}")
        if WEIGHTS not in self.down or not self.up:
            raise ValueError("the model's weights go down in every strategy, and something comes up")

    def check_down(self, arrays: Arrays, model: Schema) -> None:
        """Raise `GuardError` unless arrays are what may go down beside a model of that form, and finite."""
        _check(arrays, self.down, model)

    def check_up(self, arrays: Arrays, model: Schema) -> None:
        """Raise `GuardError` unless arrays are what may come up beside a model of that form, and finite."""
        _check(arrays, self.up, model)

    def check_numbers(self, numbers: Mapping[str, float]) -> None:
        """Raise `UndeclaredError` unless numbers are those that a site sends, each within its bounds."""
        unknown = len(numbers.keys() - {number.name for number in self.numbers})
        if unknown:
            raise UndeclaredError(f"{unknown} numbers that the strategy does not declare")
        for number in self.numbers:
            if number.name in numbers:
                check_number(number.name, numbers[number.name], number.bounds)
            elif number.required:
                raise UndeclaredError(f"no number {number.name}, which the strategy declares")

    def opening(self, arrays: Arrays) -> Arrays:
        """What goes down before the first round: given tensors of the model, and zeros in every other group."""
        zeros = {
            name: np.zeros(spec.shape, spec.dtype)
            for name, spec in largest(self.down, model_schema(arrays)).tensors.items()
            if not name.startswith(MODEL_GROUP)
        }
        return {**zeros, **arrays}


WEIGHTS_ALONE = Sharing()
"""Weights go down, weights come up, and nothing else."""


def in_words(shared: Iterable[Group | Number]) -> tuple[str, ...]:
    """What is shared, as a person reads it."""
    return tuple("model weights" if each == WEIGHTS else printable(each.what) for each in shared)


def group_of(name: str) -> str:
    """The group of a tensor's full name."""
    return name.partition("/")[0]


def model_schema(arrays: Arrays) -> Schema:
    """The form of the model among arrays, by name without group."""
    return describe(model_of(arrays))


def largest(groups: Iterable[Group], model: Schema) -> Schema:
    """The form of groups when all of them travel: how much room bytes can need, and which names there can be."""
    return Schema({name: spec for group in groups for name, spec in group.schema(model).tensors.items()})


def _check(arrays: Arrays, groups: tuple[Group, ...], model: Schema) -> None:
    present = {group_of(name) for name in arrays}
    check_update(arrays, largest((group for group in groups if group.required or group.name in present), model))
