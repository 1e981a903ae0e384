"""Typed models that outlive a release: closed to unknown keys, and able to take on a key without changing old digests.

A key that joins a schema after that schema was released carries the mark `Added`:

    test_time_scale: Annotated[bool, Added("0.2.0")] = False

While it has its default it is left out of every written form, so that digests, bodies and files stay, byte for byte,
what the earlier release wrote; and an earlier release reads what a later one writes, as long as nothing new is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

UNFIT = "unfit"
"""The type of an error whose context holds all that a person is told of it."""


@dataclass(frozen=True)
class Added:
    """Marks a key that was added in `release`, after its schema had been released. It must have a default."""

    release: str


class Closed(BaseModel):
    """Base of everything that is hashed, sent or kept: frozen, no unknown keys, added keys left out while default."""

    # Most processes use a few of some three hundred models: the validator of each is built when first it is needed.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @model_serializer(mode="wrap")
    def _without_unused_keys(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = handler(self)
        for unused in _unused(type(self)):
            if unused.fits(getattr(self, unused.name)):
                # The key stands under its alias only where the caller asked for aliases.
                written.pop(unused.name, None)
                written.pop(unused.alias, None)
        return written


class Section(Closed):
    """Base of the sections of files that people write: finite numbers, keys by their names in the file or in Python."""

    model_config = ConfigDict(allow_inf_nan=False, populate_by_name=True)


@dataclass(frozen=True)
class _Unused:
    """An added key as it is while nobody uses it. Only ever compared, so that one default serves all instances."""

    name: str
    alias: str
    default: object
    text: str

    def fits(self, value: object) -> bool:
        """Whether a value is the default, and not only equal to it as `True` is to 1, or 0.0 to -0.0."""
        return value is self.default or (value == self.default and repr(value) == self.text)


@cache  # every message is signed, hashed and written in this form, and a class does not change once it is made
def _unused(model: type[BaseModel]) -> tuple[_Unused, ...]:
    defaults = (
        (name, field.serialization_alias or name, field.get_default(call_default_factory=True, validated_data={}))
        for name, field in added_fields(model)
    )
    return tuple(_Unused(name, alias, default, repr(default)) for name, alias, default in defaults)


def unfit(what: str, *, got: str, expected: str, remedy: str) -> PydanticCustomError:
    """The error for a model's own validator to raise: what is wrong, what was found, what is right, what to do."""
    return PydanticCustomError(UNFIT, "{what}", {"what": what, "got": got, "expected": expected, "remedy": remedy})


def added_fields(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """The keys of a model that joined it after its first release."""
    for name, field in model.model_fields.items():
        if any(isinstance(mark, Added) for mark in field.metadata):
            yield name, field


def every_closed_model(root: type[Closed] = Closed) -> Iterator[type[Closed]]:
    """All models of the modules that are imported, for tests that look at every schema."""
    for model in root.__subclasses__():
        yield model
        yield from every_closed_model(model)
