"""Every field of every answer, with values that a program does not expect: the liar is named, and nobody else feels it.

And a disk that is full at any write, and a byte that is wrong in any file: said in words, and the run goes on.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.aggregator.bench import Bench
from tests.aggregator.home import aggregator, make_home
from wardround.aggregator.rounds.records import Ended, Told
from wardround.aggregator.showing.history import csv_lines, history_jsonl, history_rows, metric_names
from wardround.engine.basics.canonical import canonical_model
from wardround.federation.protocol import Reply
from wardround.lab.processes import free_port

Way = tuple[str, ...]
VALUES: tuple[Any, ...] = (
    0, -1, 1e308, -1e308, float("nan"), float("inf"), float("-inf"), 2**63, 2**53, 2**53 + 1, 1e-320, -0.0, 1.5,
    10**400, "", "NaN", "x" * 100_000, None, [], {}, True, [[[]]] * 50,
)  # fmt: skip
TOLD = {"update_refused", "answer_refused", "site_declined", "site_trouble"}


def kind_of(body: Mapping[str, Any]) -> str:
    """What an answer is, and of which stage."""
    return str(body["type"]) + ("" if body["type"] != "done" else " train" if body["update"] else " evaluate")


def ways(value: Any, above: Way = ()) -> Iterator[Way]:
    """Every place in a JSON value, the whole first."""
    yield above
    if isinstance(value, dict):
        for key in value:
            yield from ways(value[key], (*above, key))


def honest_answers() -> dict[str, dict[str, Any]]:
    """One answer of each kind."""
    found: dict[str, dict[str, Any]] = {}

    def write(reply: Reply) -> bytes:
        body = json.loads(canonical_model(reply))
        found.setdefault(kind_of(body), body)
        return canonical_model(reply)

    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), names=("north",), rounds=1)
        bench.sites["north"].write = write
        bench.run()
    return found


PLACES = [(kind, way) for kind, body in honest_answers().items() for way in ways(body)]


def with_value(body: Any, way: Way, value: Any) -> Any:
    """The body with another value in one place."""
    if not way:
        return value
    return {**body, way[0]: with_value(body[way[0]], way[1:], value)}


def check_lie(kind: str, way: Way, value: Any) -> None:
    """A run of three sites of which one lies in one place is complete, twice, and names only the liar."""

    def write(reply: Reply) -> bytes:
        body = json.loads(canonical_model(reply))
        return json.dumps(with_value(body, way, value)).encode() if kind_of(body) == kind else canonical_model(reply)

    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), rounds=1, quorum=2, deadline=200.0, patience=300.0)
        bench.sites["north"].write = write
        assert bench.run().complete
        rows = history_rows(bench.state.results())
        assert history_jsonl(rows)
        assert csv_lines(rows, metric_names(rows))
        for entry in bench.said:
            if entry.event in TOLD:
                assert entry.facts["site"] == "north"
                assert len(str(entry.facts)) < 1500
        assert bench.run().complete


@settings(max_examples=20, deadline=None)
@given(place=st.sampled_from(PLACES), value=st.sampled_from(VALUES))
def test_a_lie_in_any_place_is_felt_by_the_liar_alone(place: tuple[str, Way], value: Any) -> None:
    check_lie(*place, value)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "way"), PLACES)
def test_every_lie_in_every_place(kind: str, way: Way) -> None:
    for value in VALUES:
        check_lie(kind, way, value)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_disk_that_is_full_at_any_write_costs_no_round(tmp_path: Path, number: int) -> None:
    left, fsync = [0], os.fsync

    def full(handle: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(number, os.strerror(number))
        fsync(handle)

    whole = Bench(tmp_path / "whole", names=("north", "south"), rounds=2)
    with mock.patch.object(os, "fsync", full):
        whole.run()
    steps = -left[0]
    assert steps > 60
    for step in range(1 + number % 8, steps + 1, 8):
        bench = Bench(tmp_path / str(step), names=("north", "south"), rounds=2)
        left[0] = step
        with mock.patch.object(os, "fsync", full), contextlib.suppress(OSError):
            bench.run()
        assert bench.run().complete, step
        assert bench.models() == whole.models(), step


def test_status_answers_in_words_and_in_json_whatever_byte_is_wrong(tmp_path: Path) -> None:
    config = make_home(tmp_path, free_port(), names=("east", "north", "south"))
    bench = Bench(tmp_path / "state", rounds=1)
    bench.run()
    bench.state.tell(Told(plan=bench.plan.digest, sites=("north",)))
    bench.state.end(Ended(plan=bench.plan.digest, moment="2026-01-01T00:00:00Z"))
    files = {path.name: path for path in sorted(tmp_path.rglob("*")) if path.is_file() and path.stat().st_size}
    assert len(files) > 20
    for path in files.values():
        content = path.read_bytes()
        for place in (0, len(content) // 2):
            path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
            outcome = aggregator("status", "--json", "--config", config)
            assert outcome.code in (0, 2), path
            assert isinstance(json.loads(outcome.out), dict), path
            assert "Traceback" not in outcome.err
        path.write_bytes(content)
