"""Predictions that are vectors: a row for each case, in one table."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.loudness import note
from wardround.engine.basics.made import Made
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.cohort import Case, Cohort
from wardround.engine.cohort.columns import VALUE
from wardround.engine.experiments.combining import Prepared, Watcher
from wardround.engine.experiments.ensemble import Combine, Ensemble
from wardround.engine.experiments.maps import entropy_of
from wardround.engine.experiments.results import (
    PREDICTION,
    CasePrediction,
    Predictor,
    gathered,
    require_one,
    truth_of,
)
from wardround.engine.metrics import CaseScores, Summary, build_metrics, case_scores, cohort_scores, summarise
from wardround.engine.preprocessing import Sample, read_sample, told_of
from wardround.engine.preprocessing.cases import naming
from wardround.engine.study import Study
from wardround.engine.targets import Activation, RowTarget, Told, row_target_of

TABLE = "predictions.csv"
_SUBJECT, _ANSWER = "SubjectID", "Prediction"
_SHOWN = 3
_HALF = 0.5
"""What is more probable than not."""


Unsure = Callable[[Study, CasePrediction], Mapping[str, float]]
"""Columns that tell how sure a prediction is, and a case's values; the same columns for all cases."""


def nothing(study: Study, prediction: CasePrediction) -> Mapping[str, float]:
    """No column."""
    return {}


def uncertainty(study: Study, prediction: CasePrediction) -> Mapping[str, float]:
    """`Entropy` of probabilities in nats, and of several models the standard deviation of what they say of each
    output, `Spread_<output>`."""
    assert prediction.vector is not None
    assert prediction.each is not None
    activation = row_target_of(study).activation_of(study)
    has_entropy = activation is not Activation.IDENTITY
    found = {"Entropy": float(entropy_of(prediction.vector, activation).sum())} if has_entropy else {}
    if len(prediction.each) > 1:
        spreads = prediction.each.std(axis=0, dtype=np.float64)
        found |= {f"Spread_{name}": float(one) for name, one in zip(study.outputs, spreads, strict=True)}
    return found


def voted(study: Study, each: np.ndarray) -> np.ndarray:
    """(models, outputs): 1 for what a model says, else 0, of probabilities."""
    if row_target_of(study).activation_of(study) is Activation.SOFTMAX:
        return np.asarray(np.eye(each.shape[1], dtype=each.dtype)[each.argmax(axis=1)])
    return (each > _HALF).astype(each.dtype)


class TableResults:
    """Rows with what the study's kind of truth says of a vector."""

    def __init__(self, study: Study, unsure: Unsure = nothing) -> None:
        self._study, self._unsure = study, unsure

    def nameless(self, cohort: Cohort) -> Mapping[str, Problem]:
        """Any subject can stand in a cell."""
        return {}

    def names(self, cohort: Cohort) -> list[str]:
        """One table."""
        return [TABLE]

    def of_models(
        self, ensemble: Ensemble, case: Case, prepared: Prepared, sample: Sample, *watchers: Watcher
    ) -> CasePrediction:
        """The mean of the vectors that the models' tasks give, or of their votes."""
        each = np.stack([one.task.predict(one.network, prepared(one), one.device).values for one in ensemble.members])
        votes = voted(self._study, each) if ensemble.combine is Combine.MAJORITY and len(each) > 1 else each
        vector = votes.mean(axis=0, dtype=np.float64).astype(each.dtype)
        return CasePrediction(case, None, vector, sample, each)

    def writer(self, made: Made) -> TableWriter:
        """Keeps rows, and writes them at the end."""
        return TableWriter(self._study, made, self._unsure)

    def reader(self, cohort: Cohort, folder: Path) -> Predictor:
        """The rows of the table in the folder, or of the table that is named itself."""
        table = read_table(folder if folder.is_file() else folder / TABLE, self._study)
        require_one(cohort, table)

        def read(case: Case) -> CasePrediction:
            with gathered() as findings:
                with findings.gather():
                    vector = table(case)
                with findings.gather():
                    sample = read_sample(self._study, case)
            return CasePrediction(case, None, vector, sample)

        return read

    def scorer(self) -> TableScorer:
        """Keeps vectors, for scores that only a whole cohort has."""
        return TableScorer(self._study)


