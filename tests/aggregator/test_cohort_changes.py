"""From which round on a site worked with other cases: in the history, its table, and the report."""

from __future__ import annotations

import csv
import io

from wardround.aggregator.history import cohort_changes, csv_head, csv_lines, history_rows
from wardround.aggregator.rounds.records import RoundResult, SiteResult
from wardround.engine.basics.canonical import canonical_model
from wardround.federation.protocol import Stage


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
