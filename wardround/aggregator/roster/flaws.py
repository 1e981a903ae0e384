"""What is wrong with a roster file, as after a change by hand: every problem, with its line and what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from wardround.engine.basics.problems import InputError, Problem, did_you_mean
from wardround.engine.basics.reading import kind_of, remedy_for_missing
from wardround.engine.study.documents import Document, parse_document
from wardround.federation.identities import Member

_LOOKS = 'lines such as {"members": [{"name": "north", ...}]}'
_BACKUP = (
    "Restore roster.json from the backup. Without one, move it away, and enrol every site again: `aggregator enroll`"
)
_CURLED = re.compile("[\u201c\u201d\u201e\u201f\u2018\u2019\u00ab\u00bb]")
_EXPECTED = {
    "name": "1 to 32 small letters, digits and hyphens, as at its `site-client init`",
    "signing_key": "the 64 digits (0-9, a-f) that stand in its .pub",
    "transport_key": "the 98 digits (0-9, a-f) that stand in its .pub, unchanged",
}
_REMARK = ("no remarks, which this file cannot have", "Take the remark out")
_LENGTHS = {"signing_key": 64, "transport_key": 98}
_MOST_SHOWN = 60


def missing_roster(path: Path) -> InputError:
    """The error for a roster that is not there."""
    hint = remedy_for_missing(path)
    near = "" if hint.startswith("Looked for") else f"{hint}. "
    return InputError.one(
        f"{path.name} is missing",
        where=str(path),
        got="no file",
        expected="the list of the sites, which `aggregator init` began",
        remedy=f"{near}Restore it from the backup. Without one, enrol every site again with "
        "`aggregator enroll NAME NAME.pub`",
    )


def roster_problems(path: Path, content: bytes, error: ValidationError) -> list[Problem]:
    """All that is wrong with the content of a roster file."""
    if kind := kind_of(content) or ("" if content.strip() else "an empty file"):
        return [_no_roster(str(path), kind)]
    try:
        text = content.decode()
        values = json.loads(text)
    except UnicodeDecodeError:
        return [_no_roster(str(path), "bytes that are no text")]
    except RecursionError:
        return [_no_roster(str(path), "thousands of brackets")]
    except json.JSONDecodeError as slip:
        return [_syntax(path, slip)]
    lines = _Lines.of(path, text, values)
    found = [_value(detail, lines) for detail in error.errors(include_url=False) if not _is_of_all(detail)]
    return [*found, *_repeats(values, lines)] or [_no_roster(str(path), "another text")]


@dataclass(frozen=True)
class _Lines:
    """The values of a roster file, and where each stands."""

    path: Path
    document: Document

    @classmethod
    def of(cls, path: Path, text: str, values: Any) -> _Lines:
        """The lines of a JSON text, which is YAML as well; none where YAML sees it otherwise."""
        try:
            return cls(path, parse_document(text, path))
        except InputError:
            return cls(path, Document.of_values(path, values))

    def place(self, *location: int | str) -> str:
        """`roster.json:5, members.0.name` with the folder before it."""
        line = self.document.line(location)
        key = ".".join(map(str, location))
        return f"{self.path}:{line}, {key}" if line else f"{self.path}, {key}"

    def member(self, number: int | str) -> str:
        """What a site of the list is called in a sentence."""
        members = self.document.content.get("members") if isinstance(self.document.content, dict) else None
        member = members[number] if isinstance(members, list) and isinstance(number, int) else None
        name = member.get("name") if isinstance(member, dict) else None
        return name if isinstance(name, str) and name else f"site {number}"


def _is_of_all(detail: ErrorDetails) -> bool:
    """Whether it is about the sites together, which is told by name."""
    return detail["loc"] == ("members",) and detail["type"] == "value_error"


def _value(detail: ErrorDetails, lines: _Lines) -> Problem:
    location, kind = detail["loc"], detail["type"]
    if not location:
        return _no_roster(str(lines.path), "another text")
    where, key = lines.place(*location), str(location[-1])
    if kind == "extra_forbidden":
        known = list(Member.model_fields) if len(location) > 1 else ["members"]
        return Problem(f"unknown key {key!r}", where, f"`{key}`", f"{', '.join(known)}", did_you_mean(key, known))
    if key not in _EXPECTED:
        return _no_roster(where, "nothing" if kind == "missing" else "another value")
    site = lines.member(location[1])
    got = f"no {key}" if kind == "missing" else _shown(key, detail["input"])
    if key == "name":
        remedy = "Write the name that stands in the site's .pub file, or restore roster.json from the backup"
        return Problem("a site's name cannot be used", where, got, _EXPECTED[key], remedy)
    remedy = f"Copy `{key}` from {site}.pub, or restore roster.json from the backup"
    return Problem(f"the {key.replace('_', ' ')} of {site} cannot be used", where, got, _EXPECTED[key], remedy)


def _shown(key: str, value: Any) -> str:
    if not isinstance(value, str):
        return "no text"
    if key == "name":
        return repr(value[:_MOST_SHOWN])
    return f"{len(value)} characters" if len(value) != _LENGTHS[key] else f"{value[:8]}..., which is no such key"


def _repeats(values: Any, lines: _Lines) -> Iterator[Problem]:
    """Sites and keys that stand twice, and sites out of order: what only the list as a whole can show."""
    members = values.get("members") if isinstance(values, dict) else None
    members = [member if isinstance(member, dict) else {} for member in members] if isinstance(members, list) else []
    names = [member.get("name") for member in members]
    yield from _twice(names, lines)
    for key in ("signing_key", "transport_key"):
        yield from _shared([member.get(key) for member in members], key, lines)
    yield from _out_of_order(names, lines)


def _out_of_order(names: list[Any], lines: _Lines) -> Iterator[Problem]:
    texts = [name for name in names if isinstance(name, str)]
    if texts == names and len(set(texts)) == len(texts) and texts != sorted(texts):
        remedy = "Put them in this order; the plan that the sites accept depends on it"
        what = "the sites are not in the order of the alphabet"
        yield Problem(what, lines.place("members"), ", ".join(texts), ", ".join(sorted(texts)), remedy)


def _twice(names: list[Any], lines: _Lines) -> Iterator[Problem]:
    for number, name in enumerate(names):
        if isinstance(name, str) and name in names[:number]:
            remedy = "Take one of the two out. `aggregator enroll`, `replace` and `remove` make no such slips"
            what = "a site stands twice in the roster"
            yield Problem(what, lines.place("members", number), name, "each site once", remedy)


def _shared(keys: list[Any], key: str, lines: _Lines) -> Iterator[Problem]:
    for number, value in enumerate(keys):
        first = keys.index(value)
        if not isinstance(value, str) or first == number or lines.member(first) == lines.member(number):
            continue
        site = lines.member(number)
        remedy = f"Copy `{key}` from {site}.pub. If it stands there too, {site} makes keys of its own"
        got = f"that of {lines.member(first)}"
        yield Problem(
            f"two sites have the same {key.replace('_', ' ')}",
            lines.place("members", number, key),
            got,
            "each its own",
            remedy,
        )


def _no_roster(where: str, got: str) -> Problem:
    return Problem("this is not a roster", where, got, _LOOKS, _BACKUP)


def _syntax(path: Path, slip: json.JSONDecodeError) -> Problem:
    """What a person has done to the text, told with its line."""
    text, place = slip.doc, slip.pos
    if place >= len(text.rstrip()) or (slip.msg.startswith("Unterminated string") and "\n" not in text[place:].strip()):
        return Problem("the end of the roster is missing", str(path), "a text that is cut short", _LOOKS, _BACKUP)
    before = text[:place].rstrip()
    if before.endswith(",") and text[place] in "}]":
        return _slip(path, before, f"a comma before {text[place]}", "no comma there", "Take the comma out")
    if text[place] in "}]":
        return _slip(path, text[:place], f"a {text[place]} too many", "as many as are opened", "Take it out")
    if slip.msg.startswith("Expecting ',' delimiter"):
        return _slip(path, before, "no comma after it", "a comma between two entries", "Write a comma at its end")
    return _odd_line(path, text, place)


def _odd_line(path: Path, text: str, place: int) -> Problem:
    """A line with something that has no place in such a file."""
    line = text[text.rfind("\n", 0, place) + 1 :].partition("\n")[0].strip()[:_MOST_SHOWN]
    if _CURLED.search(line):
        got, expected = "quotation marks of a word processor", 'straight ones: "'
        return _slip(path, text[:place], got, expected, "Write straight ones, in an editor for plain text")
    odd = {"'": ('double quotation marks: "', "Write double ones"), "#": _REMARK, "/": _REMARK}
    usual = (_LOOKS, "Correct that line, or restore roster.json from the backup")
    expected, remedy = odd.get(text[place], usual)
    return _slip(path, text[:place], line, expected, remedy)


def _slip(path: Path, before: str, got: str, expected: str, remedy: str) -> Problem:
    line = before.count("\n") + 1
    return Problem("the roster cannot be read", f"{path}:{line}", got, expected, remedy)
