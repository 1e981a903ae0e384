"""Scores in the images' own geometry: of a model, or of predictions that lie in a folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.basics.progress import Progress
from wardround.engine.cohort import Case, Cohort
from wardround.engine.experiments.models import TrainedModel
from wardround.engine.experiments.prediction import (
    TABLE,
    CasePrediction,
    check_names,
    mask_name,
    predict_case,
    read_table,
)
from wardround.engine.experiments.workbench import SILENT
from wardround.engine.metrics import (
    CaseScores,
    ClassificationMetric,
    Evaluation,
    SegmentationMetric,
    build_metrics,
    summarise,
)
from wardround.engine.preprocessing import read_sample, target_index
from wardround.engine.study import Study

Predictor = Callable[[Case], CasePrediction]
Watcher = Callable[[CasePrediction, CaseScores], None]


def ignore(prediction: CasePrediction, scores: CaseScores) -> None:
    """Watch no case."""


def model_predictor(study: Study, model: TrainedModel) -> Predictor:
    """Predictions by a model; it must have the study's task, inputs and classes (`InputError`)."""
    findings = Findings()
    for key in ("task", "inputs", "classes"):
        stated, trained = getattr(study, key), getattr(model.study, key)
        if stated != trained:
            findings.add(f"the model has other {key}", where="study", got=str(stated), expected=str(trained))
    findings.raise_if_any()
    return lambda case: predict_case(model, case)


def folder_predictor(study: Study, cohort: Cohort, folder: Path) -> Predictor:
    """Predictions from the files that `wardround predict` writes, or files of the same names from elsewhere.

    Raises `InputError` with every prediction that is missing.
    """
    if study.task == "segmentation":
        return _mask_predictor(study, cohort, folder)
    table = read_table(folder / TABLE, study, cohort)
    return lambda case: CasePrediction(case, None, table[case.subject], read_sample(study, case))


def evaluate_cohort(
    study: Study, cohort: Cohort, predictor: Predictor, shown: Progress = SILENT, watch: Watcher = ignore
) -> Evaluation:
    """Score every case against its truth, on the grid of its file; `watch` sees each as it is scored.

    Raises `InputError` with every case that cannot be scored, after the others were.
    """
    score = _segmentation_scores if study.task == "segmentation" else _classification_scores
    findings, scored = Findings(), list[CaseScores]()
    vectors: list[np.ndarray] = []
    for done, case in enumerate(cohort.cases, start=1):
        with findings.gather():
            prediction = predictor(case)
            scored.append(CaseScores(case.subject, score(study, prediction)))
            if prediction.probabilities is not None:
                vectors.append(prediction.probabilities)
            watch(prediction, scored[-1])
        shown.advance(done, case.subject)
    findings.raise_if_any()
    summary = summarise(scored)
    if study.task == "classification":
        for metric in cast(Sequence[ClassificationMetric], build_metrics(study)):
            summary |= metric.summarise(np.stack(vectors), np.array(_targets(study, cohort)), study.class_names)
    return Evaluation(tuple(scored), summary)


def _mask_predictor(study: Study, cohort: Cohort, folder: Path) -> Predictor:
    check_names(cohort)
    findings = Findings()
    for case in cohort.cases:
        if not (folder / mask_name(case)).is_file():
            findings.add("there is no prediction for this case", where=str(folder), expected=mask_name(case))
    findings.raise_if_any()

    def read(case: Case) -> CasePrediction:
        # Read in the mask's place, a prediction goes through the same checks of grid and values as a mask.
        # Its image is let go of at once, for it comes again with the truth.
        predicted = read_sample(study, replace(case, label=folder / mask_name(case))).label
        return CasePrediction(case, predicted, None, read_sample(study, case))

    return read


def _segmentation_scores(study: Study, prediction: CasePrediction) -> dict[str, float]:
    truth, labels = prediction.sample.label, prediction.labels
    if truth is None or labels is None:
        raise InputError.one("the case has no mask to compare with", where=prediction.case.subject)
    spacing = prediction.sample.image.geometry.spacing
    scores: dict[str, float] = {}
    for metric in cast(Sequence[SegmentationMetric], build_metrics(study)):
        scores |= metric.scores(labels, truth, spacing, study.class_names)
    return scores


def _classification_scores(study: Study, prediction: CasePrediction) -> dict[str, float]:
    target = target_index(study, prediction.case)
    if target is None or prediction.probabilities is None:
        raise InputError.one("the case has no class to compare with", where=prediction.case.subject)
    scores: dict[str, float] = {}
    for metric in cast(Sequence[ClassificationMetric], build_metrics(study)):
        scores |= metric.case_scores(prediction.probabilities, target)
    return scores


def _targets(study: Study, cohort: Cohort) -> list[int]:
    return [index for index in (target_index(study, case) for case in cohort.cases) if index is not None]
