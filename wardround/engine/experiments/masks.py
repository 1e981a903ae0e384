"""Predictions that are masks: a file for each case, on the grid of its image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from glob import escape
from pathlib import Path

from wardround.engine.basics.made import Made
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.basics.reading import require_folder
from wardround.engine.cohort import Case, Cohort
from wardround.engine.cohort.filenames import names_a_file, no_name_of_a_file
from wardround.engine.cohort.zeros import AS_TEXT, TAKEN, with_zeros
from wardround.engine.experiments.combining import Prepared, Watcher, combined_labels
from wardround.engine.experiments.ensemble import Ensemble
from wardround.engine.experiments.listed_masks import Find, listed_masks
from wardround.engine.experiments.mask_files import MaskFormat, mask_name, possible_names, write_mask
from wardround.engine.experiments.results import (
    PREDICTION,
    TRUTH,
    CasePrediction,
    Predictor,
    gathered,
    require_one,
    truth_of,
)
from wardround.engine.inference.postprocessing import postprocessed
from wardround.engine.metrics import CaseScores, Summary, build_metrics, mask_scores, summarise
from wardround.engine.preprocessing import Sample, read_sample
from wardround.engine.study import Study

_SHOWN_NAMES = 3


class MaskResults:
    """Masks of a study's classes."""

    def __init__(self, study: Study, format_: MaskFormat = MaskFormat.LIKE_IMAGE) -> None:
        self._study, self._format = study, format_

    def nameless(self, cohort: Cohort) -> Mapping[str, Problem]:
        """Subjects that cannot name the file of their mask."""
        return unnameable(cohort, self._format)

    def names(self, cohort: Cohort) -> list[str]:
        """A file for each case."""
        nameless = unnameable(cohort, self._format)
        return [mask_name(case, self._format) for case in cohort.cases if case.subject not in nameless]

    def of_models(
        self, ensemble: Ensemble, case: Case, prepared: Prepared, sample: Sample, *watchers: Watcher
    ) -> CasePrediction:
        """The most probable class of each native voxel, after post-processing on the native grid."""
        labels, spacing = combined_labels(ensemble, prepared, *watchers), sample.image.geometry.spacing
        return CasePrediction(case, postprocessed(ensemble.study, ensemble.steps, labels, spacing), None, sample)

    def writer(self, made: Made) -> MaskWriter:
        """Writes each mask at once."""
        return MaskWriter(self._study, made, self._format)

    def reader(self, cohort: Cohort, folder: Path) -> Predictor:
        """Masks of the names that `mask_name` gives; or those that a table names."""
        return _mask_predictor(self._study, cohort, folder)

    def scorer(self) -> MaskScorer:
        """Scores case by case."""
        return MaskScorer(self._study)


class MaskWriter:
    """Writes masks with the values that the study gives its classes."""

    def __init__(self, study: Study, made: Made, format_: MaskFormat) -> None:
        self._study, self._made, self._format = study, made, format_
        self._files: list[Path] = []

    def add(self, prediction: CasePrediction) -> None:
        """Write a mask."""
        assert prediction.labels is not None
        grid = prediction.sample.image.geometry
        self._files.append(write_mask(self._study, prediction.case, prediction.labels, grid, self._made, self._format))

    def finish(self) -> tuple[Path, ...]:
        """Nothing is left."""
        return tuple(self._files)


class MaskScorer:
    """Scores masks on the grids of their files, in their mm."""

    def __init__(self, study: Study) -> None:
        self._study, self._metrics = study, build_metrics(study)

    def scores(self, prediction: CasePrediction) -> dict[str, float]:
        """Every metric over the classes."""
        truth, labels = prediction.sample.label, prediction.labels
        if truth is None or labels is None:
            raise InputError.one("the case has no mask to compare with", where=truth_of(prediction.case))
        return mask_scores(self._study, self._metrics, labels, truth, prediction.sample.image.geometry.spacing)

    def summary(self, scored: Sequence[CaseScores]) -> dict[str, Summary]:
        """Means over the cases."""
        return summarise(scored)


def unnameable(cohort: Cohort, format_: MaskFormat = MaskFormat.LIKE_IMAGE) -> dict[str, Problem]:
    """What is wrong with each subject that cannot name the file of its mask, or whose file another one has (case
    ignored)."""
    found: dict[str, Problem] = {}
    taken: dict[str, str] = {}
    for case in cohort.cases:
        where = cohort.place(case, "SubjectID")
        if not names_a_file(case.subject):
            found[case.subject] = no_name_of_a_file(case.subject, where)
            continue
        other = taken.setdefault(mask_name(case, format_).lower(), case.subject)
        if other != case.subject:
            found[case.subject] = Problem(
                "two subjects would share a file",
                where,
                f"{case.subject!r} and {other!r}",
                "names that differ by more than upper and lower case",
                "Give one of them another SubjectID",
            )
    return found


def _mask_predictor(study: Study, cohort: Cohort, place: Path) -> Predictor:
    find = listed_masks(cohort, place) if place.is_file() else _masks_in(cohort, place)
    # No prediction says of a voxel that it does not count.
    of_predictions = study.model_copy(update={"ignore": None})

    def read(case: Case) -> CasePrediction:
        # Read in the mask's place, a prediction goes through the same checks of grid and values as a mask.
        # Its image is let go of at once, for it comes again with the truth.
        with gathered() as findings:
            with findings.gather():
                as_truth = replace(case, label=find(case))
                predicted = read_sample(of_predictions, as_truth, mask_word=PREDICTION).label
            with findings.gather():
                sample = read_sample(study, case, mask_word=TRUTH)
        return CasePrediction(case, predicted, None, sample)

    return read


def _masks_in(cohort: Cohort, folder: Path) -> Find:
    """Files of a folder that are called like their cases."""
    require_folder(folder, "the folder that `wardround predict` wrote", "Name the folder itself")
    nameless = unnameable(cohort)
    nameable = replace(cohort, cases=tuple(case for case in cohort.cases if case.subject not in nameless))
    if not nameable.cases:
        raise InputError(nameless.values())
    _require_masks(nameable, folder)

    def find(case: Case) -> Path:
        if case.subject in nameless:
            raise InputError([nameless[case.subject]])
        return _predicted_mask(case, folder)

    return find


def _require_masks(cohort: Cohort, folder: Path) -> None:
    """Raise `InputError` if a folder has a mask of no case; one problem if none is even called like a case."""
    try:
        require_one(cohort, lambda case: _predicted_mask(case, folder))
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
    found = next((folder / each for each in possible_names(case) if (folder / each).is_file()), None)
    if found is not None:
        return found
    name = mask_name(case)
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
