"""Reports of runs, of several folds, and of evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.loudness import note
from wardround.engine.cohort.folds import NamedSplit
from wardround.engine.experiments.casetables import CASES, Distribution, read_cases
from wardround.engine.experiments.chosen_steps import read_chosen
from wardround.engine.experiments.fit import RunResult
from wardround.engine.experiments.folds import Leaderboard, scores_of
from wardround.engine.experiments.history import HistoryRow
from wardround.engine.experiments.judging import Judge
from wardround.engine.experiments.models import load_model
from wardround.engine.experiments.prediction import predict_case
from wardround.engine.experiments.results import CasePrediction
from wardround.engine.experiments.run_record import Metrics
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.metrics.scores import CaseScores, Evaluation
from wardround.engine.preprocessing.fitted_words import fitted_rows
from wardround.engine.report.agreement import Pair
from wardround.engine.report.cases import add_pictures
from wardround.engine.report.colours import ALL
from wardround.engine.report.figures import curves, curves_png
from wardround.engine.report.own_pages import ALL_FOLDS, REPORT
from wardround.engine.report.page import Page, number
from wardround.engine.report.scores import (
    add_cases,
    add_cohort_scores,
    add_distributions,
    telling_cases,
    telling_names,
)
from wardround.engine.report.units import Units
from wardround.engine.report.words import counted, selecting_first
from wardround.engine.study import Study
from wardround.engine.targets import Told, loaded, target_of

Point = tuple[float, float]
CURVES = "curves.png"


def write_run_report(workbench: Workbench, result: RunResult, name: str) -> Path:
    """Write `curves.png` and `report.html` of a finished run beside its history; returns the page's path. What nobody
    may overlook is also said on the terminal.

    The page names subjects: it is for the hospital that it was made at.
    """
    study, metrics = workbench.study, result.metrics
    units = Units.of_cases(study, workbench.cohort.cases)
    panels = history_panels(result.rows, study.validation.select, units)
    write_atomic(result.folder / CURVES, curves_png(panels))
    page = Page(f"{study.study}: {name}", f"A {study.task} trained on {counted(metrics.train_cases, 'case')}.")
    page.facts(_facts(metrics, study, units) | _post_processing(result))
    cases = read_cases(result.folder / CASES)
    scored = cases.get("test") or cases["validation"]
    pairs = _pairs(workbench, result, scored)
    for sentence in warnings_of(study, pairs):
        page.warn(sentence)
        note(f"warning: {name}: {sentence}")
    _add_fitted(page, workbench)
    page.heading("Learning").figure(
        curves(panels, series={study.validation.select: ALL}),
        "Loss, validation scores and learning rate by step of training.",
    )
    for notice in workbench.unseen_classes([NamedSplit(name, workbench.split)]):
        page.text(notice.render())
    for part, of_part in cases.items():
        page.heading(f"The {part} cases, by the {metrics.which} weights")
        add_cases(
            page, of_part, study, units, "Scores on the preprocessed grid; spread is the standard deviation over cases."
        )
    add_of_truth(page, study, pairs)
    roles = telling_cases(scored, study)
    add_pictures(page, _predictions(workbench, result, tuple(roles)), roles, scored, study)
    _tell_renamed(page, workbench, tuple(roles))
    add_machine(page, metrics)
    return page.save(result.folder / REPORT)


def _add_fitted(page: Page, workbench: Workbench) -> None:
    state = workbench.state
    if not state.is_empty:
        cases = counted(state.cases, "training case")
        page.heading("What was fitted").table(
            ["step", "channel or number", "values"],
            fitted_rows(workbench.study, state),
            f"Learned from the {cases} of this split alone, in the units of what each step is given, or of the table. "
            "The model carries these values, and every image that it is given is prepared with them.",
        )


def write_leaderboard_report(study: Study, board: Leaderboard, units: Units, folder: Path) -> Path:
    """Write `report.html` that compares the splits of a run; returns its path."""
    lead = f"{len(board.results)} splits of one cohort, each trained and tested on its own."
    page = Page(f"{study.study}{ALL_FOLDS}", lead)
    names = selecting_first(board.scores, study.validation.select)
    scores = {name: board.scores[name] for name in names}
    page.facts(dict(_over_splits(units.named(name), score) for name, score in scores.items() if "." not in name))
    about = "Test scores over the splits; spread is the standard deviation over them."
    if any(score.interval for score in scores.values()):
        about += (
            " The confidence interval of the mean takes account of cases that training sets share (Nadeau & Bengio)."
        )
    add_distributions(page, scores, units, about)
    select = study.validation.select
    rows = [
        [
            name,
            _step(result.metrics),
            _cell(result.metrics.validation.values, select),
            *(_cell(scores_of(result), metric) for metric in names),
        ]
        for name, result in board.results.items()
    ]
    columns = ["split", "best step", f"validation {units.named(select)}", *map(units.named, names)]
    page.heading("Splits").table(columns, rows, _best_in_words(study, board))
    for name, result in board.results.items():
        if result.metrics.chosen:
            page.text(f"{name} has {result.metrics.chosen}.")
    return page.save(folder / REPORT)


def _over_splits(name: str, score: Distribution) -> tuple[str, str]:
    if score.spread is None:
        return f"{name}, 1 split", f"{score.mean:.3f}"
    told = f"{name}, mean ± SD over {counted(score.count, 'split')}"
    return told, f"{score.mean:.3f} ± {score.spread:.3f}"


def _best_in_words(study: Study, board: Leaderboard) -> str:
    """Which split's model is the best by validation: a test set is for judging, not for choosing."""
    judge = Judge(study)
    found = {name: result.metrics.validation.values.get(judge.metric) for name, result in board.results.items()}
    known = {name: value for name, value in found.items() if value is not None}
    if not known:
        return ""
    best = (max if judge.higher_is_better else min)(known, key=known.__getitem__)
    return f"By its validation cases the model of {best} is the best; test cases are not for choosing."


