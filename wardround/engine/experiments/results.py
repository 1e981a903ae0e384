"""What a model says of a case, and how predictions of a kind are made, written, found again and scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from wardround.engine.basics.made import Made
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.cohort import Case, Cohort
from wardround.engine.experiments.combining import Prepared, Watcher
from wardround.engine.experiments.ensemble import Ensemble
from wardround.engine.metrics import CaseScores, Summary
from wardround.engine.preprocessing import Sample

TRUTH, PREDICTION = "truth", "prediction"
"""What messages call a mask or a value: the one that counts, and the one that is scored."""


@dataclass(frozen=True)
class CasePrediction:
    """What a model says of one case.

    Attributes:
        case: the case.
        labels: where each voxel has a class, class indices on the grid of the case's file.
        images: where images are made, float32 (outputs, *spatial) on that grid.
        vector: elsewhere, (outputs,): probabilities of classes, or numbers.
        sample: the case as read from its files.
        each: of vectors, (models, outputs): what each model of an ensemble said.
    """

    case: Case
    labels: np.ndarray | None
    vector: np.ndarray | None
    sample: Sample
    each: np.ndarray | None = None
    images: np.ndarray | None = None


Predictor = Callable[[Case], CasePrediction]


class Writer(Protocol):
    """Writes the predictions of one folder. A prediction is let go of once it is added, for it holds voxels."""

    def add(self, prediction: CasePrediction) -> None:
        """Write it, or keep what will be written of it."""

    def finish(self) -> tuple[Path, ...]:
        """Write what is left; every file that was written."""


class Scorer(Protocol):
    """Scores the predictions of a cohort, one after the other."""

    def scores(self, prediction: CasePrediction) -> dict[str, float]:
        """All scores of a case. Raises `InputError` where it has no truth."""

    def summary(self, scored: Sequence[CaseScores]) -> dict[str, Summary]:
        """The scores of the cohort that was scored."""


class Results(Protocol):
    """The predictions of a study, by how they are written."""

    def nameless(self, cohort: Cohort) -> Mapping[str, Problem]:
        """What keeps predictions of some cases from being written, by subject."""

    def names(self, cohort: Cohort) -> list[str]:
        """Names of the files that predictions of a cohort may become."""

    def of_models(
        self, ensemble: Ensemble, case: Case, prepared: Prepared, sample: Sample, *watchers: Watcher
    ) -> CasePrediction:
        """What models say together of a case, in the geometry of its files; `prepared` gives it as each one's
        preprocessing makes it. Of voxels every watcher sees what is said of each output."""

    def writer(self, made: Made) -> Writer:
        """Writes predictions into a folder of its own files."""

    def reader(self, cohort: Cohort, folder: Path) -> Predictor:
        """Predictions from what a writer, or another program, wrote. Raises `InputError` where not a single case has
        one; what it gives raises it for a case that has none, or one that cannot be scored."""

    def scorer(self) -> Scorer:
        """Scores predictions against the truth."""


@contextmanager
def gathered() -> Iterator[Findings]:
    """Whatever is gathered within is raised at the end, each problem once: an image is read for both."""
    findings = Findings()
    yield findings
    if findings.problems:
        raise InputError(dict.fromkeys(findings.problems))


def require_one(cohort: Cohort, found: Callable[[Case], object]) -> None:
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


def truth_of(case: Case) -> str:
    """Where a case's truth stands, for messages."""
    return f"{case.name}, {TRUTH}"