class TableWriter:
    """Writes a table of predictions."""

    def __init__(self, study: Study, made: Made, unsure: Unsure) -> None:
        self._study, self._target, self._made, self._unsure = study, row_target_of(study), made, unsure
        self._more: tuple[str, ...] = ()
        self._rows: list[tuple[str | int, ...]] = []

    def add(self, prediction: CasePrediction) -> None:
        """Keep a row, and nothing of the case's voxels: there may be a hundred thousand."""
        assert prediction.vector is not None
        more = self._unsure(self._study, prediction)
        self._more = tuple(more)
        cells = (f"{value:.6g}" for value in more.values())
        self._rows.append((prediction.case.subject, *self._target.row(self._study, prediction.vector), *cells))

    def finish(self) -> tuple[Path, ...]:
        """Write the table, if there is a row."""
        if not self._rows:
            return ()
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        writer.writerow([_SUBJECT, *self._target.header(self._study), *self._more])
        writer.writerows(self._rows)
        with self._made.writing(TABLE) as path:
            write_atomic(path, buffer.getvalue().encode())
        return (self._made.folder / TABLE,)


class TableScorer:
    """Scores vectors case by case, and together."""

    def __init__(self, study: Study) -> None:
        self._study, self._target, self._metrics = study, row_target_of(study), build_metrics(study)
        self._vectors: list[np.ndarray] = []
        self._truths: list[int | np.ndarray] = []

    def scores(self, prediction: CasePrediction) -> dict[str, float]:
        """Every metric that single cases have."""
        told, vector = told_of(self._study, prediction.case), prediction.vector
        if told == Told() or vector is None:
            what = f"the case has no {self._target.noun} to compare with"
            raise InputError.one(what, where=truth_of(prediction.case))
        truth = self._target.truth(self._study, told)
        scores = case_scores(self._study, self._metrics, vector, truth)
        self._vectors.append(vector)
        self._truths.append(truth)
        return scores

    def summary(self, scored: Sequence[CaseScores]) -> dict[str, Summary]:
        """Means over the cases, and what only the cohort has."""
        vectors, truths = np.stack(self._vectors), np.asarray(self._truths)
        return summarise(scored) | cohort_scores(self._study, self._metrics, vectors, truths)


def read_table(path: Path, study: Study) -> Callable[[Case], np.ndarray]:
    """Vectors of cases from a table that a `TableWriter` wrote, or one of its form. Of classes it may have the answers
    alone, in `Prediction`: each is taken for certain, and that is said.

    Raises `InputError` for what is no such table; what is returned raises it for a case that the table lacks, and for
    cells that are no prediction.
    """
    target = row_target_of(study)
    columns = target.needed(study)
    rows, names = _rows(path, columns)
    is_bare = _ANSWER in names and not {*columns} & {*names} and target.activation_of(study) is Activation.SOFTMAX
    if is_bare:
        note(f"note: {path.name} has no probabilities: each answer is taken for certain, also by metrics such as auc")

    def found(case: Case) -> np.ndarray:
        with naming(case, f"{PREDICTION} in {path.name}"):
            row = rows.get(case.subject)
            if row is None:
                raise InputError.one("the table has no prediction for this case", remedy="Predict it, or leave it out")
            if is_bare:
                return _certain(study, target, row[_ANSWER] or "")
            return target.vector(study, [row.get(column) or "" for column in columns])

    return found


def _rows(path: Path, columns: Sequence[str]) -> tuple[dict[str, dict[str, str]], Sequence[str]]:
    """Rows by their subjects, and the names of the columns. Raises `InputError`."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            rows, names = [*reader], reader.fieldnames or ()
            subjects = [row[_SUBJECT] for row in rows]
    except (OSError, KeyError, UnicodeDecodeError):
        raise InputError.one(
            "this is not a table of predictions",
            where=str(path),
            expected=f"a CSV file with the columns {_SUBJECT}, {', '.join(columns)}",
            remedy="Give the folder that `wardround predict` wrote, or a table of its form",
        ) from None
    twice = [subject for subject, count in Counter(subjects).items() if count > 1]
    if twice:
        raise InputError.one(
            "the table has several predictions for a case",
            where=str(path),
            got=", ".join(map(repr, twice[:_SHOWN])),
            expected="each SubjectID once",
            remedy="Keep the row that counts",
        )
    return dict(zip(subjects, rows, strict=True)), names


def _certain(study: Study, target: RowTarget, cell: str) -> np.ndarray:
    """The probabilities of an answer that is taken for certain."""
    try:
        place = target.told(study, target.value(study, {VALUE: cell})).category
    except InputError as error:
        raise InputError(replace(problem, where=_ANSWER) for problem in error.problems) from None
    assert place is not None
    return np.asarray(np.eye(len(study.outputs), dtype=np.float32)[place])
