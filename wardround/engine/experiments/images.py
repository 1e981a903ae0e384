"""Predictions that are images: a file for each case and target, on the grid of its image, with the intensities that
the images to learn from have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from wardround.engine.basics.made import Made
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.basics.reading import require_folder
from wardround.engine.cohort import Case, Cohort
from wardround.engine.experiments.combining import Prepared, Watcher, mean_and_variance
from wardround.engine.experiments.ensemble import Ensemble
from wardround.engine.experiments.maps import map_name
from wardround.engine.experiments.mask_files import MaskFormat
from wardround.engine.experiments.masks import unnameable
from wardround.engine.experiments.models import TrainedModel
from wardround.engine.experiments.results import (
    PREDICTION,
    TRUTH,
    CasePrediction,
    Predictor,
    gathered,
    require_one,
    truth_of,
)
from wardround.engine.imaging import read_image
from wardround.engine.imaging.formats import suffix_of
from wardround.engine.imaging.image import Geometry, Image
from wardround.engine.imaging.writing import write_image
from wardround.engine.metrics import CaseScores, Summary, build_metrics, image_scores, summarise
from wardround.engine.preprocessing import Sample, read_sample, to_native
from wardround.engine.preprocessing.cases import naming, wanted_problems
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study


class ImageResults:
    """Images of a study's targets."""

    def __init__(self, study: Study, format_: MaskFormat = MaskFormat.LIKE_IMAGE) -> None:
        self._study, self._format = study, format_

    def nameless(self, cohort: Cohort) -> Mapping[str, Problem]:
        """Subjects that cannot name the files of their images, or would share one with another."""
        found = unnameable(cohort, self._format)
        taken: dict[str, Case] = {}
        for case in cohort.cases:
            for name in self._names(case):
                other = taken.setdefault(name.lower(), case)
                if other is not case and case.subject not in found:
                    what, got = "two subjects would share a file", f"{case.subject!r} and {other.subject!r}: {name}"
                    where, remedy = cohort.place(case, "SubjectID"), "Give one of them another SubjectID"
                    found[case.subject] = Problem(what, where, got, "names that differ by more", remedy)
        return found

    def names(self, cohort: Cohort) -> list[str]:
        """A file for each case and target."""
        nameless = self.nameless(cohort)
        return [name for case in cohort.cases if case.subject not in nameless for name in self._names(case)]

    def _names(self, case: Case) -> tuple[str, ...]:
        return image_names(self._study, case, self._format)

    def of_models(
        self, ensemble: Ensemble, case: Case, prepared: Prepared, sample: Sample, *watchers: Watcher
    ) -> CasePrediction:
        """The mean of what the models make, voxel by voxel on the native grid."""
        made = [native_images(member, prepared(member)) for member in ensemble.members]
        if len(made) == 1 and not watchers:
            return CasePrediction(case, None, None, sample, images=made[0])
        means = []
        for index in range(len(ensemble.study.outputs)):
            mean, variance = mean_and_variance(each[index] for each in made)
            for watcher in watchers:
                watcher.put(index, mean, variance)
            means.append(mean)
        return CasePrediction(case, None, None, sample, images=np.stack(means))

    def writer(self, made: Made) -> ImageWriter:
        """Writes each image at once."""
        return ImageWriter(self._study, made, self._format)

    def reader(self, cohort: Cohort, folder: Path) -> Predictor:
        """Images of the names that `image_names` gives, in any format."""
        require_folder(folder, "the folder that `wardround predict` wrote", "Name the folder itself")
        require_one(cohort, lambda case: _found(self._study, case, folder))

        def read(case: Case) -> CasePrediction:
            with gathered() as findings:
                with findings.gather():
                    sample = read_sample(self._study, case, mask_word=TRUTH)
                with findings.gather():
                    files = _found(self._study, case, folder)
            grid = sample.image.geometry
            return CasePrediction(case, None, None, sample, images=_read(self._study, case, files, grid))

        return read

    def scorer(self) -> ImageScorer:
        """Scores case by case."""
        return ImageScorer(self._study)


