"""Whether a value is of the type that an annotation states, however deep: for answers of code that nobody here checks."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import is_dataclass
from enum import Enum
from functools import cache
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

_LONGEST = 60
_PLAIN = (str, int, float, bool, NoneType)


def misfit(value: object, hint: Any) -> str:
    """What within a value is not as its annotation states, in words; empty where all of it is.

    Whole numbers and fractions may be of numpy, and must be finite; true is no number. Whatever can be iterated over is
    an iterator, whose items are looked at: hand over a tuple. Of a dataclass every field is looked at, and of pydantic's
    `Field` the bounds.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any or isinstance(hint, TypeVar):
        return ""
    if origin is Annotated:
        return misfit(value, arguments[0]) or _beyond(value, hint)
    if origin is ClassVar:
        return misfit(value, arguments[0])
    if origin in (Union, UnionType):
        found = [misfit(value, each) for each in arguments]
        return found[0] if all(found) else ""
    if origin is Literal:
        return "" if any(value == each for each in arguments) else shown(value)
    if origin is not None:
        return _of_several(value, origin, arguments)
    return _of_one(value, NoneType if hint is None else hint)


def _of_several(value: object, origin: Any, arguments: tuple[Any, ...]) -> str:
    """Of a container."""
    kind = Iterable if issubclass(origin, Iterable) and not issubclass(origin, Collection) else origin
    if not isinstance(value, kind) or isinstance(value, str):
        return shown(value)
    if isinstance(value, Mapping):
        pairs = ((item, hint) for pair in value.items() for item, hint in zip(pair, arguments, strict=False))
        return _first_misfit(pairs)
    if isinstance(value, tuple) and origin is tuple and arguments[1:] != (...,):
        if len(value) != len(arguments):
            return f"a tuple of {len(value)}"
        return _first_misfit(zip(value, arguments, strict=True))
    return _first_misfit((item, arguments[0]) for item in value) if isinstance(value, Iterable) and arguments else ""


def _first_misfit(pairs: Iterable[tuple[object, Any]]) -> str:
    return next(filter(None, (misfit(value, hint) for value, hint in pairs)), "")


def _of_one(value: object, hint: Any) -> str:
    if hint in (int, float):
        is_number = isinstance(value, Integral if hint is int else Real) and not isinstance(value, bool)
        return "" if is_number and math.isfinite(value) else shown(value)  # type: ignore[arg-type]
    if isinstance(hint, type) and issubclass(hint, Enum):
        return "" if any(value == each for each in hint) else shown(value)
    if not isinstance(hint, type) or getattr(hint, "_is_protocol", False):
        return ""
    if not isinstance(value, hint):
        return shown(value)
    if is_dataclass(hint):
        found = ((name, misfit(getattr(value, name), field)) for name, field in _fields(hint).items())
        return next((f"{wrong} as the `{name}` of a {hint.__name__}" for name, wrong in found if wrong), "")
    return ""


@cache
def _fields(kind: type) -> Mapping[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {name: hints[name] for name in kind.__dataclass_fields__}  # type: ignore[attr-defined]


def _beyond(value: object, hint: Any) -> str:
    bounds = Annotated[(Any, *hint.__metadata__)]  # type: ignore[misc]
    try:
        TypeAdapter(bounds).validate_python(value)
    except ValidationError as error:
        said = error.errors()[0]["msg"].partition(" after validation")[0]
        return f"{shown(value)} ({said[:1].lower()}{said[1:]})"
    return ""


def shown(value: object) -> str:
    """A value of unknown type in a few words: itself where it is a short text or a number."""
    if type(value) in _PLAIN:
        text = repr(value)
        return text if len(text) <= _LONGEST else text[:_LONGEST] + " ..."
    if isinstance(value, type):
        return f"the class {value.__name__}"
    return f"an empty {type(value).__name__}" if value == () or value == [] else f"a {type(value).__name__}"
