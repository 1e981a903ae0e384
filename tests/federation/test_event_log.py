"""The log of events that site and aggregator share."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from wardround.engine.basics.files import Rotation
from wardround.federation import event_log
from wardround.federation.event_log import DurableLog, read_events


def test_what_was_appended_is_read_in_order(tmp_path: Path) -> None:
    file = DurableLog(tmp_path / "events.jsonl")
    for number in range(5):
        file.append({"number": number, "text": "a\u2028b\nc"})
    assert [event["number"] for event in read_events(file.path)] == [0, 1, 2, 3, 4]
    assert {event["text"] for event in read_events(file.path)} == {"a\u2028b\nc"}
    assert file.path.read_text().isprintable() is False  # one line each, and nothing else that moves a terminal
    assert len(file.path.read_bytes().splitlines()) == 5


def test_a_line_that_a_crash_cut_off_is_left_out_and_the_next_one_stands_by_itself(tmp_path: Path) -> None:
    file = DurableLog(tmp_path / "events.jsonl")
    file.append({"number": 0})
    with file.path.open("ab") as handle:
        handle.write(b'{"number": 1, "te')
    file.append({"number": 2})
    assert [event["number"] for event in read_events(file.path)] == [0, 2]


def test_full_files_are_set_aside_and_read_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "ROTATION", Rotation(limit=200, kept=50))
    file = DurableLog(tmp_path / "events.jsonl")
    for number in range(60):
        file.append({"number": number})
    assert len(list(tmp_path.iterdir())) > 3
    assert [event["number"] for event in read_events(file.path)] == list(range(60))


def test_threads_may_share_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "ROTATION", Rotation(limit=500, kept=100))
    file = DurableLog(tmp_path / "events.jsonl")

    def write(start: int) -> None:
        for number in range(start, start + 20):
            file.append({"n": number})

    threads = [threading.Thread(target=write, args=(start,)) for start in (0, 20, 40, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(int(str(event["n"])) for event in read_events(file.path)) == list(range(80))
