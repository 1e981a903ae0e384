"""What a part is, and the immutable registry that finds one by kind and name.

A part's parameters are typed here, in modules that import no torch; its implementation is named as `module:attribute`
and imported when it is first used. A study names parts; it can never name an import path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, ClassVar

from pydantic import ConfigDict

from wardround.engine.basics.blame import Owner, answering
from wardround.engine.basics.closed import Closed
from wardround.engine.basics.problems import Findings, InputError, Problem, did_you_mean

ENTRY_POINT_GROUP = "wardround.parts"
_LEAST_TELLING = 3
"""Letters of a name by which a package may be known."""


class Kind(StrEnum):
    """The kinds of parts, named as in a study file; a strategy is named in a federation file."""

    PREPROCESSING = "preprocessing"
    AUGMENTATION = "augmentation"
    NETWORK = "network"
    LOSS = "loss"
    METRIC = "metric"
    OPTIMIZER = "optimizer"
    SCHEDULE = "schedule"
    STRATEGY = "strategy"


STUDY_KINDS: tuple[Kind, ...] = tuple(kind for kind in Kind if kind is not Kind.STRATEGY)
"""The kinds that a study names."""
_KEYS: Mapping[Kind, str] = {
    Kind.PREPROCESSING: "preprocessing",
    Kind.AUGMENTATION: "augmentation",
    Kind.NETWORK: "model",
    Kind.LOSS: "training.loss",
    Kind.METRIC: "validation.metrics",
    Kind.OPTIMIZER: "training.optimizer",
    Kind.SCHEDULE: "training.schedule",
    Kind.STRATEGY: "strategy",
}
"""The key of a study, or of a federation, that names a part of each kind."""
_WORDS: Mapping[Kind, str] = {
    Kind.PREPROCESSING: "preprocessing step",
    Kind.AUGMENTATION: "augmentation",
    Kind.NETWORK: "network",
    Kind.LOSS: "loss",
    Kind.METRIC: "metric",
    Kind.OPTIMIZER: "optimizer",
    Kind.SCHEDULE: "schedule",
    Kind.STRATEGY: "strategy",
}


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
        kind: where in a study, or in a federation, it can be named.
        name: its name there.
        parameters: the type of its parameters.
        implementation: `module:attribute`; called as `attribute(parameters, ...)` with arguments set by its kind.
        tasks: the tasks that it serves; empty means all.
        higher_is_better: for metrics, which direction is better.
        bounds: for metrics, the range of a score; what lies outside it neither leaves a hospital nor is believed.
        package: name and release of the installed package that it comes from; empty for Wardround's own parts.
    """

    kind: Kind
    name: str
    parameters: type[Parameters]
    implementation: str
    tasks: frozenset[str] = frozenset()
    higher_is_better: bool = True
    bounds: Bounds = ANY_SCORE
    package: str = ""

    @property
    def owner(self) -> Owner:
        """Who answers for it."""
        word = _WORDS[self.kind]
        namer = "study" if self.kind in STUDY_KINDS else "federation"
        what, instead = f"the {word} {self.name!r}", f"or let the {namer} name another {word}"
        return Owner(what, self.package, _KEYS[self.kind], instead)

    def serves(self, task: str) -> bool:
        """Whether it can be used in a study of that task."""
        return not self.tasks or task in self.tasks

    def load(self) -> Any:
        """Import and return the implementation. Raises `InputError` that names the package of one that cannot be."""
        module, _, attribute = self.implementation.partition(":")
        with answering(self.owner):
            return getattr(import_module(module), attribute)

    def make(self, *arguments: Any) -> Any:
        """What the implementation gives for these arguments, the parameters first. Raises as `load` does."""
        with answering(self.owner):
            return self.load()(*arguments)


