"""What the object of an installed package answers, held against what the classes that it derives from state."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from inspect import isfunction
from typing import Any, ClassVar, TypeVar, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel

from wardround.engine.basics.blame import BreachError, Owner, answering
from wardround.engine.basics.hints import misfit

_Object = TypeVar("_Object")
_OURS = __name__.partition(".")[0]


def answers_of(found: _Object, owner: Owner, *protocols: type) -> _Object:
    """The object itself where it is Wardround's own; else one that answers as it does, within `answering`.

    What Wardround's classes among its bases, or the protocols, state of a method or an attribute holds of what it
    gives; otherwise an `InputError` names the package. Methods that give iterators are run to their end.
    """
    return cast(_Object, _Answers(found, owner, protocols)) if owner.package else found


def require_attributes(found: Any, owner: Owner) -> None:
    """Ask for every attribute and property whose type is stated. Raises `InputError` as `answers_of` says."""
    answers = answers_of(found, owner)
    for name, stated in _stated(cast(Hashable, type(found)), ()).items():
        if not stated.is_method:
            getattr(answers, name)


class _Answers:
    """Stands before an object; `isinstance` sees the object's class."""

    def __init__(self, found: Any, owner: Owner, protocols: tuple[type, ...]) -> None:
        self._found, self._owner, self._protocols = found, owner, protocols

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return type(self._found)

    def __getattr__(self, name: str) -> Any:
        stated = _stated(cast(Hashable, type(self._found)), self._protocols).get(name)
        if stated is not None and stated.is_method:
            return partial(self._ask, name, stated)
        with answering(self._owner):
            value = getattr(self._found, name)
            return value if stated is None else _held(value, name, stated)

    def _ask(self, name: str, stated: _Stated, *arguments: Any, **named: Any) -> Any:
        with answering(self._owner):
            return _held(getattr(self._found, name)(*arguments, **named), name, stated)


def _held(value: Any, name: str, stated: _Stated) -> Any:
    """What an object gave, run to its end. Raises `BreachError` where it is not as stated."""
    given = tuple(value) if stated.is_lazy and isinstance(value, Iterable) else value
    wrong = misfit(given, stated.hint)
    if wrong:
        raise BreachError(f"{wrong} in its `{name}`", stated.words)
    return iter(given) if stated.is_lazy else given


@dataclass(frozen=True)
class _Stated:
    """What a class states of a member: the type of what it gives, as an annotation and as it is written there."""

    hint: Any
    words: str
    is_method: bool = False

    @property
    def is_lazy(self) -> bool:
        """Whether what it gives is made while it is iterated over."""
        origin = get_origin(self.hint)
        return isinstance(origin, type) and issubclass(origin, Iterable) and not issubclass(origin, Collection)


@cache
def _stated(kind: type, protocols: tuple[type, ...]) -> Mapping[str, _Stated]:
    """By name what is stated of the members of a class; the class that is nearest to it counts."""
    found: dict[str, _Stated] = {}
    for base in (*protocols, *reversed(kind.__mro__)):
        if base.__module__.partition(".")[0] == _OURS:
            found |= _attributes(base) | _members(base)
    return found


def _attributes(base: type) -> dict[str, _Stated]:
    """Of a class's annotations; pydantic has looked at the fields of its models."""
    if issubclass(base, BaseModel):
        return {}
    plain = {name: get_args(hint)[0] if get_origin(hint) is ClassVar else hint for name, hint in _hints(base).items()}
    return {name: _Stated(hint, getattr(hint, "__name__", str(hint))) for name, hint in plain.items()}


def _members(base: type) -> dict[str, _Stated]:
    """Of a class's methods and properties."""
    found = {}
    for name, member in vars(base).items():
        function = member.fget if isinstance(member, property) else member
        if isfunction(function) and not name.startswith("_"):
            words = str(function.__annotations__.get("return", Any))
            found[name] = _Stated(_hints(function).get("return", Any), words, is_method=function is member)
    return found


def _hints(annotated: Any) -> dict[str, Any]:
    """Annotations as types; numpy, which some modules name in annotations alone, is imported here."""
    import numpy as np

    return get_type_hints(annotated, localns={"np": np}, include_extras=True)
