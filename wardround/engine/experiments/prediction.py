"""Predictions in the images' own geometry, written one file at a time."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.made import PREDICT, Made
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.basics.progress import Progress
from wardround.engine.cohort import Case, Cohort
from wardround.engine.cohort.filenames import names_a_file, no_name_of_a_file
from wardround.engine.experiments.masklike import looks_like_mask
from wardround.engine.experiments.models import TrainedModel
from wardround.engine.experiments.workbench import SILENT
from wardround.engine.imaging import write_label
from wardround.engine.imaging.formats import suffix_of
from wardround.engine.imaging.image import Geometry
from wardround.engine.inference import ClassVolumes
from wardround.engine.preprocessing import Pipeline, Sample, only_rearranged, read_sample, target_index, to_native
from wardround.engine.preprocessing.cases import image_of, naming
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study
from wardround.engine.tasks import SegmentationTask

TABLE = "predictions.csv"
TRUTH, PREDICTION = "truth", "prediction"
"""What messages call a mask or a value: the one that counts, and the one that is scored."""
TableRow = tuple[str | int, ...]
# JPEG would change a mask's values.
_MASK_SUFFIX = {".jpg": ".png", ".jpeg": ".png"}


@dataclass(frozen=True)
class CasePrediction:
    """What a model says of one case.

    Attributes:
        case: the case.
        labels: for a segmentation, class indices on the grid of the case's file.
        probabilities: for a classification, (classes,).
        sample: the case as read from its files.
    """

    case: Case
    labels: np.ndarray | None
    probabilities: np.ndarray | None
    sample: Sample


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
        stored = in_memory(model.study, case, sample)
    if model.study.task == "segmentation":
        return CasePrediction(case, _native_labels(model, stored), None, sample)
    prediction = model.task.predict(model.network, stored, model.device)
    return CasePrediction(case, None, prediction.probabilities, sample)


def _native_labels(model: TrainedModel, stored: StoredCase) -> np.ndarray:
    """The most probable class per native voxel. Probabilities are brought to another grid one class at a time, and are
    in memory one class at a time where they are big; to another order of axes labels can be brought as they are."""
    if only_rearranged(stored.geometry, stored.native):
        labels = model.task.most_probable(model.network, stored, model.device)
        return to_native(labels, stored.geometry, stored.native, "label")
    assert isinstance(model.task, SegmentationTask)
    with model.task.by_class(model.network, stored, model.device) as volumes:
        return native_labels(volumes, stored.geometry, stored.native)


def in_memory(study: Study, case: Case, sample: Sample) -> StoredCase:
    """A preprocessed case that is in no store: prediction leaves no copy of an image behind."""
    ready = Pipeline(study).apply(sample)
    return StoredCase(
        digest="",
        image=ready.image.data,
        label=ready.label,
        foreground={},
        geometry=ready.image.geometry,
        native=sample.image.geometry,
        target=target_index(study, case),
        folder=Path(),
    )


def native_labels(probabilities: ClassVolumes, stored: Geometry, native: Geometry) -> np.ndarray:
    """The most probable class per native voxel; probabilities are resampled, one class at a time to bound memory."""
    best = to_native(probabilities.volume(0)[None], stored, native, "probabilities")[0]
    labels = np.zeros(best.shape, dtype=np.uint8 if probabilities.classes <= 256 else np.uint16)
    for index in range(1, probabilities.classes):
        values = to_native(probabilities.volume(index)[None], stored, native, "probabilities")[0]
        higher = values > best
        labels[higher] = index
        np.copyto(best, values, where=higher)
        del values, higher
    return labels


def mask_name(case: Case) -> str:
    """The name of a case's predicted mask: its subject, and the ending of its first channel (PNG for JPEG)."""
    suffix = suffix_of(case.channels[0])
    return case.subject + _MASK_SUFFIX.get(suffix, suffix)


