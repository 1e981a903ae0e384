"""From which round on a site worked with other cases: in the history, its table, and the report."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.aggregator.bench import Bench
from tests.aggregator.test_resume import SimulatedCrashError
from wardround.aggregator.rounds.records import RoundResult, SiteResult
from wardround.aggregator.showing.history import cohort_changes, csv_head, csv_lines, history_rows
from wardround.aggregator.showing.plain_words import sentence
from wardround.aggregator.showing.status import _cohort_notes
from wardround.engine.basics.canonical import canonical_model, sha256_hex
from wardround.federation.envelope import Envelope
from wardround.federation.protocol import RefusalCode, Stage, Task


def _round(number: int, **cohorts: str | None) -> RoundResult:
    sites = tuple(
        SiteResult(
            site=name,
            work_key="a" * 64,
            update="b" * 64,
            train_cases=5,
            loss=0.5,
            metrics={},
            seconds=1.0,
            cohort=None if cohort is None else cohort * 64,
        )
        for name, cohort in cohorts.items()
    )
    return RoundResult(
        round=number, stage=Stage.TRAIN, base="c" * 64, model="d" * 64, state="e" * 64, sites=sites, absent=(),
        seconds=1.0, finished="2026-01-01T00:00:00+00:00",
    )  # fmt: skip


def test_the_round_from_which_cases_are_others_is_told() -> None:
    results = (
        _round(1, north="1", south="2"),
        _round(2, north="1"),
        _round(3, north="3", south="2"),
        _round(4, north="3", south="4"),
    )
    assert cohort_changes(results) == {3: ("north",), 4: ("south",)}
    rows = list(csv.DictReader(io.StringIO((csv_head(()) + csv_lines(history_rows(results), ())).decode())))
    assert [(row["round"], row["site"]) for row in rows if row["cases_changed"]] == [("3", "north"), ("4", "south")]


def test_rounds_of_an_earlier_release_say_nothing_of_cases() -> None:
    results = (_round(1, north=None), _round(2, north="1"), _round(3, north="1"))
    assert cohort_changes(results) == {}
    assert b"cohort" not in canonical_model(results[0])
    assert not any(b"cases_changed" in canonical_model(row) for row in history_rows(results))


@pytest.mark.parametrize("when", ["between rounds", "amid a round", "while the aggregator was away"])
def test_a_change_is_told_when_it_happens_and_once(tmp_path: Path, when: str) -> None:
    bench = Bench(tmp_path, rounds=3, final=False)
    site = bench.sites["north"]
    own, due = site.answer, [2 if when == "between rounds" else 3]

    def answer(envelope: Envelope) -> Envelope:
        task = Task.model_validate_json(envelope.body)
        if task.stage is Stage.TRAIN and task.round == due[0] and (when != "amid a round" or site.progress):
            due[0] = 0
            site.cohort, site.cases = sha256_hex(b"other cases"), 99
            site.refusals = [RefusalCode.COHORT_CHANGED]
            if when == "while the aggregator was away":
                raise SimulatedCrashError
        return own(envelope)

    site.answer = answer  # type: ignore[method-assign]
    if when == "while the aggregator was away":
        with pytest.raises(SimulatedCrashError):
            bench.run()
    assert bench.run().complete
    number = 2 if when == "between rounds" else 3
    told = bench.journal("cohort_changed")
    assert [(entry.facts["site"], entry.facts["round"]) for entry in told] == [("north", number)]
    assert sentence(told[0]) == (
        f"north works with other cases from round {number} on: 99 training and 4 validation cases"
    )
    assert cohort_changes(bench.state.results()) == {number: ("north",)}
    assert _cohort_notes(bench.state.results()) == [
        f"from round {number} on the cases of north are not those of the rounds before"
    ]
