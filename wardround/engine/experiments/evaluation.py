"""Scores in the images' own geometry: of a model, or of predictions that lie in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path

import numpy as np

from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.basics.progress import Progress
from wardround.engine.basics.reading import require_folder
from wardround.engine.cohort import Case, Cohort
from wardround.engine.cohort.zeros import AS_TEXT, TAKEN, with_zeros
from wardround.engine.experiments.models import TrainedModel
from wardround.engine.experiments.prediction import (
    PREDICTION,
    TABLE,
    TRUTH,
    CasePrediction,
    mask_name,
    predict_case,
    read_table,
    unnameable,
)
from wardround.engine.experiments.workbench import SILENT
from wardround.engine.metrics import (
    CaseScores,
    Evaluation,
    build_metrics,
    case_scores,
    cohort_scores,
    mask_scores,
    summarise,
)
from wardround.engine.preprocessing import read_sample, target_index
from wardround.engine.preprocessing.labels import together
from wardround.engine.study import Study
from wardround.engine.study.expectations import flow

_SHOWN_NAMES = 3
_ALIKE = {"task": "task", "dimensions": "model.dimensions", "inputs": "inputs", "classes": "classes"}
"""What a study and a model's own must have alike, and the key that states it."""

Predictor = Callable[[Case], CasePrediction]
Watcher = Callable[[CasePrediction, CaseScores], None]


def ignore(prediction: CasePrediction, scores: CaseScores) -> None:
    """Watch no case."""


@dataclass(frozen=True)
class Scored:
    """The scores of the cases that could be scored, None if none could, and what was wrong with the others."""

    evaluation: Evaluation | None
    problems: tuple[Problem, ...]


