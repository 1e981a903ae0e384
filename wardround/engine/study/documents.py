"""YAML 1.2 documents into typed models: every problem at once, with its line and the closest known key."""

from __future__ import annotations

import codecs
import math
import re
import types
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

from pydantic import BaseModel, JsonValue, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import YAMLError

from wardround.engine.basics.keeping import Kept, check_kept
from wardround.engine.basics.knownfiles import KnownFile, known_file
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.basics.reading import key_kind, kind_of, read_named
from wardround.engine.study.commas import mended
from wardround.engine.study.copied import as_meant, is_of_tabs, without_tabs
from wardround.engine.study.decimals import untold, with_decimals
from wardround.engine.study.expectations import Location
from wardround.engine.study.located_problems import Flaw, as_tuples, flaws_of, written
from wardround.engine.study.offers import with_entries_together, with_sound_offers
from wardround.engine.study.shapes import DASHES
from wardround.engine.study.strays import Written, with_strays
from wardround.engine.study.syntax import repeated_keys, syntax_problem, table_problem

Model = TypeVar("Model", bound=BaseModel)
_FORM = "lines of the form `key: value`"
_MOST_BYTES = 16 * 2**20
_FOREIGN_KEYS = 3
_SCHEMA = "schema"


@dataclass(frozen=True)
class Document:
    """A parsed file: plain values and the line, counted from 1, of every key and item; 0 where there are no lines.

    text: what the file holds; empty for values that did not come from YAML. halved: what is read as one text although
    YAML parts it at its comma, by its place.
    copied: signs of a mail or a word processor that the file has and YAML has not; the content is what was meant.
    """

    path: Path
    content: JsonValue
    lines: Mapping[Location, int]
    text: str = ""
    halved: Mapping[Location, str] = field(default_factory=dict)
    copied: tuple[Problem, ...] = ()

    @classmethod
    def of_values(cls, path: Path, content: JsonValue) -> Document:
        """A document without lines, for values that did not come from YAML."""
        return cls(path, content, dict.fromkeys(_locations(content, ()), 0))

    def line(self, location: Location) -> int:
        """The line of the key or item, or of the nearest one around it; 0 for the document as a whole."""
        return next((self.lines[location[:n]] for n in range(len(location), 0, -1) if location[:n] in self.lines), 0)

    def is_bracketed(self, location: Location) -> bool:
        """Whether the value of a key begins with a square bracket in the key's own line."""
        lines, line = self.text.splitlines(), self.line(location)
        key = re.escape(str(location[-1])) if location else ""
        return 0 < line <= len(lines) and re.search(rf"\b{key}['\"]?\s*:\s*\[", lines[line - 1]) is not None

    def place(self, location: Location) -> str:
        """`study.yaml:12, training.epochs` for a location."""
        line = self.line(location)
        head = f"{self.path.name}:{line}" if line else self.path.name
        key = ".".join(str(step) for step in self.keys(location))
        return f"{head}, {key}" if key else head

    def keys(self, location: Location) -> Location:
        """The location without pydantic's names of alternatives, which are no keys of the document."""
        found: Location = ()
        for number, step in enumerate(location, start=1):
            is_absent_key = number == len(location) and "[" not in str(step)
            if (*found, step) in self.lines or is_absent_key:
                found = (*found, step)
        return found


def read_document(path: Path, noun: str = "YAML file") -> Document:
    """Parse a YAML 1.2 file; `noun` is what people call it.

    Raises `InputError` for what cannot be read, is not YAML, or names a key twice.
    """
    content = read_named(path, noun, _MOST_BYTES + 1)
    if kind := kind_of(content) or _secret(content) or ("a file of megabytes" if len(content) > _MOST_BYTES else ""):
        remedy = f"Name the {noun} itself, and check the order of the arguments"
        raise InputError.one(f"this is no {noun}", where=str(path), got=kind, expected=_FORM, remedy=remedy)
    return parse_document(_decoded(content, path), path)


def _secret(content: bytes) -> str:
    """What key or certificate a file is, whose text is not shown; what has one amid its lines is none."""
    return key_kind(content) if content.lstrip().startswith((b"-----", b"ssh-", b"ecdsa-", b"sk-", b"PuTTY-")) else ""


