"""Maps beside predicted masks or images, on the grid of the image: probabilities, and how sure they are.

`probabilities/CLASS` has a file for each case, and so have `uncertainty/entropy` and, of several models,
`uncertainty/variance`: float32, called as the case's mask.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from wardround.engine.basics.made import PREDICT, Made
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.cohort import Case, Cohort
from wardround.engine.experiments.ensemble import Ensemble
from wardround.engine.experiments.features import FEATURES, feature_problems
from wardround.engine.experiments.mask_files import MaskFormat, mask_name
from wardround.engine.imaging.formats import suffix_of
from wardround.engine.imaging.image import Geometry, Image
from wardround.engine.imaging.writing import write_image
from wardround.engine.study import Study
from wardround.engine.targets import Activation, Written, target_of

PROBABILITIES, ENTROPY, VARIANCE = "probabilities", "uncertainty/entropy", "uncertainty/variance"
# Neither holds fractions.
_SUFFIXES: Mapping[str, str] = MappingProxyType({".png": ".tif", ".dcm": ".nii.gz"})


@dataclass(frozen=True)
class Extras:
    """What is written beside predictions.

    Attributes:
        probabilities: a map for each class or region.
        features: a table of what a network that has a code says of each case (`experiments.features`).
        uncertainty: a map of the entropy of the probabilities, and of several models one of their variance; in a table
            columns of these.
    """

    probabilities: bool = False
    uncertainty: bool = False
    features: bool = False


NO_EXTRAS = Extras()


def map_name(case: Case, format_: MaskFormat = MaskFormat.LIKE_IMAGE) -> str:
    """The name of a case's maps: that of its mask, in a format that holds fractions."""
    name = mask_name(case, format_)
    suffix = suffix_of(Path(name))
    return name[: len(name) - len(suffix)] + _SUFFIXES.get(suffix, suffix)


def map_folders(study: Study, extras: Extras, models: int) -> list[str]:
    """The folders of maps, below that of the predictions."""
    named = [f"{PROBABILITIES}/{name}" for name in study.outputs] if extras.probabilities else []
    entropy = [ENTROPY] if _has_entropy(study) else []
    unsure = [*entropy, *([VARIANCE] if models > 1 else [])] if extras.uncertainty else []
    return [*named, *unsure]


def _has_entropy(study: Study) -> bool:
    """Whether predictions are probabilities."""
    return target_of(study).activation_of(study) is not Activation.IDENTITY


def require_extras(ensemble: Ensemble, cohort: Cohort, folder: Path, extras: Extras, format_: MaskFormat) -> None:
    """Raise `InputError` where a prediction has no such maps, or where they would replace somebody's own files."""
    problems = [*_without_meaning(ensemble, extras), *(feature_problems(ensemble) if extras.features else ())]
    if not problems and extras.features:
        Made(folder, PREDICT).require_free([FEATURES], "predictions")
    if not problems and target_of(ensemble.study).written is not Written.ROW:
        names = [map_name(case, format_) for case in cohort.cases]
        for each in map_folders(ensemble.study, extras, len(ensemble.members)):
            Made(folder / each, PREDICT).require_free(names, "predictions")
    if problems:
        raise InputError(problems)


def _without_meaning(ensemble: Ensemble, extras: Extras) -> Iterator[Problem]:
    target = target_of(ensemble.study)
    is_table = target.written is Written.ROW
    if extras.probabilities and is_table:
        what = "predictions of this model are one table, which has the probabilities of classes"
        yield Problem(what, "--probabilities", remedy="Leave `--probabilities` out")
    if extras.probabilities and target.written is Written.IMAGE:
        what = "predictions of this model are images, which have no probabilities"
        yield Problem(what, "--probabilities", remedy="Leave `--probabilities` out")
    is_number = target.activation_of(ensemble.study) is Activation.IDENTITY
    if extras.uncertainty and is_number and len(ensemble.members) == 1:
        what, expected = "one model alone says a number, and not how sure it is", "several models, which may differ"
        remedy = "Name a run's folder, or several models, or leave `--uncertainty` out"
        yield Problem(what, "--uncertainty", "1 model", expected, remedy)


class CaseMaps:
    """Writes the maps of one case while its classes are combined, one after the other."""

    def __init__(
        self, ensemble: Ensemble, folder: Path, case: Case, grid: Geometry, extras: Extras, format_: MaskFormat
    ) -> None:
        self._study, self._folder, self._grid, self._image = ensemble.study, folder, grid, case.channels[0]
        self._name, self._extras = map_name(case, format_), extras
        self.spreads = extras.uncertainty and len(ensemble.members) > 1
        unsure = extras.uncertainty and _has_entropy(ensemble.study)
        self._entropy = np.zeros(grid.shape, np.float32) if unsure else None
        self._variance = np.zeros(grid.shape, np.float32) if self.spreads else None
        self.files: list[Path] = []

    def put(self, index: int, mean: np.ndarray, variance: np.ndarray | None) -> None:
        """Write an output's probabilities, and add it to what is summed over outputs."""
        if self._extras.probabilities:
            self._write(f"{PROBABILITIES}/{self._study.outputs[index]}", mean)
        if self._entropy is not None:
            self._entropy += entropy_of(mean, target_of(self._study).activation_of(self._study))
        if self._variance is not None and variance is not None:
            self._variance += variance

    def finish(self) -> None:
        """Write what is summed over outputs; the variance is their mean."""
        if self._entropy is not None:
            self._write(ENTROPY, self._entropy)
        if self._variance is not None:
            self._write(VARIANCE, self._variance / len(self._study.outputs))

    def _write(self, below: str, values: np.ndarray) -> None:
        made = Made(self._folder / below, PREDICT)
        with made.writing(self._name) as path:
            write_image(path, Image(values.astype(np.float32, copy=False)[None], self._grid), self._image)
        self.files.append(made.folder / self._name)


def entropy_of(probabilities: np.ndarray, activation: Activation) -> np.ndarray:
    """What an output adds to the entropy, in nats: -p log p where classes shut each other out, and of one that is or is
    not, -p log p - (1 - p) log(1 - p)."""
    own = _information(probabilities)
    return own if activation is Activation.SOFTMAX else own + _information(1 - probabilities)


def _information(p: np.ndarray) -> np.ndarray:
    return np.asarray(-p * np.log(np.maximum(p, np.finfo(np.float32).tiny)))