def model_predictor(study: Study, model: TrainedModel) -> Predictor:
    """Predictions by a model; it must have the study's task, dimensions, inputs and classes (`InputError`).

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
                got=flow(stated),
                expected=f"{flow(trained)}, as the model's own study.yaml says",
                remedy="Give the study that the model was trained with, or another model",
            )
    findings.raise_if_any()


def folder_predictor(study: Study, cohort: Cohort, folder: Path) -> Predictor:
    """Predictions from the files that `wardround predict` writes, or files of the same names from elsewhere.

    Raises `InputError` where not a single case has one; the predictor raises it for a case that has none, or one that
    cannot be scored.
    """
    if study.task == "segmentation":
        return _mask_predictor(study, cohort, folder)
    table = read_table(folder / TABLE, study)
    _require_one(cohort, table)

    def read(case: Case) -> CasePrediction:
        with _both() as findings:
            with findings.gather():
                probabilities = table(case)
            with findings.gather():
                sample = read_sample(study, case)
        return CasePrediction(case, None, probabilities, sample)

    return read


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
    score = _segmentation_scores if study.task == "segmentation" else _classification_scores
    findings, scored = Findings(), list[CaseScores]()
    vectors: list[np.ndarray] = []
    targets: list[int] = []
    for done, case in enumerate(cohort.cases, start=1):
        with findings.gather():
            prediction = predictor(case)
            scored.append(CaseScores(case.subject, score(study, prediction)))
            if prediction.probabilities is not None:
                vectors.append(prediction.probabilities)
                targets += _target(study, case)
            watch(prediction, scored[-1])
        shown.advance(done, case.subject)
    problems = tuple(together(findings.problems, cohort.manifest.name))
    if not scored:
        return Scored(None, problems)
    summary = summarise(scored)
    if study.task == "classification":
        summary |= cohort_scores(study, build_metrics(study), np.stack(vectors), np.array(targets))
    return Scored(Evaluation(tuple(scored), summary), problems)


def _mask_predictor(study: Study, cohort: Cohort, folder: Path) -> Predictor:
    require_folder(folder, "the folder that `wardround predict` wrote", "Name the folder itself")
    nameless = unnameable(cohort)
    nameable = replace(cohort, cases=tuple(case for case in cohort.cases if case.subject not in nameless))
    if not nameable.cases:
        raise InputError(nameless.values())
    _require_masks(nameable, folder)

    def read(case: Case) -> CasePrediction:
        if case.subject in nameless:
            raise InputError([nameless[case.subject]])
        # Read in the mask's place, a prediction goes through the same checks of grid and values as a mask.
        # Its image is let go of at once, for it comes again with the truth.
        with _both() as findings:
            with findings.gather():
                as_truth = replace(case, label=_predicted_mask(case, folder))
                predicted = read_sample(study, as_truth, mask_word=PREDICTION).label
            with findings.gather():
                sample = read_sample(study, case, mask_word=TRUTH)
        return CasePrediction(case, predicted, None, sample)

    return read


@contextmanager
def _both() -> Iterator[Findings]:
    """Whatever is gathered within is raised at the end, each problem once: an image is read for both."""
    findings = Findings()
    yield findings
    if findings.problems:
        raise InputError(dict.fromkeys(findings.problems))


def _require_one(cohort: Cohort, found: Callable[[Case], object]) -> None:
    """Raise `InputError` with the problems of all cases if `found` finds a prediction of none."""
    findings = Findings()
    for case in cohort.cases:
        try:
            found(case)
        except InputError as error:
            findings.extend(error.problems)
        else:
            return
    findings.raise_if_any()


def _require_masks(cohort: Cohort, folder: Path) -> None:
    """Raise `InputError` if a folder has a mask of no case; one problem if none is even called like a case."""
    try:
        _require_one(cohort, lambda case: _predicted_mask(case, folder))
    except InputError as error:
        if any(problem.got for problem in error.problems):
            raise
        raise InputError.one(
            f"it holds a prediction of none of the {len(cohort.cases)} cases",
            where=str(folder),
            got=_shown_names(folder),
            expected=f"{mask_name(cohort.cases[0])} and so on: predictions are called as in SubjectID",
            remedy="Name the folder that `wardround predict --manifest` wrote for this table as its --out",
        ) from None


def _shown_names(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    shown = ", ".join(names[:_SHOWN_NAMES])
    return f"{shown} and {len(names) - _SHOWN_NAMES:,} more" if len(names) > _SHOWN_NAMES else shown or "nothing in it"


def _predicted_mask(case: Case, folder: Path) -> Path:
    name = mask_name(case)
    if (folder / name).is_file():
        return folder / name
    others = sorted(path.name for path in folder.glob(f"{escape(case.subject)}.*"))
    numbered = with_zeros(name, (path.name for path in sorted(folder.glob(f"0*{escape(name)}"))))
    remedy = f"Save {others[0]} as {name}" if others else "Predict it, or leave the case out of the table"
    if numbered is not None and not others:
        remedy = f"The SubjectID has lost its zeros: {TAKEN}. {AS_TEXT}"
    raise InputError.one(
        "there is no prediction for this case",
        where=f"{case.name}, {PREDICTION} {folder / name}",
        got=", ".join(others) or (numbered or ""),
        expected=name,
        remedy=remedy,
    )


def _segmentation_scores(study: Study, prediction: CasePrediction) -> dict[str, float]:
    truth, labels = prediction.sample.label, prediction.labels
    if truth is None or labels is None:
        raise InputError.one("the case has no mask to compare with", where=_truth_of(prediction.case))
    spacing = prediction.sample.image.geometry.spacing
    return mask_scores(study, build_metrics(study), labels, truth, spacing)


def _classification_scores(study: Study, prediction: CasePrediction) -> dict[str, float]:
    target = target_index(study, prediction.case)
    if target is None or prediction.probabilities is None:
        raise InputError.one("the case has no class to compare with", where=_truth_of(prediction.case))
    return case_scores(study, build_metrics(study), prediction.probabilities, target)


def _truth_of(case: Case) -> str:
    return f"{case.name}, {TRUTH}"


def _target(study: Study, case: Case) -> list[int]:
    index = target_index(study, case)
    return [] if index is None else [index]