class ImageWriter:
    """Writes images as float32."""

    def __init__(self, study: Study, made: Made, format_: MaskFormat) -> None:
        self._study, self._made, self._format = study, made, format_
        self._files: list[Path] = []

    def add(self, prediction: CasePrediction) -> None:
        """Write the images of a case."""
        assert prediction.images is not None
        case, grid = prediction.case, prediction.sample.image.geometry
        for name, values in zip(image_names(self._study, case, self._format), prediction.images, strict=True):
            with self._made.writing(name) as path:
                write_image(path, Image(values[None], grid), case.channels[0])
            self._files.append(self._made.folder / name)

    def finish(self) -> tuple[Path, ...]:
        """Nothing is left."""
        return tuple(self._files)


class ImageScorer:
    """Scores images on the grids of their files."""

    def __init__(self, study: Study) -> None:
        self._study, self._metrics = study, build_metrics(study)

    def scores(self, prediction: CasePrediction) -> dict[str, float]:
        """Every metric of every image."""
        truth, made = prediction.sample.wanted, prediction.images
        if truth is None or made is None:
            raise InputError.one("the case has no image to compare with", where=truth_of(prediction.case))
        return image_scores(self._study, self._metrics, made, truth, prediction.sample.image.geometry.spacing)

    def summary(self, scored: Sequence[CaseScores]) -> dict[str, Summary]:
        """Means over the cases."""
        return summarise(scored)


def image_names(study: Study, case: Case, format_: MaskFormat = MaskFormat.LIKE_IMAGE) -> tuple[str, ...]:
    """The names of a case's images, one for each target: its subject, where there are several the target behind it, and
    the ending of a format that holds fractions."""
    name = map_name(case, format_)
    if len(study.targets) == 1:
        return (name,)
    suffix = suffix_of(Path(name))
    return tuple(f"{name.removesuffix(suffix)}_{target}{suffix}" for target in study.targets)


def native_images(model: TrainedModel, stored: StoredCase) -> np.ndarray:
    """float32 (outputs, *native): what a model makes of a case. Beyond a grid to which the case was cut, which the
    model has not seen, lies the least value that it has made."""
    values = model.task.predict(model.network, stored, model.device).values
    return np.concatenate([_native(each[None], stored) for each in values])


def _native(volume: np.ndarray, stored: StoredCase) -> np.ndarray:
    least = float(volume.min())
    return to_native(volume, stored.geometry, stored.native, "probabilities", stored.cut_to, least)


def _found(study: Study, case: Case, folder: Path) -> tuple[Path, ...]:
    """The files of a case's images. Raises `InputError` where one is missing."""
    usual = image_names(study, case)
    for format_ in MaskFormat:
        files = tuple(folder / name for name in image_names(study, case, format_))
        if all(file.is_file() for file in files):
            return files
    missing = [name for name in usual if not (folder / name).is_file()]
    where = f"{case.name}, {PREDICTION} {folder / (missing or [*usual])[0]}"
    expected, remedy = ", ".join(usual), "Predict it, or leave the case out of the table"
    raise InputError.one("there is no prediction for this case", where=where, expected=expected, remedy=remedy)


def _read(study: Study, case: Case, files: Sequence[Path], grid: Geometry) -> np.ndarray:
    """float32 (targets, *grid). Raises `InputError` for files that are no images on the grid."""
    return np.stack([*_images(study, case, files, grid)])


def _images(study: Study, case: Case, files: Sequence[Path], grid: Geometry) -> Iterator[np.ndarray]:
    for name, path in zip(study.targets, files, strict=True):
        part = f"{PREDICTION} {path}"
        with naming(case, part):
            made = read_image(path)
        problems = wanted_problems(name, made, grid, f"{case.name}, {part}", study.inputs[0])
        if problems:
            raise InputError(problems)
        yield made.data[0]
