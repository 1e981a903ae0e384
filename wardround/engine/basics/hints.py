"""Whether a value is of the type that an annotation states, however deep: for answers of code that is not ours."""

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
    an iterator, whose items are looked at: hand over a tuple. Of a dataclass every field is looked at, and the bounds
    of pydantic's `Field` are.
    """
    if hint is Any or isinstance(hint, TypeVar):
        return ""
    origin = get_origin(hint)
    return (
        _of_one(value, NoneType if hint is None else hint)
        if origin is None
        else _OF.get(origin, _of_items)(value, hint)
    )


def _of_bounded(value: object, hint: Any) -> str:
    """Of `Annotated`."""
    return misfit(value, get_args(hint)[0]) or _beyond(value, hint)


def _of_class(value: object, hint: Any) -> str:
    """Of `ClassVar`."""
    return misfit(value, get_args(hint)[0])


def _of_any(value: object, hint: Any) -> str:
    """Of a union; what is told is why it is not the first of it."""
    found = [misfit(value, each) for each in get_args(hint)]
    return found[0] if all(found) else ""


def _of_values(value: object, hint: Any) -> str:
    """Of `Literal`."""
    return "" if any(value == each for each in get_args(hint)) else shown(value)


def _of_tuple(value: object, hint: Any) -> str:
    arguments = get_args(hint)
    if not isinstance(value, tuple) or arguments[1:] == (...,):
        return _of_items(value, hint)
    if len(value) != len(arguments):
        return f"a tuple of {len(value)}"
    return _first_misfit(zip(value, arguments, strict=True))


def _of_items(value: object, hint: Any) -> str:
    """Of a container of like items, or of an iterator."""
    origin, arguments = get_origin(hint), get_args(hint)
    kind = origin if issubclass(origin, Collection) else Iterable
    if not isinstance(value, kind) or isinstance(value, str):
        return shown(value)
    if isinstance(value, Mapping):
        return _first_misfit(pair for item in value.items() for pair in zip(item, arguments, strict=True))
    return _first_misfit((item, arguments[0]) for item in value)


_OF = {
    Annotated: _of_bounded,
    ClassVar: _of_class,
    Union: _of_any,
    UnionType: _of_any,
    Literal: _of_values,
    tuple: _of_tuple,
}


def _first_misfit(pairs: Iterable[tuple[object, Any]]) -> str:
    return next(filter(None, (misfit(value, hint) for value, hint in pairs)), "")


def _of_one(value: object, hint: Any) -> str:
    """Of a class."""
    if not isinstance(hint, type) or getattr(hint, "_is_protocol", False):
        return ""
    if hint in (int, float):
        return "" if _is_number(value, whole=hint is int) else shown(value)
    if issubclass(hint, Enum):
        return "" if any(value == each for each in hint) else shown(value)
    if not isinstance(value, hint):
        return shown(value)
    return _of_fields(value, hint) if is_dataclass(hint) else ""


def _is_number(value: object, *, whole: bool) -> bool:
    return isinstance(value, Integral if whole else Real) and not isinstance(value, bool) and math.isfinite(value)


def _of_fields(value: object, kind: type) -> str:
    """Of a dataclass."""
    found = ((name, misfit(getattr(value, name), field)) for name, field in _fields(kind).items())
    return next((f"{wrong} as the `{name}` of a {kind.__name__}" for name, wrong in found if wrong), "")


@cache
def _fields(kind: type) -> Mapping[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {name: hints[name] for name in kind.__dataclass_fields__}  # type: ignore[attr-defined]


def _beyond(value: object, hint: Any) -> str:
    bounds = Annotated[(Any, *hint.__metadata__)]
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
