"""What people read says what it seems to say: no character of a text can move, hide, part or turn round a line."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.hostile import HOSTILE, is_clean
from wardround.engine.basics.files import append_durably, read_json_lines
from wardround.engine.basics.printable import json_text, printable, printable_lines, say, say_json, say_text
from wardround.engine.basics.problems import InputError
from wardround.engine.report.page import Page

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=40)


@given(ANYTHING)
def test_every_character_that_is_not_seen_is_shown_as_an_escape(text: str) -> None:
    shown = printable(text)
    assert is_clean(shown)
    assert printable(shown) == shown
    assert [character for character in shown if character in text] or not text or shown.startswith("\\")


@pytest.mark.parametrize("character", HOSTILE)
def test_each_hostile_character_is_named(character: str) -> None:
    assert printable(f"a{character}b") == "a" + character.encode("unicode_escape").decode() + "b"


@pytest.mark.parametrize("mark", ["\u0301", "\u0489", "\u20dd", "\u0e49"])
def test_marks_are_not_heaped_upon_one_letter(mark: str) -> None:
    heaped = "a" + mark * 1000 + "b"
    assert printable(heaped) == "a" + mark * 4 + mark.encode("unicode_escape").decode() * 996 + "b"
    assert json.loads(json_text(heaped)) == heaped
    assert mark * 5 not in json_text(heaped)


@pytest.mark.parametrize("place", ["what", "where", "got"])
def test_no_text_fills_the_screen(place: str) -> None:
    details = {"what": "it is wrong", "remedy": "Mend it", place: "x" * 1_000_000}
    told = str(InputError.one(details.pop("what"), **details))
    assert len(told) < 1200
    assert "1,000,000 characters" in told
    assert told.endswith("Mend it.")


@pytest.mark.parametrize(
    "text",
    [
        "Đặng Thị Hồng",
        "שָׁלוֹם",
        "ผู้ป่วย",
        "plain",
        "Universitätsspital Zürich",
        "横浜",
        "Ελλάδα",
        "São Paulo: 100 %",
        "a\\nb",
    ],
)
def test_what_can_be_seen_stays(text: str) -> None:
    assert printable(text) == text


def test_every_control_and_format_character_of_unicode_is_covered() -> None:
    suspects = [
        chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    ]
    assert [character for character in suspects if printable(character) == character] == []


@given(st.dictionaries(ANYTHING, ANYTHING, max_size=3))
def test_json_stays_json_and_is_printable(value: dict[str, str]) -> None:
    for indent in (None, 2):
        written = json_text(value, indent)
        assert json.loads(written) == value
        assert all(is_clean(line) for line in written.split("\n"))


def test_a_line_stays_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    say("one\ntwo\x1b[1A", "three")
    say_text("four\nfive\r")
    say_json({"a": "\u2028"})
    assert capsys.readouterr().out == 'one\\ntwo\\x1b[1A\nthree\nfour\nfive\\r\n{\n  "a": "\\u2028"\n}\n'


@pytest.mark.parametrize("place", ["what", "where", "got", "expected", "remedy"])
def test_an_error_is_printable_wherever_the_text_stands(place: str) -> None:
    hostile = "x" + "".join(HOSTILE)
    details = {"what": "it is wrong", place: hostile}
    error = InputError.one(details.pop("what"), **details)
    assert is_clean(str(error))
    assert is_clean(error.problems[0].render())


def test_a_page_is_printable_and_escaped() -> None:
    hostile = "<b>" + "".join(HOSTILE)
    page = Page(hostile, hostile).heading(hostile).text(hostile).facts({hostile: hostile})
    html = page.table([hostile], [[hostile]], caption=hostile).figure(b"", hostile).render()
    assert "<b>\\" not in html
    assert all(is_clean(line) for line in html.replace("\t", "").split("\n"))


@pytest.mark.parametrize("character", HOSTILE)
def test_no_text_hides_a_line_of_a_log(tmp_path: Path, character: str) -> None:
    log = tmp_path / "log.jsonl"
    append_durably(log, json_text({"event": "first", "reason": f"a{character}b"}))
    append_durably(log, json_text({"event": "second"}))
    # A log of an earlier release, which wrote what it was given.
    if character.isprintable() or (ord(character) > 0x2000 and not 0xD800 <= ord(character) < 0xE000):
        append_durably(log, json.dumps({"event": "third", "reason": f"a{character}b"}, ensure_ascii=False))
    events = [entry["event"] for entry in read_json_lines(log)]
    assert events[:2] == ["first", "second"]
    assert len(events) == len(log.read_bytes().strip().split(b"\n"))


def test_tracebacks_and_warnings_of_a_program_are_printable() -> None:
    program = (
        "import logging\n"
        "from wardround.engine.basics.printable import guard_tracebacks\n"
        "guard_tracebacks()\n"
        "logging.getLogger('x').error('said \\x1b[2J')\n"
        "import threading, warnings\n"
        "warnings.warn('warned \\x1b[2J')\n"
        "def fail(): raise RuntimeError('thread \\x1b[2J')\n"
        "thread = threading.Thread(target=fail)\n"
        "thread.start(); thread.join()\n"
        "class Dying:\n    def __del__(self): raise RuntimeError('dying \\x1b[2J')\n"
        "Dying()\n"
        "raise RuntimeError('a peer said \\x1b[2J\\u202e')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    for said in ("said", "warned", "thread", "dying"):
        assert f"{said} \\x1b[2J\n" in done.stderr
    assert done.stderr.endswith("RuntimeError: a peer said \\x1b[2J\\u202e\n")
    assert "\x1b" not in done.stderr


def test_lines_of_the_program_are_kept() -> None:
    assert printable_lines("a\nb\tc") == "a\nb\\tc"
    assert logging.lastResort is not None
