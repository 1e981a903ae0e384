"""YAML 1.2 documents into typed models: every problem at once, with its line and the closest known key."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from wardround.engine.basics.problems import Findings, InputError, Problem, did_you_mean

Location = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """A parsed file: plain values and the line, counted from 1, of every key and item."""

    path: Path
    content: JsonValue
    lines: Mapping[Location, int]

    def place(self, location: Location) -> str:
        """`study.yaml:12, training.epochs` for a location; falls back to the nearest enclosing key."""
        key = ".".join(str(part) for part in location)
        known = next((location[:n] for n in range(len(location), 0, -1) if location[:n] in self.lines), None)
        line = f":{self.lines[known]}" if known is not None else ""
        return f"{self.path.name}{line}" + (f", {key}" if key else "")


def read_document(path: Path) -> Document:
    """Parse a YAML 1.2 file. Raises `InputError` for what cannot be read, is not YAML, or names a key twice."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.one("the file cannot be read", where=str(path), got=_reason(error)) from None
    return parse_document(text, path)


def parse_document(text: str, path: Path) -> Document:
    """Parse YAML 1.2 text that came from `path` (used for messages only)."""
    try:
        root = YAML(typ="rt").load(text)
    except DuplicateKeyError as error:
        raise InputError.one(
            "a key stands twice", where=_mark(path, error), got=_headline(error), remedy="Remove one of the two"
        ) from None
    except MarkedYAMLError as error:
        raise InputError.one("this is not YAML", where=_mark(path, error), got=_headline(error)) from None
    except YAMLError as error:
        raise InputError.one("this is not YAML", where=path.name, got=str(error)) from None
    lines: dict[Location, int] = {}
    content = _plain(root, (), lines)
    if not isinstance(content, dict):
        raise InputError.one(
            "the file is not a list of `key: value` lines", where=path.name, got=type(content).__name__
        )
    return Document(path, content, lines)


def validate_document(model: type[Model], document: Document) -> Model:
    """The document as `model`; raises `InputError` with every problem, its line, and a suggestion for unknown keys."""
    try:
        return model.model_validate(document.content)
    except ValidationError as error:
        findings = Findings()
        findings.extend(_problem(detail, model, document) for detail in error.errors())
        findings.raise_if_any()
        raise


def _problem(detail: ErrorDetails, model: type[BaseModel], document: Document) -> Problem:
    where = document.place(detail["loc"])
    if detail["type"] == "extra_forbidden":
        known = _known_keys(detail, model)
        return Problem(f"unknown key {detail['loc'][-1]!r}", where, remedy=did_you_mean(str(detail["loc"][-1]), known))
    if detail["type"] == "missing":
        return Problem("a required key is missing", where)
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    expected = message if message != detail["msg"] and not detail["msg"].startswith("Value error") else ""
    got = "" if isinstance(detail["input"], dict | BaseModel) else repr(detail["input"])
    return Problem("this value cannot be used" if expected else message, where, got=got, expected=expected)


def _known_keys(detail: ErrorDetails, model: type[BaseModel]) -> tuple[str, ...]:
    stated = detail.get("ctx", {}).get("known")
    if stated:
        return tuple(stated)
    reached: Any = model
    for step in detail["loc"][:-1]:
        reached = _step_into(reached, step)
    return tuple(_aliases(reached)) if reached is not None else ()


def _step_into(reached: Any, step: str | int) -> Any:
    if not (isinstance(reached, type) and issubclass(reached, BaseModel)) or not isinstance(step, str):
        return reached
    field = _aliases(reached).get(step)
    return None if field is None else _model_within(field)


def _aliases(model: Any) -> dict[str, Any]:
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return {}
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _model_within(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (_model_within(argument) for argument in typing.get_args(annotation))
    return next((found for found in inner if found is not None), None)


def _plain(node: Any, location: Location, lines: dict[Location, int]) -> JsonValue:
    if isinstance(node, CommentedMap):
        return {_key(key): _child(node, key, (*location, _key(key)), lines) for key in node}
    if isinstance(node, CommentedSeq):
        return [_child(node, index, (*location, index), lines) for index in range(len(node))]
    return _scalar(node)


def _child(parent: Any, key: Any, location: Location, lines: dict[Location, int]) -> JsonValue:
    marks = parent.lc.data or {}
    if key in marks:
        lines[location] = marks[key][0] + 1
    return _plain(parent[key], location, lines)


def _key(key: Any) -> str:
    return str(_scalar(key))


def _scalar(node: Any) -> JsonValue:
    if node is None or isinstance(node, types.NoneType):
        return None
    if isinstance(node, bool):
        return node
    if isinstance(node, int):
        return int(node)
    if isinstance(node, float):
        return float(node) if math.isfinite(node) else str(node)
    return str(node)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "bytes that are not UTF-8 text"


def _mark(path: Path, error: MarkedYAMLError) -> str:
    mark = error.problem_mark
    return f"{path.name}:{mark.line + 1}" if mark is not None else path.name


def _headline(error: MarkedYAMLError) -> str:
    return str(error.problem or error.context or "").split("\n")[0]
