"""No message, invitation, roster, plan or record has room for text that its sender may choose freely."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

import wardround
from tests.support.hostile import HOSTILE
from wardround.engine.basics.closed import every_closed_model
from wardround.federation.protocol import WireModel

for _module in pkgutil.walk_packages(wardround.__path__, "wardround."):
    if ".flower." not in _module.name and not _module.name.endswith("__main__"):
        importlib.import_module(_module.name)

MODELS = sorted(set(every_closed_model(WireModel)), key=lambda model: f"{model.__module__}.{model.__qualname__}")
_BOUNDS = {"pattern", "const", "enum", "format"}


def _strings(schema: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every place of a JSON schema that takes a text, keys of mappings included."""
    if isinstance(schema, list):
        for number, item in enumerate(schema):
            yield from _strings(item, f"{place}/{number}")
    if not isinstance(schema, dict):
        return
    if schema.get("type") == "string":
        yield place, schema
    if isinstance(schema.get("additionalProperties"), dict | bool) and schema.get("additionalProperties") is not False:
        yield f"{place}/(keys)", schema.get("propertyNames", {})
    for key, item in schema.items():
        if isinstance(item, dict | list) and key not in ("examples", "default", "enum"):
            yield from _strings(item, f"{place}/{key}")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__qualname__)
def test_every_string_is_bounded(model: type[WireModel]) -> None:
    for place, schema in _strings(model.model_json_schema(mode="validation"), model.__qualname__):
        assert _BOUNDS & set(schema), f"{place} is a free text: give it a pattern, an enum or a Literal"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__qualname__)
def test_no_pattern_lets_a_hostile_character_through(model: type[WireModel]) -> None:
    for place, schema in _strings(model.model_json_schema(mode="validation"), model.__qualname__):
        if "pattern" not in schema or place.endswith("ca_pem"):
            continue
        text: TypeAdapter[str] = TypeAdapter(_constrained(schema["pattern"]))
        for character in HOSTILE:
            if character in "\u115f\u3164\ufe0f\U000e0100":
                continue  # letters and marks to Unicode: in words of our own only, and shown as escapes
            for attempt in (character, f"a{character}", f"{character}a", f"1{character}1", f"{{{character}}}"):
                with pytest.raises(ValidationError):
                    text.validate_python(attempt)


def _constrained(pattern: str) -> Any:
    from typing import Annotated

    from pydantic import Field

    return Annotated[str, Field(pattern=pattern)]


def test_the_walk_sees_what_there_is() -> None:
    names = {model.__name__ for model in MODELS}
    assert {"Invitation", "Plan", "Task", "Ready", "Done", "Roster", "EnrolmentRequest", "RoundResult"} <= names

    class Free(WireModel):
        text: str
        named: dict[str, int]

    free = [place for place, schema in _strings(Free.model_json_schema(), "Free") if not _BOUNDS & set(schema)]
    assert len(free) == 2
