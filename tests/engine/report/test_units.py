"""Distances are in mm where images have sizes, and in pixels where they are photographs, wherever they are shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.engine.experiments.cohorts import flat_study, solid_study
from wardround.engine.cohort import Case
from wardround.engine.metrics.scores import CaseScores, Evaluation, Summary
from wardround.engine.report import Page, scores
from wardround.engine.report.runs import history_panels, write_evaluation_report
from wardround.engine.report.units import Length, Units
from wardround.engine.study import Study

SCORES = [CaseScores(name, {"hd95": value, "hd95.blob": value}) for name, value in (("a", 1.0), ("b", 2.0))]


def _cases(*files: str) -> list[Case]:
    return [Case(file, file, (Path(file),), None, None, None, 1) for file in files]


def _measured(**changes: object) -> Study:
    return flat_study(validation={"metrics": ["hd95"], "select": "hd95"}, **changes)


@pytest.mark.parametrize(
    ("files", "length"),
    [
        (("a.png", "b.jpg", "c.tif"), Length.PIXELS),
        (("a.nii.gz", "b.mha", "c.nrrd"), Length.MM),
        (("a.nii.gz", "b.png"), Length.EITHER),
        ((), Length.EITHER),
    ],
)
def test_the_files_of_flat_images_tell_the_unit(files: tuple[str, ...], length: Length) -> None:
    assert Units.of_cases(_measured(), _cases(*files)).length is length


def test_a_study_tells_the_unit_where_files_are_not_seen() -> None:
    assert Units.of_study(solid_study()).length is Length.MM
    assert Units.of_study(_measured()).length is Length.EITHER
    assert Units.of_study(_measured(inputs=["red", "green", "blue"])).length is Length.PIXELS


def test_names_have_the_unit_and_what_is_open_is_explained() -> None:
    pixels, either = Units(Length.PIXELS), Units(Length.EITHER)
    assert [*map(pixels.named, ("hd95", "hd95.liver", "validation hd95", "dice", "seconds"))] == [
        *("hd95 (pixels)", "hd95.liver (pixels)", "validation hd95 (pixels)", "dice", "seconds (s)")
    ]
    assert either.named("hd95.a") == "hd95.a (mm or pixels)"
    assert "pixels where images state no spacing" in either.explained(["dice", "hd95"])
    assert either.explained(["dice"]) == pixels.explained(["hd95"]) == ""


@pytest.mark.parametrize("length", [Length.MM, Length.PIXELS])
def test_tables_and_figures_of_cases_have_the_same_unit(length: Length) -> None:
    page = Page("t")
    scores.add_cases(page, SCORES, _measured(), Units(length), "")
    text = page.render()
    assert {*re.findall(r"hd95[.a-z]* \((\w+)\)", text)} == {length.value}
    assert f"hd95 ({length.value}) over cases" in text


def test_a_page_of_photographs_never_says_mm(tmp_path: Path) -> None:
    study = _measured()
    evaluation = Evaluation(tuple(SCORES), {"hd95": Summary(1.5, 2), "hd95.blob": Summary(1.5, 2)})
    units = Units.of_cases(study, _cases("a.png", "b.png"))
    text = write_evaluation_report(study, units, evaluation, [], tmp_path / "page.html").read_text()
    assert "hd95 (pixels), 2 cases" in text
    assert "mm)" not in text
    assert "validation hd95 (pixels)" in history_panels([], "hd95", units)
