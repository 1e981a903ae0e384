"""The federation's page begins with what counts, and a site looks the same on all of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.aggregator.bench import Bench
from tests.engine.experiments.cohorts import flat_study, solid_study
from tests.engine.experiments.test_regression import glow_study
from wardround.aggregator.rounds.selection import Scored
from wardround.aggregator.showing.history import history_rows
from wardround.aggregator.showing.page import NOT_SCORED, RunRecord, make_page, make_picture
from wardround.engine.metrics import Summary
from wardround.engine.study import Study
from wardround.federation.protocol import MetricValue


def _record(folder: Path) -> RunRecord:
    """A run whose last model was scored on test cases, by class too, by two of three sites."""
    bench = Bench(folder)
    bench.run()
    results = bench.state.results()
    *before, last = history_rows(results)
    tested = {name: MetricValue(value=0.625, count=9) for name in ("test.dice", "test.dice.blob")}
    sites = {
        name: site.model_copy(update={"metrics": site.metrics | ({} if name == "south" else tested)})
        for name, site in last.sites.items()
    }
    rows = (*before, last.model_copy(update={"metrics": last.metrics | tested, "sites": sites}))
    return RunRecord(bench.plan, bench.study, bench.names, results, rows, None)


def test_scores_of_test_cases_come_first(tmp_path: Path) -> None:
    text = make_page(_record(tmp_path), None).render()
    assert re.search(r'<div class="fact"><b>0\.6250</b><span>dice, 9 test cases</span>', text)
    heads = re.findall("<h2>([^<]*)", text)
    assert heads == ["Test cases", "Sites", "Rounds", "Plan"]
    table = text[text.index("<h2>Test cases") : text.index("<h2>Sites")]
    assert re.findall(r"</svg>([^<]*)</td>", table) == ["all sites", "east", "north"]
    assert "dice.blob" in table
    assert re.findall('scope="col">([^<]*)', table)[:4] == ["site", "cases", "dice", "score of a class"]
    assert "<td></td>" not in text
    assert "test." not in re.sub(r"<style>.*</style>", "", text, flags=re.DOTALL)


def test_a_site_has_one_look_in_figures_and_tables(tmp_path: Path) -> None:
    record = _record(tmp_path)
    picture = make_picture(record)
    assert picture is not None
    keys = {key.label: key.series for key in picture.keys}
    assert {site: keys[site] for site in record.sites} == dict(record.looks)
    text = make_page(record, picture).render()
    for site, look in record.looks.items():
        marks = re.findall(rf'<line\s+class="(\w+)"[^>]*/></svg>{site}<', text)
        assert len(marks) >= 2
        assert set(marks) == {look.css}


def test_what_was_not_scored_is_a_dash_with_a_word(tmp_path: Path) -> None:
    record = _record(tmp_path)
    rows = tuple(row.model_copy(update={"metrics": {}, "sites": {}}) for row in record.rows)
    text = make_page(RunRecord(record.plan, record.study, record.sites, record.results, rows, None), None).render()
    assert NOT_SCORED in text
    assert "(MB)" in text
    assert "time (s)" in text


@pytest.mark.parametrize(("make", "unit"), [(solid_study, "mm"), (flat_study, "mm or pixels")])
def test_distances_have_the_unit_of_the_study_everywhere(tmp_path: Path, make: Callable[..., Study], unit: str) -> None:
    record = _record(tmp_path)
    far = MetricValue(value=2.5, count=9)
    scores = dict.fromkeys(("hd95", "hd95.blob", "test.hd95", "test.hd95.blob"), far)
    rows = tuple(row.model_copy(update={"metrics": row.metrics | scores}) for row in record.rows)
    study = make(validation={"metrics": ["dice", "hd95"], "select": "hd95"})
    measured = RunRecord(record.plan, study, record.sites, record.results, rows, None)
    text = make_page(measured, make_picture(measured)).render()
    assert {*re.findall(r"hd95[.a-z]* \(([a-z ]+)\)", text)} == {unit}
    assert f"validation hd95 ({unit}) by round" in text
    assert ("Distances are in pixels where images state no spacing" in text) == (unit != "mm")


def test_of_a_regression_the_errors_come_first_and_no_class_is_looked_for(tmp_path: Path) -> None:
    record = _record(tmp_path)
    scores = {"mae": 4.25, "pearson": 0.93, "r2": 0.81, "test.mae": 5.5, "test.pearson": 0.9, "test.r2": 0.75}
    measured = {name: MetricValue(value=value, count=9) for name, value in scores.items()}
    rows = tuple(
        row.model_copy(
            update={
                "metrics": measured,
                "sites": {n: s.model_copy(update={"metrics": measured}) for n, s in row.sites.items()},
            }
        )
        for row in record.rows
    )
    best = Scored("0" * 64, rows[0].round, {"north": Summary(value=4.25, count=9)})
    numbers = RunRecord(record.plan, glow_study(), record.sites, record.results, rows, best)
    text = make_page(numbers, make_picture(numbers)).render()
    assert re.search(r'<div class="fact"><b>5\.5000?</b><span>mae, 9 test cases</span>', text)
    assert re.search(r'<div class="fact"><b>4\.2500?</b><span>mae of the best model, 9 validation cases</span>', text)
    assert "validation mae by round" in text
    table = text[text.index("<h2>Test cases") : text.index("<h2>Validation cases")]
    assert re.findall('scope="col">([^<]*)', table) == ["site", "cases", "mae", "pearson", "r2"]
    assert "score of a class" not in text
