"""Predictions in the images' own geometry, written one file at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wardround.engine.basics.made import PREDICT, Made
from wardround.engine.basics.problems import Findings, Problem
from wardround.engine.basics.progress import Progress
from wardround.engine.cohort import Case, Cohort
from wardround.engine.experiments.combining import Watcher
from wardround.engine.experiments.ensemble import Ensemble, Model, ensemble_of
from wardround.engine.experiments.features import FeatureTable, code_of
from wardround.engine.experiments.images import ImageResults
from wardround.engine.experiments.maps import NO_EXTRAS, CaseMaps, Extras, require_extras
from wardround.engine.experiments.mask_files import MaskFormat, require_format
from wardround.engine.experiments.masklike import looks_like_mask
from wardround.engine.experiments.masks import MaskResults
from wardround.engine.experiments.models import TrainedModel
from wardround.engine.experiments.results import TRUTH, CasePrediction, Results
from wardround.engine.experiments.tables import TableResults, nothing, uncertainty
from wardround.engine.experiments.workbench import SILENT
from wardround.engine.preprocessing import Pipeline, Sample, read_sample, told_of
from wardround.engine.preprocessing.cases import image_of, naming
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study
from wardround.engine.targets import Written as How
from wardround.engine.targets import target_of

Watch = Callable[[Case, Sample], Sequence[Watcher]]
"""Who sees what models say of each output of a case."""


def unwatched(case: Case, sample: Sample) -> Sequence[Watcher]:
    """Nobody."""
    return ()


@dataclass(frozen=True)
class Written:
    """What `write_predictions` wrote, what was wrong with the cases that it could not predict, and the subjects whose
    images look like masks."""

    files: tuple[Path, ...]
    cases: int
    problems: tuple[Problem, ...]
    like_masks: tuple[str, ...] = ()


def predict_case(model: Model, case: Case, truth: Study | None = None, watch: Watch = unwatched) -> CasePrediction:
    """Read, preprocess and predict one case, and bring the result back to its own grid. Writes nothing; `watch` gives
    who is to see what is said of each output.

    `truth` is the study by which the case's mask is read, by default the model's own. Raises `InputError` that names
    the case, and what of it is at fault.
    """
    ensemble = ensemble_of(model)
    sample = read_sample(truth or ensemble.study, case, mask_word=TRUTH)

    def prepared(member: TrainedModel) -> StoredCase:
        with naming(case, image_of(case)):
            return in_memory(member.pipeline, case, sample)

    return results_of(ensemble.study).of_models(ensemble, case, prepared, sample, *watch(case, sample))


def results_of(study: Study, format_: MaskFormat = MaskFormat.LIKE_IMAGE, extras: Extras = NO_EXTRAS) -> Results:
    """How predictions of a study are made, written, found again and scored; `format_` is that of masks."""
    how = target_of(study).written
    if how is How.IMAGE:
        return ImageResults(study, format_)
    if how is How.FILE:
        return MaskResults(study, format_)
    return TableResults(study, uncertainty if extras.uncertainty else nothing)


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
        wanted_image=ready.wanted,
    )


def write_predictions(
    model: Model,
    cohort: Cohort,
    folder: Path,
    shown: Progress = SILENT,
    format_: MaskFormat = MaskFormat.LIKE_IMAGE,
    extras: Extras = NO_EXTRAS,
) -> Written:
    """Predict every case into `folder`: one mask or image per case, or one table; `extras` beside them.

    A case whose voxels cannot be read, or whose subject cannot name its mask, is left out and told at the end; the
    others are written. Raises `InputError` before any work if that would replace what no prediction has written.
    """
    require_format(model.study, cohort, format_)
    require_extras(ensemble_of(model), cohort, folder, extras, format_)
    made, results = require_free(model.study, cohort, folder, format_), results_of(model.study, format_, extras)
    maps = _MapsOfCases(ensemble_of(model), folder, extras, format_)
    nameless, writer = results.nameless(cohort), results.writer(made)
    findings = Findings([*nameless.values()])
    like_masks: list[str] = []
    predicted = 0
    for done, case in enumerate(cohort.cases, start=1):
        if case.subject not in nameless:
            with findings.gather():
                prediction = predict_case(model, case, watch=maps.of)
                maps.finish()
                writer.add(prediction)
                predicted += 1
                if looks_like_mask(prediction.sample.image.data):
                    like_masks.append(case.subject)
                del prediction  # with its voxels, before the next ones are read
        shown.advance(done, case.subject)
    return Written((*writer.finish(), *maps.end()), predicted, tuple(findings.problems), tuple(like_masks))


class _MapsOfCases:
    """Writes the maps of each case, where there are to be any."""

    def __init__(self, ensemble: Ensemble, folder: Path, extras: Extras, format_: MaskFormat) -> None:
        self._ensemble, self._folder, self._extras, self._format = ensemble, folder, extras, format_
        self._wanted = (extras.probabilities or extras.uncertainty) and target_of(ensemble.study).written is not How.ROW
        self._open: list[CaseMaps] = []
        self._table, self._code = FeatureTable(folder), list[tuple[str, np.ndarray]]()
        self.files: list[Path] = []

    def of(self, case: Case, sample: Sample) -> Sequence[Watcher]:
        """Those of the next case; what an earlier one left that failed is forgotten."""
        grid = sample.image.geometry
        maps = [CaseMaps(self._ensemble, self._folder, case, grid, self._extras, self._format)] if self._wanted else []
        self._open = maps
        self._code = [(case.subject, self._code_of(case, sample))] if self._extras.features else []
        return maps

    def _code_of(self, case: Case, sample: Sample) -> np.ndarray:
        (model,) = self._ensemble.members
        with naming(case, image_of(case)):
            return code_of(model, in_memory(model.pipeline, case, sample))

    def finish(self) -> None:
        """Write what is left of a case."""
        for maps in self._open:
            maps.finish()
            self.files.extend(maps.files)
        for subject, code in self._code:
            self._table.add(subject, code)
        self._open, self._code = [], []

    def end(self) -> tuple[Path, ...]:
        """Write what is left of all cases; every file that was written."""
        return (*self.files, *self._table.write())


def require_free(study: Study, cohort: Cohort, folder: Path, format_: MaskFormat = MaskFormat.LIKE_IMAGE) -> Made:
    """What predictions may write into `folder`. Raises `InputError` where they would replace somebody's own files."""
    made = Made(folder, PREDICT)
    made.require_free(results_of(study, format_).names(cohort), "predictions")
    return made
