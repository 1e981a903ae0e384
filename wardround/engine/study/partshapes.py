"""A part that is written in another shape than a study names parts in: what was meant by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wardround.engine.parts import Kind, builtin_and_plugins
from wardround.engine.study.expectations import flow
from wardround.engine.study.shapes import entries, joined, without_dashes

_HEADS: Mapping[Kind, str] = {
    Kind.PREPROCESSING: "- ",
    Kind.AUGMENTATION: "- ",
    Kind.METRIC: "- ",
    Kind.NETWORK: "model: ",
    Kind.LOSS: "loss: ",
    Kind.OPTIMIZER: "optimizer: ",
    Kind.SCHEDULE: "schedule: ",
}
"""What stands before a part of each kind."""


def part_instead(kind: Kind, value: Any) -> str:
    """What to write instead of something that names no part."""
    if isinstance(value, Mapping) and value:
        return _of_keys(kind, value)
    if isinstance(value, list | tuple) and value:
        return _of_list(kind, value)
    return _for_example(kind)


def _of_keys(kind: Kind, value: Mapping[str, Any]) -> str:
    known = builtin_and_plugins().names(kind)
    named = [key for key in value if key in known]
    others = {key: item for key, item in value.items() if key not in (*named, "name")}
    if not named:
        owner = _owner(kind, others)
        return _write(kind, owner, others, "Say its name, for example") if owner else _for_example(kind)
    own = value[named[0]] or {}
    if len(named) == 1 < len(value) and isinstance(own, Mapping):
        return _write(kind, named[0], {**own, **others})
    if _HEADS[kind] == "- ":
        return entries(value, _noun(kind))
    return _one_of(kind, {name: value[name] for name in named})


def _one_of(kind: Kind, parts: Mapping[str, Any]) -> str:
    return f"Only one can stand here; {', or '.join(_write(kind, *part, 'write') for part in parts.items())}"


def _noun(kind: Kind) -> str:
    return "step" if kind is Kind.PREPROCESSING else "entry"


def _of_list(kind: Kind, value: Sequence[Any]) -> str:
    name, *rest = value
    together = joined(value)
    if together is None and rest and all(_is_known(kind, each) for each in value):
        together = dict.fromkeys(value)
    if together is not None:
        return entries(together, _noun(kind)) if _HEADS[kind] == "- " else _single(kind, together)
    if name in builtin_and_plugins().names(kind) and len(rest) < 2:
        return _write(kind, name, rest[0] if rest else {})
    return _for_example(kind)


def _single(kind: Kind, together: Mapping[str, Any]) -> str:
    """Entries of a list where one part stands: names of several parts, or one part in pieces."""
    is_choice = len(together) > 1 and all(_is_known(kind, each) for each in together)
    return _one_of(kind, together) if is_choice else without_dashes(_HEADS[kind], together)


def _is_known(kind: Kind, name: Any) -> bool:
    return isinstance(name, str) and name in builtin_and_plugins().names(kind)


def _for_example(kind: Kind) -> str:
    return _write(kind, builtin_and_plugins().names(kind)[0], {}, "Write for example")


def _owner(kind: Kind, parameters: Mapping[str, Any]) -> str:
    """The first part of a kind that has all of these parameters; empty where none has."""
    of_kind = [part for part in builtin_and_plugins().parts() if part.kind is kind]
    return next((part.name for part in of_kind if parameters.keys() <= part.parameters.model_fields.keys()), "")


def _write(kind: Kind, name: str, parameters: Any, words: str = "Write") -> str:
    return f"{words} `{_HEADS[kind]}{_spelt(kind, name, parameters)}`"


def _spelt(kind: Kind, name: str, parameters: Any) -> str:
    """A part as a study spells it: in a list by its name, or else with the name among the parameters."""
    if parameters is None or parameters == {}:
        return name
    if _HEADS[kind] == "- ":
        return f"{name}: {flow(parameters)}"
    return flow({"name": name, **parameters}) if isinstance(parameters, Mapping) else flow({name: parameters})