def _decoded(content: bytes, path: Path) -> str:
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return content.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError.one(
            "these bytes are not UTF-8 text",
            where=f"{path.name}:{content[: error.start].count(bytes([10])) + 1}",
            got=f"the byte {content[error.start]:#04x}",
            expected="UTF-8",
            remedy="Save the file as UTF-8; an editor has that under `Save as`",
        ) from None


def parse_document(text: str, path: Path) -> Document:
    """Parse YAML 1.2 text that came from `path` (used for messages only).

    What was copied into it along with the text is told when the document is validated, with all else that is wrong.
    """
    copied = as_meant(text.removeprefix("\ufeff"), path)
    try:
        return replace(_parsed(copied.text, path), copied=copied.problems)
    except InputError as error:
        if not is_of_tabs(error.problems):
            elsewhere = [problem for problem in error.problems if not copied.tells_of(problem)]
            raise InputError([*copied.problems, *elsewhere]) from None
    tabs = without_tabs(copied.text, path)
    told = (*copied.problems, *tabs.problems)
    try:
        return replace(_parsed(tabs.text, path), copied=told)
    except InputError:  # two blanks for a tab need not be what was meant
        raise InputError(told) from None


def _parsed(text: str, path: Path) -> Document:
    lines: dict[Location, int] = {}
    whole, halved = mended(text)
    try:
        content = _plain(YAML(typ="rt").load(whole), (), lines)
    except RecursionError:
        remedy = "Write lists and sections as the documentation shows them"
        what, got = "the file is nested too deeply", "thousands of brackets"
        raise InputError.one(what, where=path.name, got=got, expected=_FORM, remedy=remedy) from None
    except DuplicateKeyError as error:
        raise InputError(repeated_keys(whole, path) or [syntax_problem(text, path, error)]) from None
    except (YAMLError, ValueError) as error:
        raise InputError([syntax_problem(text, path, error)]) from None
    if isinstance(content, dict):
        return Document(path, content, lines, whole, halved)
    raise InputError([table_problem(text, path) or _without_keys(content, path)])


def _without_keys(content: JsonValue, path: Path) -> Problem:
    if content is None:
        remedy = "Write it, or name another file; the documentation has one to begin with"
        return Problem("the file is empty", path.name, "nothing but blanks and comments", _FORM, remedy)
    got = "a list" if isinstance(content, list) else written(content)
    remedy = "Begin each line with a key and a colon" + ("; take out the `-` at its start" if got == "a list" else "")
    return Problem("the file has no keys", path.name, got, _FORM, remedy)


def validate_document(model: type[Model], document: Document, *, strict: bool | None = None) -> Model:
    """The document as `model`; raises `InputError` with every problem, its line, and a suggestion for unknown names.

    With `strict` a number in quotation marks is no number, and `true` is no 1; None leaves it to the model. Checks
    across sections cannot run while a key is unknown, so the document is looked at again with such keys in their place.
    """
    try:
        found = model.model_validate(as_tuples(document.content), strict=strict)
    except ValidationError as error:
        flaws = _with_commas(flaws_of(error, model), document, model, strict)
    else:
        flaws = untold(document.halved, ())
        if not (flaws or document.copied):
            return found
    flaws_in = partial(_flaws_in, model=model, strict=strict)
    written_so = Written(model, document.content, document.keys, document.line, flaws_in)
    flaws = with_entries_together(with_sound_offers(with_strays(flaws, written_so), written_so), written_so)
    in_order = sorted(flaws, key=lambda flaw: document.line(flaw.location))
    raise InputError([*document.copied, *(_problem(flaw, document) for flaw in in_order)])


def usable_part(
    model: type[Model], document: Document, instead: Mapping[str, JsonValue]
) -> tuple[Model, frozenset[str]]:
    """What can be used of a document that has wrong values, so that the rest is checked in the same pass.

    Keys with something wrong in them have their defaults, or stand as in `instead`; they are named beside the result.
    """
    content = document.content if isinstance(document.content, dict) else {}
    try:
        return model.model_validate(as_tuples(content)), frozenset()
    except ValidationError as error:
        wrong = {flaw.location for flaw in flaws_of(error, model)}
    faulty = frozenset(str(location[0]) for location in wrong if location)
    sound = {**instead, **{key: item for key, item in content.items() if key not in faulty}}
    within = {key: item for key, item in _kept(content, wrong).items() if key in faulty}
    try:
        return model.model_validate(as_tuples({**sound, **within})), faulty
    except ValidationError:
        return model.model_validate(as_tuples(sound)), faulty


