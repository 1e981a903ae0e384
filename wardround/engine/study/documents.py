"""YAML 1.2 documents into typed models: every problem at once, with its line and the closest known key."""

from __future__ import annotations

import math
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from wardround.engine.basics.keeping import Kept, check_kept
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.study.expectations import Location
from wardround.engine.study.flaws import UNKNOWN_KEY, Flaw, as_tuples, flaws_of, written

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """A parsed file: plain values and the line, counted from 1, of every key and item; 0 where there are no lines."""

    path: Path
    content: JsonValue
    lines: Mapping[Location, int]

    @classmethod
    def of_values(cls, path: Path, content: JsonValue) -> Document:
        """A document without lines, for values that did not come from YAML."""
        return cls(path, content, dict.fromkeys(_locations(content, ()), 0))

    def line(self, location: Location) -> int:
        """The line of the key or item, or of the nearest one around it; 0 for the document as a whole."""
        return next((self.lines[location[:n]] for n in range(len(location), 0, -1) if location[:n] in self.lines), 0)

    def place(self, location: Location) -> str:
        """`study.yaml:12, training.epochs` for a location."""
        line = self.line(location)
        head = f"{self.path.name}:{line}" if line else self.path.name
        key = ".".join(str(step) for step in self._keys(location))
        return f"{head}, {key}" if key else head

    def _keys(self, location: Location) -> Location:
        """The location without pydantic's names of alternatives, which are no keys of the document."""
        found: Location = ()
        for number, step in enumerate(location, start=1):
            is_absent_key = number == len(location) and "[" not in str(step)
            if (*found, step) in self.lines or is_absent_key:
                found = (*found, step)
        return found


def read_document(path: Path) -> Document:
    """Parse a YAML 1.2 file. Raises `InputError` for what cannot be read, is not YAML, or names a key twice."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.one("the file cannot be read", where=str(path), got=_reason(error)) from None
    return parse_document(text, path)


def parse_document(text: str, path: Path) -> Document:
    """Parse YAML 1.2 text that came from `path` (used for messages only)."""
    lines: dict[Location, int] = {}
    try:
        content = _plain(YAML(typ="rt").load(text), (), lines)
    except RecursionError:
        raise InputError.one("the file is nested too deeply", where=path.name) from None
    except DuplicateKeyError as error:
        raise InputError.one(
            "a key stands twice", where=_mark(path, error), got=_headline(error), remedy="Remove one of the two"
        ) from None
    except MarkedYAMLError as error:
        raise InputError.one("this is not YAML", where=_mark(path, error), got=_headline(error)) from None
    except YAMLError as error:
        raise InputError.one("this is not YAML", where=path.name, got=str(error)) from None
    if content is None:
        raise InputError.one("the file is empty", where=path.name, expected="lines of the form `key: value`")
    if not isinstance(content, dict):
        got = "a list" if isinstance(content, list) else written(content)
        expected = "lines of the form `key: value`"
        raise InputError.one("the file has no keys", where=path.name, got=got, expected=expected)
    return Document(path, content, lines)


def validate_document(model: type[Model], document: Document, *, strict: bool | None = None) -> Model:
    """The document as `model`; raises `InputError` with every problem, its line, and a suggestion for unknown names.

    With `strict` a number in quotation marks is no number, and `true` is no 1; None leaves it to the model. Checks
    across sections cannot run while a key is unknown, so the document is looked at again without such keys.
    """
    try:
        return model.model_validate(as_tuples(document.content), strict=strict)
    except ValidationError as error:
        flaws = flaws_of(error, model)
    if all(flaw.what.startswith(UNKNOWN_KEY) for flaw in flaws):
        flaws += _flaws_without(document, {flaw.location for flaw in flaws}, model, strict)
    raise InputError(_problem(flaw, document) for flaw in sorted(flaws, key=lambda flaw: document.line(flaw.location)))


def load_settings_file(model: type[Model], path: Path, noun: str) -> Model:
    """A settings file as `model`. Raises `InputError` with every problem, also if others than its owner may change it.

    `noun` is what people call the file.
    """
    document, findings = read_document(path), Findings()
    check_kept(path, Kept.SETTINGS, noun, findings)
    with findings.gather():
        found = validate_document(model, document)
    findings.raise_if_any()
    return found


def _flaws_without(
    document: Document, unknown: set[Location], model: type[BaseModel], strict: bool | None
) -> list[Flaw]:
    try:
        model.model_validate(as_tuples(_pruned(document.content, (), unknown)), strict=strict)
    except ValidationError as error:
        return flaws_of(error, model)
    return []


def _pruned(content: JsonValue, here: Location, unknown: set[Location]) -> JsonValue:
    if isinstance(content, dict):
        kept = {key: item for key, item in content.items() if (*here, key) not in unknown}
        return {key: _pruned(item, (*here, key), unknown) for key, item in kept.items()}
    if isinstance(content, list):
        return [_pruned(item, (*here, index), unknown) for index, item in enumerate(content)]
    return content


def _problem(flaw: Flaw, document: Document) -> Problem:
    return Problem(flaw.what, document.place(flaw.location), flaw.got, flaw.expected, flaw.way_out)


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


def _locations(content: JsonValue, here: Location) -> Iterator[Location]:
    items: Iterable[tuple[str | int, JsonValue]] = ()
    if isinstance(content, dict):
        items = content.items()
    elif isinstance(content, list):
        items = enumerate(content)
    for key, item in items:
        yield (*here, key)
        yield from _locations(item, (*here, key))


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
