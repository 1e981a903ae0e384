"""What a part is, and the immutable registry that finds one by kind and name.

A part's parameters are typed here, in modules that import no torch; its implementation is named as `module:attribute`
and imported when it is first used. A study names parts; it can never name an import path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar

from pydantic import ConfigDict

from wardround.engine.basics.closed import Closed
from wardround.engine.basics.problems import InputError, did_you_mean

ENTRY_POINT_GROUP = "wardround.parts"


class Kind(StrEnum):
    """The kinds of parts, named as in a study file."""

    PREPROCESSING = "preprocessing"
    AUGMENTATION = "augmentation"
    NETWORK = "network"
    LOSS = "loss"
    METRIC = "metric"
    OPTIMIZER = "optimizer"
    SCHEDULE = "schedule"


class Parameters(Closed):
    """Base of every part's parameters: frozen, complete with defaults, closed to unknown keys.

    `shorthand` names the field that a bare value fills, so that `orient: RAS` means `orient: {axes: RAS}`.
    """

    model_config = ConfigDict(allow_inf_nan=False, strict=False)
    shorthand: ClassVar[str | None] = None


@dataclass(frozen=True)
class Bounds:
    """The least and the greatest value that a number can have."""

    least: float
    most: float

    def hold(self, value: float) -> bool:
        """Whether a value lies within; NaN does not."""
        return self.least <= value <= self.most


ANY_SCORE = Bounds(-1e9, 1e9)
FRACTION = Bounds(0.0, 1.0)
MILLIMETRES = Bounds(0.0, 1e6)


@dataclass(frozen=True)
class Part:
    """One registered part.

    Attributes:
        kind: where in a study it can be named.
        name: its name in a study.
        parameters: the type of its parameters.
        implementation: `module:attribute`; called as `attribute(parameters, ...)` with arguments set by its kind.
        tasks: the tasks that it serves; empty means all.
        higher_is_better: for metrics, which direction is better.
        bounds: for metrics, the range of a score; what lies outside it neither leaves a hospital nor is believed.
    """

    kind: Kind
    name: str
    parameters: type[Parameters]
    implementation: str
    tasks: frozenset[str] = frozenset()
    higher_is_better: bool = True
    bounds: Bounds = ANY_SCORE

    def serves(self, task: str) -> bool:
        """Whether it can be used in a study of that task."""
        return not self.tasks or task in self.tasks

    def load(self) -> Any:
        """Import and return the implementation."""
        module, _, attribute = self.implementation.partition(":")
        return getattr(import_module(module), attribute)


class Registry:
    """All parts by kind and name; never changes once made."""

    def __init__(self, parts: Iterable[Part]) -> None:
        self._parts: dict[tuple[Kind, str], Part] = {}
        for part in parts:
            if (part.kind, part.name) in self._parts:
                raise InputError.one(f"two parts of kind {part.kind} are called {part.name!r}", got=part.implementation)
            self._parts[part.kind, part.name] = part

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Sorted names of one kind."""
        return tuple(sorted(name for part_kind, name in self._parts if part_kind is kind))

    def parts(self) -> tuple[Part, ...]:
        """Every part, by kind and name."""
        return tuple(self._parts[key] for key in sorted(self._parts))

    def find(self, kind: Kind, name: str) -> Part:
        """The part of that name; raises `InputError` with the close names if there is none."""
        try:
            return self._parts[kind, name]
        except KeyError:
            known = self.names(kind)
            raise InputError.one(f"unknown {kind}", got=repr(name), remedy=did_you_mean(name, known)) from None


def _plugins() -> Iterable[Part]:
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        try:
            rows = tuple(entry.load())
        except Exception as error:  # whatever a foreign package raises, the user can only repair or remove it
            got = f"{type(error).__name__}: {error}"
            raise _foreign(entry, "an installed package's parts cannot be loaded", got, "a module with rows") from error
        strange = next((row for row in rows if not isinstance(row, Part)), None)
        if strange is not None:
            raise _foreign(entry, "a row of an installed package is no part", repr(strange), "rows of the type Part")
        yield from rows


def _foreign(entry: EntryPoint, what: str, got: str, expected: str) -> InputError:
    """The error for a package that is not ours, named with its release."""
    package = f"{entry.dist.name} {entry.dist.version}, " if entry.dist is not None else ""
    where = f"{package}entry point {entry.name} = {entry.value}"
    return InputError.one(
        what, where=where, got=got, expected=expected, remedy="Repair, update or uninstall the package"
    )


@cache
def builtin_and_plugins() -> Registry:
    """The registry of this installation: built-in catalogues, then plug-ins by entry point `wardround.parts`."""
    from wardround.engine.parts import augmentation, losses, metrics, networks, optimization, preprocessing

    catalogues = (preprocessing, augmentation, networks, losses, metrics, optimization)
    return Registry([*(part for catalogue in catalogues for part in catalogue.PARTS), *_plugins()])


def named(parts: Iterable[Part]) -> Mapping[str, Part]:
    """Parts by name, for tables and tests."""
    return {part.name: part for part in parts}