class Registry:
    """All parts by kind and name; never changes once made.

    `broken` tells what is wrong with packages whose parts cannot be had. That concerns those alone who name such a
    part, and so does a name that two parts have.
    """

    def __init__(self, parts: Iterable[Part], broken: Iterable[Problem] = ()) -> None:
        self.broken, self._all = tuple(broken), tuple(parts)
        by_name: dict[tuple[Kind, str], list[Part]] = {}
        for part in self._all:
            by_name.setdefault((part.kind, part.name), []).append(part)
        self._parts = {key: found[0] for key, found in by_name.items() if len(found) == 1}
        self._claimed = {key: _claimed_by(found) for key, found in by_name.items() if len(found) > 1}

    def names(self, kind: Kind) -> tuple[str, ...]:
        """Sorted names of one kind."""
        return tuple(sorted(name for part_kind, name in self._parts if part_kind is kind))

    def parts(self, *kinds: Kind) -> tuple[Part, ...]:
        """Every part of these kinds, or of all, by kind and name."""
        return tuple(self._parts[key] for key in sorted(self._parts) if key[0] in (kinds or Kind))

    def of(self, kind: Kind) -> Choice:
        """The parts of one kind, to name one of."""
        return Choice(self, kind)

    def extended(self, parts: Iterable[Part], broken: Iterable[Problem] = ()) -> Registry:
        """This registry with more parts, and what is wrong with packages that may have others."""
        return Registry((*self._all, *parts), (*self.broken, *broken))

    def troubles(self, kind: Kind, name: str) -> tuple[Problem, ...]:
        """Why there may be no part of that name: several have it, or a package that might have it is broken."""
        claimed = self._claimed.get((kind, name))
        if claimed is not None:
            return (claimed,)
        called = tuple(problem for problem in self.broken if _is_called(name, problem))
        return called or tuple(_doubting(problem, f"{kind} {name!r}") for problem in self.broken)

    def is_explained(self, kind: Kind, name: str) -> bool:
        """Whether `troubles` tell by themselves why there is no part of that name: several have it, or a package is
        broken that may have it, while the name is like that of no other part."""
        if (kind, name) in self._claimed or any(_is_called(name, problem) for problem in self.broken):
            return True
        return bool(self.broken) and not did_you_mean(name, self.names(kind)).endswith("?")

    def find(self, kind: Kind, name: str) -> Part:
        """The part of that name; raises `InputError` with the close names, or what is the reason, if there is none."""
        if (kind, name) in self._parts:
            return self._parts[kind, name]
        unknown = Problem(f"unknown {kind}", got=repr(name), remedy=did_you_mean(name, self.names(kind)))
        raise InputError([*(() if self.is_explained(kind, name) else (unknown,)), *self.troubles(kind, name)])


@dataclass(frozen=True)
class Choice:
    """The parts that can be named in a place: those of one kind.

    Attributes:
        registry: of all parts.
        kind: of those that fit the place.
    """

    registry: Registry
    kind: Kind

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, sorted."""
        return self.registry.names(self.kind)

    @property
    def parts(self) -> tuple[Part, ...]:
        """All of them, by name."""
        return self.registry.parts(self.kind)

    def find(self, name: str) -> Part:
        """The part of that name; raises `InputError` as the registry does."""
        return self.registry.find(self.kind, name)

    def troubles(self, name: str) -> tuple[Problem, ...]:
        """Why there may be no part of that name."""
        return self.registry.troubles(self.kind, name)

    def is_explained(self, name: str) -> bool:
        """Whether `troubles` tell by themselves why there is no part of that name."""
        return self.registry.is_explained(self.kind, name)

    def kind_of(self, name: str) -> Kind | None:
        """The other kind that has a part of that name; None where no kind has one."""
        return next((kind for kind in Kind if kind is not self.kind and name in self.registry.names(kind)), None)


def _is_called(name: str, package: Problem) -> bool:
    """Whether a broken package is called like a part, so that it is the one that has it."""
    one, other = (re.sub(r"[^a-z0-9]", "", text.lower()) for text in (name, package.where))
    return len(one) >= _LEAST_TELLING and one in other


def _doubting(package: Problem, part: str) -> Problem:
    """What is wrong with a package that may have a part, or may not."""
    return replace(package, remedy=f"{package.remedy}. If it is not the one that has the {part}, correct that name")


def _claimed_by(parts: Sequence[Part]) -> Problem:
    return Problem(
        f"{len(parts)} parts of kind {parts[0].kind} are called {parts[0].name!r}",
        got=" and ".join(f"one of {_whose(part)}" for part in parts),
        expected="one part of a name, so that a study means one by it",
        remedy="Uninstall a package that is not needed, or ask its author to give the part another name",
    )


def _whose(part: Part) -> str:
    return f"the package {part.package}" if part.package else "Wardround itself"


@cache
def builtin_and_plugins() -> Registry:
    """The registry of this installation: built-in catalogues, then plug-ins by entry point `wardround.parts`."""
    from wardround.engine.parts import augmentation, losses, metrics, networks, optimization, preprocessing
    from wardround.engine.parts.installed import rows_of

    catalogues = (preprocessing, augmentation, networks, losses, metrics, optimization)
    parts, broken = [part for catalogue in catalogues for part in catalogue.PARTS], Findings()
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        with broken.gather():
            parts.extend(rows_of(entry))
    return Registry(parts, broken.problems)


def named(parts: Iterable[Part]) -> Mapping[str, Part]:
    """Parts by name, for tables and tests."""
    return {part.name: part for part in parts}
