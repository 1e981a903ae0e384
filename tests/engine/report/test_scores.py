"""What a page shows of many cases."""

from __future__ import annotations

import pytest

from tests.support.studies import CLASSIFICATION, study_of
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
