"""A part that is written in another shape than a study names parts in: what was meant by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wardround.engine.parts import Choice, Kind
from wardround.engine.study.expectations import flow
from wardround.engine.study.shapes import entries, joined, without_dashes

_HEADS: Mapping[Kind, str] = {
    Kind.PREPROCESSING: "- ",
    Kind.AUGMENTATION: "- ",
    Kind.METRIC: "- ",
    Kind.POSTPROCESSING: "- ",
    Kind.NETWORK: "model: ",
    Kind.LOSS: "loss: ",
    Kind.OPTIMIZER: "optimizer: ",
    Kind.SCHEDULE: "schedule: ",
    Kind.STRATEGY: "strategy: ",
    Kind.TASK: "task: ",
}
"""What stands before a part of each kind."""


def part_instead(choice: Choice, value: Any) -> str:
    """What to write instead of something that names no part."""
    if isinstance(value, Mapping) and value:
        return _of_keys(choice, value)
    if isinstance(value, list | tuple) and value:
        return _of_list(choice, value)
    return _for_example(choice)


def _of_keys(choice: Choice, value: Mapping[str, Any]) -> str:
    known = choice.names
    named = [key for key in value if key in known]
    others = {key: item for key, item in value.items() if key not in (*named, "name")}
    if not named:
        owner = _owner(choice, others)
        return _write(choice, owner, others, "Say its name, for example") if owner else _for_example(choice)
    own = value[named[0]] or {}
    if len(named) == 1 < len(value) and isinstance(own, Mapping):
        return _write(choice, named[0], {**own, **others})
    if _HEADS[choice.kind] == "- ":
        return entries(value, _noun(choice))
    return _one_of(choice, {name: value[name] for name in named})


def _one_of(choice: Choice, parts: Mapping[str, Any]) -> str:
    return f"Only one can stand here; {', or '.join(_write(choice, *part, 'write') for part in parts.items())}"


def _noun(choice: Choice) -> str:
    return "step" if choice.kind in (Kind.PREPROCESSING, Kind.POSTPROCESSING) else "entry"


def _of_list(choice: Choice, value: Sequence[Any]) -> str:
    name, *rest = value
    together = joined(value)
    if together is None and rest and all(_is_known(choice, each) for each in value):
        together = dict.fromkeys(value)
    if together is not None:
        return entries(together, _noun(choice)) if _HEADS[choice.kind] == "- " else _single(choice, together)
    if name in choice.names and len(rest) < 2:
        return _write(choice, name, rest[0] if rest else {})
    return _for_example(choice)


def _single(choice: Choice, together: Mapping[str, Any]) -> str:
    """Entries of a list where one part stands: names of several parts, or one part in pieces."""
    is_choice = len(together) > 1 and all(_is_known(choice, each) for each in together)
    return _one_of(choice, together) if is_choice else without_dashes(_HEADS[choice.kind], together)


def _is_known(choice: Choice, name: Any) -> bool:
    return isinstance(name, str) and name in choice.names


def _for_example(choice: Choice) -> str:
    return _write(choice, choice.names[0], {}, "Write for example")


def _owner(choice: Choice, parameters: Mapping[str, Any]) -> str:
    """The first part of a kind that has all of these parameters; empty where none has."""
    return next((part.name for part in choice.parts if parameters.keys() <= part.parameters.model_fields.keys()), "")


def _write(choice: Choice, name: str, parameters: Any, words: str = "Write") -> str:
    return f"{words} `{_HEADS[choice.kind]}{_spelt(choice, name, parameters)}`"


def _spelt(choice: Choice, name: str, parameters: Any) -> str:
    """A part as a study spells it: in a list by its name, or else with the name among the parameters."""
    if parameters is None or parameters == {}:
        return name
    if _HEADS[choice.kind] == "- ":
        return f"{name}: {flow(parameters)}"
    return flow({"name": name, **parameters}) if isinstance(parameters, Mapping) else flow({name: parameters})
