"""Parts of a study by the names that GaNDLF has for them, which stand in their rows."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from wardround.engine.basics.flaws import flow
from wardround.engine.basics.problems import did_you_mean
from wardround.engine.interop.gandlf.notes import Notes
from wardround.engine.parts import Kind, Part, builtin_and_plugins

_ALIKE = 0.6


@dataclass(frozen=True)
class Use:
    """A part that the study is to name.

    Attributes:
        part: its row.
        parameters: those that the configuration tells.
    """

    part: Part
    parameters: Mapping[str, Any]

    @property
    def entry(self) -> str:
        """As in a list: `name`, or `name: {...}`."""
        return f"{self.part.name}: {flow(self._plain)}" if self.parameters else self.part.name

    @property
    def value(self) -> str:
        """As behind a key: `name`, or `{name: ..., ...}`."""
        return flow({"name": self.part.name, **self._plain}) if self.parameters else self.part.name

    @property
    def _plain(self) -> dict[str, Any]:
        return {key: _shortest(value) for key, value in self.parameters.items()}


def _shortest(value: Any) -> Any:
    """Whole numbers without a point, in lists too."""
    if isinstance(value, list | tuple):
        return [_shortest(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


def parts_called(kind: Kind, name: str) -> tuple[Part, ...]:
    """The parts that stand for a name of GaNDLF's, which takes letters in either case."""
    wanted = name.lower()
    return tuple(part for part in builtin_and_plugins().parts(kind) if wanted in {each.lower() for each in part.gandlf})


def known_names(kind: Kind) -> list[str]:
    """All names of GaNDLF's for parts of a kind."""
    return sorted({name for part in builtin_and_plugins().parts(kind) for name in part.gandlf})


def is_alike(kind: Kind, name: str) -> bool:
    """Whether a name is probably a misspelt one of GaNDLF's."""
    return bool(difflib.get_close_matches(name.lower(), map(str.lower, known_names(kind)), 1, _ALIKE))


def tell_unknown(kind: Kind, name: Any, place: str, notes: Notes, otherwise: str = "") -> None:
    """A finding for a name that no part stands for."""
    known = known_names(kind)
    remedy = did_you_mean(name, known) if isinstance(name, str) else ""
    notes.wrong(place, f"no {kind.value} stands for this", name, otherwise or f"one of {', '.join(known)}", remedy)


def use_of(part: Part, parameters: Mapping[str, Any], place: str, notes: Notes) -> Use:
    """A part with parameters; what these cannot be becomes a finding at the key of the configuration."""
    try:
        part.parameters.model_validate(dict(parameters))
    except ValidationError as error:
        for each in error.errors():
            name = str(each["loc"][0]) if each["loc"] else part.name
            said = f"`{name}` of `{part.name}` cannot be this: {each['msg'][:1].lower()}{each['msg'][1:]}"
            notes.wrong(place, said, parameters.get(name), "a value that it can have")
    return Use(part, parameters)
