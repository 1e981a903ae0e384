"""The ready study for CT on a table of small volumes: what is fitted is said before, while and after it is trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.checkout import CHECKOUT
from tests.support.commands import Outcome, run_wardround
from tests.support.images import write_segmentation_cohort
from tests.support.studies import CLASSIFICATION, changed, write_study
from wardround.engine.experiments.states import STATE
from wardround.engine.preprocessing.fitted import FittedState, Window

SMALLER = {
    "size: [96, 96, 48]": "size: [16, 16, 16]",
    "filters: 16": "filters: 2, levels: 3",
    "epochs: 200": "steps: 2",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the ready study, made small, and a table of six volumes with three organs."""
    folder = tmp_path_factory.mktemp("ct")
    text = (CHECKOUT / "configs" / "ct" / "study.yaml").read_text()
    for large, small in SMALLER.items():
        assert large in text
        text = text.replace(large, small)
    (folder / "study.yaml").write_text(text.replace("inner_folds: 4", "inner_folds: 2"))
    write_segmentation_cohort(folder, cases=6, shape=(24, 28, 20), classes=3)
    return folder


@pytest.fixture(scope="module")
def fitted(place: Path) -> Outcome:
    """What `wardround fit` said."""
    return _run(place, "fit", "--out", place / "run", "--device", "cpu")


def _run(place: Path, command: str, *words: object) -> Outcome:
    return run_wardround(command, place / "study.yaml", "--manifest", place / "data.csv", *words)


@pytest.mark.parametrize("depth", [(), ("--full",)], ids=["headers", "full"])
def test_check_says_what_will_be_fitted_and_to_how_many_cases(place: Path, depth: tuple[str, ...]) -> None:
    told = _run(place, "check", *depth).out
    assert "cohort_clip and cohort_normalize, to the 2 to 3 training cases of each split alone" in told
    assert "the 2 training cases alone" in _run(place, "check", "--folds", "0", *depth).out
    assert json.loads(_run(place, "check", "--json").out)["fitted"].startswith("cohort_clip and cohort_normalize")


def test_fit_says_what_was_learned_and_the_page_shows_it(place: Path, fitted: Outcome) -> None:
    assert fitted.code == 0, fitted.err
    state = FittedState.model_validate_json((place / "run" / "fold-0" / "model" / STATE).read_bytes())
    window = state.steps[0].channels[0]
    assert isinstance(window, Window)
    words = f"from {window.low:.6g} to {window.high:.6g}"
    assert f"fold-0: fitted to {state.cases} training cases: cohort_clip of CT: {words}; " in fitted.err
    page = (place / "run" / "fold-0" / "report.html").read_text()
    assert "What was fitted" in page
    assert words in page
    assert f"{state.cases} training cases of this split alone" in page


def test_the_model_is_used_with_what_it_learned_and_not_without(place: Path, fitted: Outcome, tmp_path: Path) -> None:
    model = place / "run" / "fold-0" / "model"
    predicted = run_wardround("predict", model, "--manifest", place / "data.csv", "--out", tmp_path / "masks")
    assert predicted.code == 0, predicted.err
    content = (model / STATE).read_bytes()
    (model / STATE).unlink()
    try:
        outcome = run_wardround("predict", model, "--manifest", place / "data.csv", "--out", tmp_path / "none")
    finally:
        (model / STATE).write_bytes(content)
    assert outcome.code == 2
    assert f"{model}: preprocessing.json is missing" in outcome.err


def test_the_same_command_goes_on_without_asking_again(place: Path, fitted: Outcome) -> None:
    summaries = {path: path.stat().st_mtime_ns for path in (place / "run" / "store" / "summaries").rglob("*.json")}
    assert len(summaries) == 3
    again = _run(place, "fit", "--out", place / "run", "--device", "cpu")
    assert again.code == 0
    found = (place / "run" / "store" / "summaries").rglob("*.json")
    assert {path: path.stat().st_mtime_ns for path in found} == summaries


def test_a_preview_says_that_it_learned_from_the_cases_that_it_shows(place: Path, tmp_path: Path) -> None:
    outcome = _run(place, "preview", "--out", tmp_path / "patches.png", "--count", "4")
    assert outcome.code == 0
    assert "cohort_clip and cohort_normalize learned from the cases of this picture alone" in outcome.err


def test_without_masks_there_is_no_foreground(tmp_path: Path) -> None:
    content = changed(CLASSIFICATION, preprocessing=[{"cohort_normalize": {"within": "foreground"}}])
    write_study(tmp_path / "study.yaml", content)
    (tmp_path / "data.csv").write_text("SubjectID,Channel_0,ValueToPredict\n")
    told = _run(tmp_path, "check").err
    assert "there is no foreground without masks" in told
    assert "study.yaml:" in told
    assert "Write `within: nonzero`" in told
