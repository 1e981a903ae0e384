"""The immutable registry that finds a part by kind and name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from wardround.engine.basics.problems import InputError, Problem, did_you_mean
from wardround.engine.parts.part import Kind, Part

_LEAST_TELLING = 3
"""Letters of a name by which a package may be known."""


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
