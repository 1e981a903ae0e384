"""Predictions in the images' own geometry, written one file at a time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.made import PREDICT, Made
from wardround.engine.basics.problems import Findings, Problem
from wardround.engine.basics.progress import Progress
from wardround.engine.cohort import Case, Cohort
from wardround.engine.experiments.mask_files import MaskFormat, require_format
from wardround.engine.experiments.masklike import looks_like_mask
from wardround.engine.experiments.masks import MaskResults
from wardround.engine.experiments.models import TrainedModel
from wardround.engine.experiments.results import TRUTH, CasePrediction, Results
from wardround.engine.experiments.tables import TableResults
from wardround.engine.experiments.workbench import SILENT
from wardround.engine.preprocessing import Pipeline, Sample, read_sample, told_of
from wardround.engine.preprocessing.cases import image_of, naming
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study
from wardround.engine.targets import Written as How
from wardround.engine.targets import target_of


@dataclass(frozen=True)
class Written:
    """What `write_predictions` wrote, what was wrong with the cases that it could not predict, and the subjects whose
    images look like masks."""

    files: tuple[Path, ...]
    cases: int
    problems: tuple[Problem, ...]
    like_masks: tuple[str, ...] = ()


def predict_case(model: TrainedModel, case: Case, truth: Study | None = None) -> CasePrediction:
    """Read, preprocess and predict one case, and bring the result back to its own grid. Writes nothing.

    `truth` is the study by which the case's mask is read, by default the model's own. Raises `InputError` that names
    the case, and what of it is at fault.
    """
    sample = read_sample(truth or model.study, case, mask_word=TRUTH)
    with naming(case, image_of(case)):
        stored = in_memory(model.pipeline, case, sample)
    return results_of(model.study).of_model(model, case, stored, sample)


def results_of(study: Study, format_: MaskFormat = MaskFormat.LIKE_IMAGE) -> Results:
    """How predictions of a study are made, written, found again and scored; `format_` is that of masks."""
    if target_of(study).written is How.FILE:
        return MaskResults(study, format_)
    return TableResults(study)


def in_memory(pipeline: Pipeline, case: Case, sample: Sample) -> StoredCase:
    """A preprocessed case that is in no store: prediction leaves no copy of an image behind."""
    ready, told = pipeline.apply(sample), told_of(pipeline.study, case)
    return StoredCase(
        digest="",
        image=ready.image.data,
        label=ready.label,
        foreground={},
        geometry=ready.image.geometry,
        native=sample.image.geometry,
        cut_to=ready.cut_to,
        target=told.category,
        folder=Path(),
        numbers=told.numbers,
        columns=case.columns,
    )


def write_predictions(
    model: TrainedModel,
    cohort: Cohort,
    folder: Path,
    shown: Progress = SILENT,
    format_: MaskFormat = MaskFormat.LIKE_IMAGE,
) -> Written:
    """Predict every case into `folder`: one mask per case, or one table.

    A case whose voxels cannot be read, or whose subject cannot name its mask, is left out and told at the end; the
    others are written. Raises `InputError` before any work if that would replace what no prediction has written.
    """
    require_format(model.study, cohort, format_)
    made, results = require_free(model.study, cohort, folder, format_), results_of(model.study, format_)
    nameless, writer = results.nameless(cohort), results.writer(made)
    findings = Findings([*nameless.values()])
    like_masks: list[str] = []
    predicted = 0
    for done, case in enumerate(cohort.cases, start=1):
        if case.subject not in nameless:
            with findings.gather():
                prediction = predict_case(model, case)
                writer.add(prediction)
                predicted += 1
                if looks_like_mask(prediction.sample.image.data):
                    like_masks.append(case.subject)
                del prediction  # with its voxels, before the next ones are read
        shown.advance(done, case.subject)
    return Written(writer.finish(), predicted, tuple(findings.problems), tuple(like_masks))


def require_free(study: Study, cohort: Cohort, folder: Path, format_: MaskFormat = MaskFormat.LIKE_IMAGE) -> Made:
    """What predictions may write into `folder`. Raises `InputError` where they would replace somebody's own files."""
    made = Made(folder, PREDICT)
    made.require_free(results_of(study, format_).names(cohort), "predictions")
    return made
