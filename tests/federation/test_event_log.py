"""The log of events that site and aggregator share."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from wardround.engine.basics.files import Rotation
from wardround.engine.basics.printable import json_text
from wardround.federation import event_log
from wardround.federation.event_log import DurableLog, Entry, Sentences, read_entries

NAMES = st.text(min_size=1).filter(lambda name: name not in {"time", "role", "event"})
FACTS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()


def test_what_was_appended_is_read_in_order(tmp_path: Path) -> None:
    file = DurableLog(tmp_path / "events.jsonl")
    for number in range(5):
        file.append(Entry("2026-01-01T00:00:00.000+00:00", "counted", {"number": number, "text": "a\u2028b\nc"}))
    assert [entry.facts["number"] for entry in read_entries(file.path)] == [0, 1, 2, 3, 4]
    assert {entry.facts["text"] for entry in read_entries(file.path)} == {"a\u2028b\nc"}
    assert file.path.read_text().isprintable() is False  # one line each, and nothing else that moves a terminal
    assert len(file.path.read_bytes().splitlines()) == 5


def test_a_line_that_a_crash_cut_off_is_left_out_and_the_next_one_stands_by_itself(tmp_path: Path) -> None:
    file = DurableLog(tmp_path / "events.jsonl")
    file.append(Entry("2026-01-01T00:00:00.000+00:00", "counted", {"number": 0}))
    with file.path.open("ab") as handle:
        handle.write(b'{"number": 1, "te')
    file.append(Entry("2026-01-01T00:00:00.000+00:00", "counted", {"number": 2}))
    assert [entry.facts["number"] for entry in read_entries(file.path)] == [0, 2]


def test_full_files_are_set_aside_and_read_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "ROTATION", Rotation(limit=200, kept=50))
    file = DurableLog(tmp_path / "events.jsonl")
    for number in range(60):
        file.append(Entry("2026-01-01T00:00:00.000+00:00", "counted", {"number": number}))
    assert len(list(tmp_path.iterdir())) > 3
    assert [entry.facts["number"] for entry in read_entries(file.path)] == list(range(60))


def test_threads_may_share_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "ROTATION", Rotation(limit=500, kept=100))
    file = DurableLog(tmp_path / "events.jsonl")

    def write(start: int) -> None:
        for number in range(start, start + 20):
            file.append(Entry("2026-01-01T00:00:00.000+00:00", "counted", {"n": number}))

    threads = [threading.Thread(target=write, args=(start,)) for start in (0, 20, 40, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(int(str(entry.facts["n"])) for entry in read_entries(file.path)) == list(range(80))


@given(
    st.text(), st.dictionaries(st.text(min_size=1).filter(lambda name: name not in {"time", "role", "event"}), FACTS)
)
def test_an_entry_is_read_as_it_was_written(event: str, facts: dict[str, JsonValue]) -> None:
    for entry in (Entry("t", event, facts), Entry("t", event, facts, "courier")):
        assert Entry.of(json.loads(json_text(entry.content))) == entry


def test_a_sentence_says_what_is_unknown_whatever_format_it_wants() -> None:
    sentences = Sentences({"done": "{site} took {seconds:.1f} s"}, unknown="nobody knows")
    assert sentences.of(Entry("", "done", {"site": "north", "seconds": 2.25})) == "north took 2.2 s"
    assert sentences.of(Entry("", "done", {"site": None})) == "nobody knows took nobody knows s"
    assert sentences.of(Entry("", "other")) == ""


def test_of_a_traceback_a_sentence_has_its_last_line() -> None:
    told = Sentences({"failed": "{reason}"}).of(Entry("", "failed", {"reason": "Traceback (most recent)\n  x\nE: no"}))
    assert told == "E: no"
