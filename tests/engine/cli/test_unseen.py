"""A class that no mask has, or none to learn from: `check --full`, `fit` and the run's page say the same."""

from __future__ import annotations

import html
from pathlib import Path

import pytest

from tests.engine.experiments.cohorts import flat_cohort, flat_study
from tests.support.commands import Outcome, run_wardround
from tests.support.manifests import cohort_of
from wardround.engine.cohort.folds import split_cohort
from wardround.engine.experiments.models import write_study
from wardround.engine.inspection.unseen import unseen_classes

NOBODY = "no mask has the class 'third' (3)."


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unseen")
    study = flat_study()
    write_study(folder / "study.yaml", flat_study(classes={"third": 3, **study.classes}))
    flat_cohort(folder / "data")
    return folder


def _run(place: Path, command: str, *more: str) -> Outcome:
    return run_wardround(command, place / "study.yaml", "--manifest", place / "data" / "data.csv", *more)


def test_a_run_and_its_page_tell_of_a_class_that_no_mask_has_as_the_check_does(place: Path) -> None:
    fitted = _run(place, "fit", "--out", str(place / "run"), "--device", "cpu", "--threads", "1")
    assert fitted.code == 0
    (note,) = [line for line in (fitted.out + fitted.err).splitlines() if NOBODY in line]
    assert note.startswith("note: data.csv: ")
    assert "where a model finds it all the same, that image has the worst score for it" in note
    checked = _run(place, "check", "--full")
    assert note in checked.out.splitlines()
    page = html.unescape((place / "run" / "fold-0" / "report.html").read_text())
    assert note.removeprefix("note: ") in page


def test_a_class_that_only_masks_outside_the_training_set_have_cannot_be_learned() -> None:
    study = flat_study(classes={"second": 2, "first": 1})
    cohort = cohort_of({f"p{number}": [None] for number in range(9)})
    split = split_cohort(study, cohort)
    taught = {case.subject: frozenset({1}) for case in cohort.cases}
    truths = taught | {case.subject: frozenset({1, 2}) for case in split.test}
    (problem,) = unseen_classes(study, cohort, {"fold-0": split}, truths)
    assert problem.what.startswith("no mask of the training set of fold-0 has the class 'second': it cannot be learned")
    assert not list(unseen_classes(study, cohort, {"fold-0": split}, dict.fromkeys(truths, frozenset({1, 2}))))
    assert not list(unseen_classes(study, cohort, {"fold-0": split}, {}))