def write_predictions(model: TrainedModel, cohort: Cohort, folder: Path, shown: Progress = SILENT) -> Written:
    """Predict every case into `folder`: one mask per case, or one table for a classification.

    A case whose voxels cannot be read, or whose subject cannot name its mask, is left out and told at the end; the
    others are written. Raises `InputError` before any work if that would replace what no prediction has written.
    """
    made = require_free(model.study, cohort, folder)
    nameless = unnameable(cohort) if model.study.task == "segmentation" else {}
    findings = Findings([*nameless.values()])
    rows: list[TableRow] = []
    files: list[Path] = []
    like_masks: list[str] = []
    write: Callable[[CasePrediction], None]

    def write_mask(prediction: CasePrediction) -> None:
        files.append(_write_mask(model.study, prediction, made))

    def keep_row(prediction: CasePrediction) -> None:
        # Not the prediction, which holds the case's voxels: there may be a hundred thousand.
        rows.append(_table_row(model.study, prediction))

    write = write_mask if model.study.task == "segmentation" else keep_row
    predicted = 0
    for done, case in enumerate(cohort.cases, start=1):
        if case.subject not in nameless:
            with findings.gather():
                prediction = predict_case(model, case)
                write(prediction)
                predicted += 1
                if looks_like_mask(prediction.sample.image.data):
                    like_masks.append(case.subject)
                del prediction  # with its voxels, before the next ones are read
        shown.advance(done, case.subject)
    if rows:
        files.append(_write_table(model.study, rows, made))
    return Written(tuple(files), predicted, tuple(findings.problems), tuple(like_masks))


def require_free(study: Study, cohort: Cohort, folder: Path) -> Made:
    """What predictions may write into `folder`. Raises `InputError` where they would replace somebody's own files."""
    made = Made(folder, PREDICT)
    if study.task == "segmentation":
        nameless = unnameable(cohort)
        names = [mask_name(case) for case in cohort.cases if case.subject not in nameless]
    else:
        names = [TABLE]
    made.require_free(names, "predictions")
    return made


def unnameable(cohort: Cohort) -> dict[str, Problem]:
    """What is wrong with each subject that cannot name the file of its mask, or whose file another one has (case
    ignored)."""
    found: dict[str, Problem] = {}
    taken: dict[str, str] = {}
    for case in cohort.cases:
        where = cohort.place(case, "SubjectID")
        if not names_a_file(case.subject):
            found[case.subject] = no_name_of_a_file(case.subject, where)
            continue
        other = taken.setdefault(mask_name(case).lower(), case.subject)
        if other != case.subject:
            found[case.subject] = Problem(
                "two subjects would share a file",
                where,
                f"{case.subject!r} and {other!r}",
                "names that differ by more than upper and lower case",
                "Give one of them another SubjectID",
            )
    return found


def _write_mask(study: Study, prediction: CasePrediction, made: Made) -> Path:
    assert prediction.labels is not None
    name = mask_name(prediction.case)
    values = np.asarray(study.class_values, dtype=np.uint16)
    geometry, image = prediction.sample.image.geometry, prediction.case.channels[0]
    with made.writing(name) as path:
        write_label(path, values[prediction.labels], geometry, like=image)
    return made.folder / name


def _table_row(study: Study, prediction: CasePrediction) -> TableRow:
    assert prediction.probabilities is not None
    index = int(np.argmax(prediction.probabilities))
    probabilities = [f"{value:.6f}" for value in prediction.probabilities]
    return (prediction.case.subject, study.class_values[index], study.class_names[index], *probabilities)


def _write_table(study: Study, rows: Sequence[TableRow], made: Made) -> Path:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["SubjectID", "Prediction", "Class", *(f"Probability_{name}" for name in study.class_names)])
    writer.writerows(rows)
    with made.writing(TABLE) as path:
        write_atomic(path, buffer.getvalue().encode())
    return made.folder / TABLE


def read_table(path: Path, study: Study) -> Callable[[Case], np.ndarray]:
    """Probabilities of cases from a table that `write_predictions` wrote, or one of its form.

    Raises `InputError` for what is no such table; what is returned raises it for a case that the table lacks, and for
    cells that are no probabilities.
    """
    columns = [f"Probability_{name}" for name in study.class_names]
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            rows = {row["SubjectID"]: row for row in csv.DictReader(handle)}
    except (OSError, KeyError, UnicodeDecodeError):
        raise InputError.one(
            "this is not a table of predictions",
            where=str(path),
            expected=f"a CSV file with the columns SubjectID, {', '.join(columns)}",
            remedy="Give the folder that `wardround predict` wrote",
        ) from None

    def found(case: Case) -> np.ndarray:
        with naming(case, f"{PREDICTION} in {path.name}"):
            return _probabilities(rows.get(case.subject), columns)

    return found


def _probabilities(row: dict[str, str] | None, columns: Sequence[str]) -> np.ndarray:
    if row is None:
        raise InputError.one("the table has no prediction for this case", remedy="Predict it, or leave it out")
    try:
        values = np.array([float(row[column]) for column in columns], dtype=np.float32)
    except (KeyError, TypeError, ValueError):
        raise InputError.one("these are not probabilities", expected=f"numbers in {', '.join(columns)}") from None
    if not (np.isfinite(values).all() and (values >= 0).all() and (values <= 1).all()):
        raise InputError.one("probabilities lie between 0 and 1", got=str(values.tolist()))
    return values