def write_evaluation_report(
    study: Study,
    units: Units,
    evaluation: Evaluation,
    predictions: Sequence[CasePrediction],
    path: Path,
    failed: int = 0,
    pairs: Sequence[Pair] = (),
) -> Path:
    """Write the page of an evaluation in native geometry, with pictures of the given predictions.

    `failed`: how many cases could not be scored. `pairs`: vectors that were predicted, beside what the table tells.
    """
    lacking = f" {failed} more could not be scored and are not in the means." if failed else ""
    about = f"{counted(len(evaluation.cases), 'case')}, each scored on the grid of its file.{lacking}"
    page = Page(f"{study.study}: evaluation", about)
    scores = {name: evaluation.summary[name] for name in selecting_first(evaluation.summary, study.validation.select)}
    page.facts(
        {
            f"{units.named(name)}, {counted(score.count, 'case')}": number(score.value)
            for name, score in scores.items()
            if "." not in name
        }
    )
    for sentence in warnings_of(study, pairs):
        page.warn(sentence)
    add_cohort_scores(page, evaluation.summary, evaluation.cases, units)
    add_cases(page, evaluation.cases, study, units, "Spread is the standard deviation over cases.")
    add_of_truth(page, study, pairs)
    shown = predictions if study.inputs else ()
    add_pictures(page, shown, telling_cases(evaluation.cases, study), evaluation.cases, study)
    return page.save(path)


def history_panels(rows: Sequence[HistoryRow], select: str, units: Units) -> dict[str, dict[str, list[Point]]]:
    """What a run's curves show by step: training and validation loss, the selecting metric with its classes, and the
    learning rate."""
    losses: dict[str, list[Point]] = {"training": [(row.step, row.loss) for row in rows]}
    if any("loss" in row.metrics for row in rows):
        losses["validation"] = _points(rows, "loss")
    names = telling_names(sorted({name for row in rows for name in row.metrics}), select)
    scores = {name: _points(rows, name) for name in names}
    rates: dict[str, list[Point]] = {"learning rate": [(row.step, row.learning_rate) for row in rows]}
    return {"loss": losses, units.named(f"validation {select}"): scores, "learning rate": rates}


def add_machine(page: Page, metrics: Metrics) -> None:
    """On what a run ran: what its last bits depend on."""
    machine = metrics.machine.model_dump()
    rows = [[name, str(value)] for name, value in machine.items()]
    page.heading("How it was made").table(["what", "value"], [*rows, ["study digest", metrics.study]])


def _points(rows: Sequence[HistoryRow], name: str) -> list[Point]:
    return [(row.step, row.metrics[name]) for row in rows if name in row.metrics]


def _step(metrics: Metrics) -> str:
    return "–" if metrics.best_step is None else str(metrics.best_step)


def _cell(scores: Mapping[str, float], name: str) -> str:
    return number(scores[name]) if name in scores else "–"


def _facts(metrics: Metrics, study: Study, units: Units) -> dict[str, str]:
    select = study.validation.select
    weights = (
        {"weights": metrics.chosen}
        if metrics.chosen
        else {"best step": f"{metrics.best_step} of {metrics.total_steps}"}
    )
    facts = {}
    if metrics.stopped is not None:
        weights["ended"] = f"after step {metrics.stopped}, when training.patience was over"
    for part, scores in (("test", metrics.test), ("validation", metrics.validation)):
        if scores is not None and select in scores.values:
            facts[f"{units.named(select)}, {counted(scores.cases, f'{part} case')}"] = number(scores.values[select])
    return facts | weights


def _post_processing(result: RunResult) -> dict[str, str]:
    """Which steps were tried on the validation cases, and what they did to the selecting metric."""
    chosen = read_chosen(result.model)
    return {} if chosen is None else {"post-processing, chosen on validation": chosen.spoken}


def add_of_truth(page: Page, study: Study, pairs: Sequence[Pair]) -> None:
    """What the study's kind of truth shows of predictions beside scores and pictures, if anything."""
    address = target_of(study).report
    if address and pairs:
        loaded(study, address)(page, study, pairs)


def warnings_of(study: Study, pairs: Sequence[Pair]) -> list[str]:
    """What people must be told of predictions that are no good, in sentences, as the study's kind of truth knows it."""
    address = target_of(study).warnings
    return list(loaded(study, address)(study, pairs)) if address else []


def _pairs(workbench: Workbench, result: RunResult, scored: Sequence[CaseScores]) -> list[Pair]:
    """Predictions of the cases that were scored, and their truths, for a kind of truth that shows them."""
    if not target_of(workbench.study).report:
        return []
    model = load_model(result.model, device=str(workbench.device))
    stored = [workbench.stored[case.subject] for case in scored if case.subject in workbench.stored]
    return [(model.task.predict(model.network, case, model.device).values, Told.of(case)) for case in stored]


def _predictions(workbench: Workbench, result: RunResult, subjects: Sequence[str]) -> list[CasePrediction]:
    if not workbench.study.inputs:
        return []
    model = load_model(result.model, device=str(workbench.device))
    cases = {case.subject: case for case in workbench.cohort.cases}
    return [predict_case(model, cases[subject]) for subject in subjects if subject in cases]


def _tell_renamed(page: Page, workbench: Workbench, subjects: Sequence[str]) -> None:
    """A run is known by its images: a finished one is the same under other SubjectIDs, but it scored the former."""
    gone = sorted(set(subjects) - {case.subject for case in workbench.cohort.cases})
    if gone:
        page.text(f"Not drawn, as the table has them under another SubjectID now: {', '.join(gone)}.")