def _kept(content: dict[str, JsonValue], wrong: set[Location]) -> dict[str, JsonValue]:
    kept = _pruned(content, (), wrong)
    return kept if isinstance(kept, dict) else {}


def require_kind(model: type[BaseModel], document: Document, noun: str) -> None:
    """Raise `InputError` for a document that is another file: one that is known as such, or most of whose keys `model`
    does not know."""
    content = document.content if isinstance(document.content, dict) else {}
    keys, known = _Keys.of(model, content), known_file(content)
    if known is not None and known.noun != noun and keys.are_anothers:
        raise InputError([_another_file(known, noun, document, keys.lacking)])
    if len(keys.foreign) >= _FOREIGN_KEYS and keys.are_mostly_foreign and keys.lacking:
        raise InputError.one(
            f"this is no {noun}",
            where=document.path.name,
            got=f"a file with the keys {', '.join(keys.foreign[:_FOREIGN_KEYS])}",
            expected=f"a file with the keys {', '.join(keys.lacking[:_FOREIGN_KEYS])}",
            remedy=f"Name the {noun} itself, and check the order of the arguments and the folder",
        )


@dataclass(frozen=True)
class _Keys:
    """The keys at the top of a file beside those of a model: all, those it does not know, and those it must have."""

    given: Collection[str]
    foreign: Sequence[str]
    required: Sequence[str]

    @classmethod
    def of(cls, model: type[BaseModel], given: Collection[str]) -> Self:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        required = [key for key, field in fields.items() if field.is_required() and key != _SCHEMA]
        return cls(given, [key for key in given if key not in fields], required)

    @property
    def lacking(self) -> list[str]:
        return [key for key in self.required if key not in self.given]

    @property
    def are_mostly_foreign(self) -> bool:
        return 2 * len(self.foreign) > len(self.given)

    @property
    def are_anothers(self) -> bool:
        """Whether a file that looks like another one is not this one with a few keys astray."""
        return 2 * len(self.lacking) > len(self.required) if self.required else self.are_mostly_foreign


def _another_file(known: KnownFile, noun: str, document: Document, lacking: Sequence[str]) -> Problem:
    return Problem(
        f"this is {known.called}, not a {noun}",
        document.path.name,
        known.called,
        f"a file with the keys {', '.join(lacking[:_FOREIGN_KEYS])}" if lacking else f"a {noun}",
        f"Name the {noun} here, and check the folder; {known.taken}",
    )


def load_settings_file(model: type[Model], path: Path, noun: str) -> Model:
    """A settings file as `model`. Raises `InputError` with every problem, also if others than its owner may change it.

    `noun` is what people call the file.
    """
    document, findings = read_document(path, noun), Findings()
    require_kind(model, document, noun)
    check_kept(path, Kept.SETTINGS, noun, findings)
    with findings.gather():
        found = validate_document(model, document)
    findings.raise_if_any()
    return found


def place_of_key(path: Path, noun: str, key: str) -> str:
    """`policy.yaml:11, tasks`: where a key of a settings file stands, which need not be there."""
    try:
        return read_document(path, noun).place((key,))
    except InputError:  # it is no YAML, or has been changed since it was read; its key is the same
        line = _line_that_begins(path, f"{key}:")
        return f"{path.name}:{line}, {key}" if line else f"{path.name}, {key}"


def _line_that_begins(path: Path, words: str) -> int:
    """The first line of a file that begins so, counted from 1; 0 for none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 0
    return next((number for number, line in enumerate(lines, start=1) if line.startswith(words)), 0)


def _with_commas(flaws: list[Flaw], document: Document, model: type[BaseModel], strict: bool | None) -> list[Flaw]:
    """The flaws, and what decimal commas within brackets have to do with them."""
    flaws = with_decimals(flaws, document.text, document.content, partial(_flaws_in, model=model, strict=strict))
    return flaws + untold(document.halved, flaws)


def _flaws_in(content: JsonValue, model: type[BaseModel], strict: bool | None) -> list[Flaw]:
    try:
        model.model_validate(as_tuples(content), strict=strict)
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
    remedy = flaw.way_out
    if remedy.startswith(DASHES) and document.is_bracketed(flaw.location):
        remedy = f"Write braces in the place of the square brackets{remedy.removeprefix(DASHES)}"
    return Problem(flaw.what, document.place(flaw.location), flaw.got, flaw.expected, remedy)


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
