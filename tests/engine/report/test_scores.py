"""What a page shows of many cases."""

from __future__ import annotations

import pytest

from tests.support.studies import CLASSIFICATION, SEGMENTATION, study_of
from wardround.engine.metrics.types import CaseScores
from wardround.engine.report import Page, scores


@pytest.mark.parametrize(
    ("rows", "told"), [(5, "Every case, the worst first"), (4, "4 of 5 cases (all are in cases.csv)")]
)
def test_the_worst_of_many_cases_are_shown(monkeypatch: pytest.MonkeyPatch, rows: int, told: str) -> None:
    monkeypatch.setattr(scores, "MOST_ROWS", rows)
    study, page = study_of(CLASSIFICATION), Page("many")
    select = study.validation.select
    scores.add_cases(page, [CaseScores(f"case-{n}", {select: n / 10}) for n in range(5)], study, "")
    text = page.render()
    assert told in text
    assert [f"case-{n}<" in text for n in range(5)] == [True] * 4 + [rows == 5]


def test_an_undefined_score_is_a_dash_with_its_reason_and_the_last_of_all() -> None:
    study, page = study_of(SEGMENTATION), Page("one")
    cases = [CaseScores("lacks", {"loss": 0.5}), CaseScores("has", {"loss": 0.5, "dice": 0.5})]
    assert [case.subject for case in scores.ranked(cases, study)] == ["has", "lacks"]
    scores.add_cases(page, cases, study, "")
    text = page.render()
    assert "– undefined" in text
    assert "neither truth nor prediction has the class" in text


def test_a_case_with_many_classes_has_a_table_that_can_be_read() -> None:
    study, page = study_of(SEGMENTATION), Page("many")
    scored = {"dice": 0.5} | {f"dice.roi {number}": 0.5 + number / 1000 for number in range(40)}
    scores.add_cases(page, [CaseScores("a", scored), CaseScores("b", scored)], study, "")
    text = page.render()
    assert text.count("<th ") == 7 + 2
    assert "roi 39" in text
