"""Scores in the images' own geometry: of a model, or of predictions that lie in a folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.basics.progress import Progress
from wardround.engine.cohort import Cohort
from wardround.engine.experiments.ensemble import Model
from wardround.engine.experiments.prediction import predict_case, results_of
from wardround.engine.experiments.results import CasePrediction, Predictor
from wardround.engine.experiments.workbench import SILENT
from wardround.engine.metrics import CaseScores, Evaluation
from wardround.engine.preprocessing.labels import together
from wardround.engine.study import Study
from wardround.engine.study.expectations import flow

_ALIKE = {
    "task": "task",
    "dimensions": "model.dimensions",
    "inputs": "inputs",
    "classes": "classes",
    "regions": "regions",
    "targets": "targets",
    "columns": "columns",
}
"""What a study and a model's own must have alike, and the key that states it."""

Watcher = Callable[[CasePrediction, CaseScores], None]


def ignore(prediction: CasePrediction, scores: CaseScores) -> None:
    """Watch no case."""


@dataclass(frozen=True)
class Scored:
    """The scores of the cases that could be scored, None if none could, and what was wrong with the others."""

    evaluation: Evaluation | None
    problems: tuple[Problem, ...]


def model_predictor(study: Study, model: Model) -> Predictor:
    """Predictions by a model, or by several together; it must have the study's task, dimensions, inputs, classes,
    regions, targets and columns (`InputError`).

    The truth is read as the study says; so it may have another `rest` than the one that the model was trained with.
    """
    require_alike(study, model.study)
    return lambda case: predict_case(model, case, study)


def require_alike(study: Study, model: Study) -> None:
    """Raise `InputError`, with places that are keys of the study, where a model was trained for something else."""
    findings = Findings()
    for key, place in _ALIKE.items():
        stated, trained = getattr(study, key), getattr(model, key)
        if stated != trained:
            findings.add(
                f"the model has {'another' if key == 'task' else 'other'} {key}",
                where=place,
                got=_shown(stated),
                expected=f"{_shown(trained)}, as the model's own study.yaml says",
                remedy="Give the study that the model was trained with, or another model",
            )
    findings.raise_if_any()


def _shown(value: object) -> str:
    """As one may write it in a study."""
    if isinstance(value, Mapping):
        return flow({key: _plain(each) for key, each in value.items()}) if value else "none"
    return flow(value)


def _plain(value: object) -> object:
    return value.model_dump(mode="json", by_alias=True) if isinstance(value, BaseModel) else value


def folder_predictor(study: Study, cohort: Cohort, folder: Path) -> Predictor:
    """Predictions from the files that `wardround predict` writes, or files of the same names from elsewhere.

    Raises `InputError` where not a single case has one; the predictor raises it for a case that has none, or one that
    cannot be scored.
    """
    return results_of(study).reader(cohort, folder)


def evaluate_cohort(
    study: Study, cohort: Cohort, predictor: Predictor, shown: Progress = SILENT, watch: Watcher = ignore
) -> Evaluation:
    """Score every case against its truth, on the grid of its file; `watch` sees each as it is scored.

    Raises `InputError` with every case that cannot be scored, after the others were.
    """
    scored = score_cases(study, cohort, predictor, shown, watch)
    if scored.problems or scored.evaluation is None:
        raise InputError(scored.problems)
    return scored.evaluation


def score_cases(
    study: Study, cohort: Cohort, predictor: Predictor, shown: Progress = SILENT, watch: Watcher = ignore
) -> Scored:
    """Score every case that can be scored against its truth, on the grid of its file; `watch` sees each.

    Problems name their case, and whether its image, its truth or its prediction is at fault.
    """
    scorer, findings, scored = results_of(study).scorer(), Findings(), list[CaseScores]()
    for done, case in enumerate(cohort.cases, start=1):
        with findings.gather():
            prediction = predictor(case)
            scored.append(CaseScores(case.subject, scorer.scores(prediction)))
            watch(prediction, scored[-1])
        shown.advance(done, case.subject)
    problems = tuple(together(findings.problems, cohort.manifest.name))
    return Scored(Evaluation(tuple(scored), scorer.summary(scored)) if scored else None, problems)
