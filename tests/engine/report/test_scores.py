"""What a page shows of many cases."""

from __future__ import annotations

import re

import pytest

from tests.support.studies import CLASSIFICATION, SEGMENTATION, changed, study_of
from wardround.engine.experiments.casetables import distribution
from wardround.engine.metrics.intervals import of_mean
from wardround.engine.metrics.scores import CaseScores, Summary
from wardround.engine.report import Page, scores
from wardround.engine.report.units import Length, Units

MM = Units(Length.MM)


def test_cases_that_the_selecting_metric_says_nothing_of_are_ordered_by_their_loss() -> None:
    study = study_of(changed(CLASSIFICATION, validation={"metrics": ["auc", "accuracy"], "select": "auc"}))
    right, wrong = {"accuracy": 1.0}, {"accuracy": 0.0}
    cases = [
        CaseScores(name, {"loss": loss} | (wrong if loss > 1 else right))
        for name, loss in zip("abcde", (0.1, 3.0, 0.2, 2.0, 0.3), strict=True)
    ]
    assert [case.subject for case in scores.ranked(cases, study)] == ["b", "d", "e", "c", "a"]
    assert scores.telling_cases(cases, study) == {
        "b": "the worst case by loss", "e": "a middle case by loss", "a": "the best case by loss"
    }  # fmt: skip
    page = Page("auc")
    scores.add_cases(page, cases, study, MM, "")
    assert "Every case, the worst first by loss." in page.render()


def test_among_equals_the_loss_decides() -> None:
    study = study_of(changed(CLASSIFICATION, validation={"metrics": ["accuracy"], "select": "accuracy"}))
    cases = [CaseScores(name, {"loss": loss, "accuracy": 0.0}) for name, loss in (("a", 1.0), ("b", 2.0))]
    assert scores.telling_cases(cases, study) == {"b": "the worst case by loss", "a": "the best case by loss"}


def test_a_single_case_has_no_spread_and_no_worst() -> None:
    study, page = study_of(SEGMENTATION), Page("one")
    scores.add_cases(page, [CaseScores("a", {"loss": 0.5, "dice": 0.25})], study, MM, "")
    text = page.render()
    assert re.findall(r"<td>([^<]*)</td>", text)[:7] == ["dice", "1", "0.2500", "–", "0.2500", "0.2500", "0.2500"]
    assert "The only case." in text
    assert "<img" not in text


def test_the_selecting_metric_comes_first_and_a_single_class_is_not_drawn_twice() -> None:
    study, page = study_of(SEGMENTATION), Page("few")
    cases = [CaseScores(n, {"loss": 0.5, "hd95": 2.0, "dice": v, "dice.a": v}) for n, v in (("a", 0.1), ("b", 0.2))]
    scores.add_cases(page, cases, study, MM, "")
    text = page.render()
    assert re.findall(r'scope="col">([^<]*)', text)[-4:] == ["case", "dice", "hd95 (mm)", "loss"]
    assert re.findall('alt="([^"]*)"', text) == ["dice over cases: dice median 0.1500, 0.1000 to 0.2000"]


@pytest.mark.parametrize(
    ("rows", "told"), [(5, "Every case, the worst first"), (4, "4 of 5 cases (all are in cases.csv)")]
)
def test_the_worst_of_many_cases_are_shown(monkeypatch: pytest.MonkeyPatch, rows: int, told: str) -> None:
    monkeypatch.setattr(scores, "MOST_ROWS", rows)
    study, page = study_of(CLASSIFICATION), Page("many")
    select = study.validation.select
    scores.add_cases(page, [CaseScores(f"case-{n}", {select: n / 10}) for n in range(5)], study, MM, "")
    text = page.render()
    assert told in text
    assert [f"case-{n}<" in text for n in range(5)] == [True] * 4 + [rows == 5]


def test_an_undefined_score_is_a_dash_with_its_reason_and_the_last_of_all() -> None:
    study, page = study_of(SEGMENTATION), Page("one")
    cases = [CaseScores("lacks", {"loss": 0.5}), CaseScores("has", {"loss": 0.5, "dice": 0.5})]
    assert [case.subject for case in scores.ranked(cases, study)] == ["has", "lacks"]
    scores.add_cases(page, cases, study, MM, "")
    text = page.render()
    assert "– undefined" in text
    assert "neither truth nor prediction has the class" in text


def test_a_case_with_many_classes_has_a_table_that_can_be_read() -> None:
    study, page = study_of(SEGMENTATION), Page("many")
    scored = {"dice": 0.5} | {f"dice.roi {number}": 0.5 + number / 1000 for number in range(40)}
    scores.add_cases(page, [CaseScores("a", scored), CaseScores("b", scored)], study, MM, "")
    text = page.render()
    assert text.count("<th ") == 8 + 2
    assert "roi 39" in text


def test_means_over_cases_have_their_intervals_and_means_over_splits_have_none() -> None:
    study, page = study_of(SEGMENTATION), Page("intervals")
    cases = [CaseScores(str(place), {"dice": value}) for place, value in enumerate((0.5, 0.7, 0.9))]
    scores.add_cases(page, cases, study, MM, "")
    interval = of_mean([0.5, 0.7, 0.9])
    assert interval is not None
    assert f"<td>{interval.low:.4f} to {interval.high:.4f}</td>" in page.render()
    splits = Page("splits")
    scores.add_distributions(splits, {"dice": distribution([0.5, 0.7])}, MM, "")
    assert scores.INTERVAL not in splits.render()
    cohort = Page("cohort")
    summary = {"auc": Summary(0.75, 8, interval), "kappa": Summary(0.25, 8)}
    scores.add_cohort_scores(cohort, summary, [], MM)
    assert f"<td>{interval.low:.4f} to {interval.high:.4f}</td>" in cohort.render()
    assert "<td>–</td>" in cohort.render()
