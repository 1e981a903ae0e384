"""Several models that predict together: those of all folds of a run, or any that say the same of the same images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.experiments.chosen_steps import always
from wardround.engine.experiments.models import BEST, STUDY, TrainedModel, load_model, require_model
from wardround.engine.study import Study, load_study
from wardround.engine.study.expectations import flow
from wardround.engine.study.part_names import PartUse
from wardround.engine.targets import Activation, Written, target_of

_ALIKE = ("task", "dimensions", "inputs", "columns", "classes", "regions", "targets")
"""Keys of which the models of an ensemble must say the same."""


class Combine(StrEnum):
    """How several predictions become one."""

    MEAN = "mean"
    """Probabilities or numbers are averaged."""
    MAJORITY = "majority"
    """Each model has a vote, of each voxel or case; of equal ones the first class wins, which is the background."""
    STAPLE = "staple"
    """Masks, by how well each model agrees with what all say together (Warfield et al. 2004)."""


@dataclass(frozen=True)
class Ensemble:
    """Models that predict the same, and how their predictions are combined. One alone is the simplest.

    Attributes:
        members: at least one; they may differ in preprocessing and network.
        combine: how they are combined.
    """

    members: tuple[TrainedModel, ...]
    combine: Combine = Combine.MEAN

    @property
    def study(self) -> Study:
        """That of the first one, which says what is predicted and how it is written."""
        return self.members[0].study

    @property
    def notices(self) -> tuple[Problem, ...]:
        """What whoever uses them should know."""
        return tuple(dict.fromkeys(notice for member in self.members for notice in member.notices))

    @property
    def steps(self) -> tuple[PartUse, ...]:
        """The post-processing of what they say together: the study's steps that more than half of them decided on."""
        named, half = map(always, self.study.inference.postprocessing), len(self.members) / 2
        return tuple(use for use in named if sum(use in member.steps for member in self.members) > half)


Model = TrainedModel | Ensemble


def ensemble_of(model: Model) -> Ensemble:
    """A model as an ensemble of one."""
    return model if isinstance(model, Ensemble) else Ensemble((model,))


def load_ensemble(folders: Sequence[Path], combine: Combine = Combine.MEAN, *, device: str = "auto") -> Ensemble:
    """Load the best weights of model folders. Raises `InputError` as `load_model` and `require_alike` do."""
    require_alike(folders, combine)
    return Ensemble(tuple(load_model(folder, device=device) for folder in folders), combine)


def model_folders(places: Sequence[Path]) -> tuple[Path, ...]:
    """The model folders that are meant: those that are named, and of a run's folder those of all its folds.

    Raises `InputError` with all that is wrong: a place that is neither, a fold that is not finished, a model twice.
    """
    findings, found = Findings(), list[Path]()
    for place in places:
        with findings.gather():
            found.extend(_meant(place))
    for folder in dict.fromkeys(each for each in found if _count(found, each) > 1):
        findings.add("a model is named twice", where=str(folder), remedy="Name each model once")
    findings.raise_if_any()
    return tuple(found)


def _count(folders: Sequence[Path], folder: Path) -> int:
    return sum(each.resolve() == folder.resolve() for each in folders)


def _meant(place: Path) -> list[Path]:
    folds = [] if _is_model(place) else sorted(path for path in place.glob("fold-*") if path.is_dir())
    if not any(_is_model(fold / "model") for fold in folds):
        require_model(place)
        return [place]
    unfinished = [fold for fold in folds if not _is_model(fold / "model")]
    if unfinished:
        finished = ", ".join(fold.name for fold in folds if fold not in unfinished)
        remedy = "Run `wardround fit` again to finish them, or name the models of the others one by one"
        got = f"no model in {', '.join(fold.name for fold in unfinished)}"
        what, expected = "not all folds of this run are finished", f"as in {finished}"
        raise InputError.one(what, where=str(place), got=got, expected=expected, remedy=remedy)
    return [fold / "model" for fold in folds]


def _is_model(folder: Path) -> bool:
    return (folder / STUDY).is_file() and (folder / BEST).is_file()


def require_alike(folders: Sequence[Path], combine: Combine = Combine.MEAN) -> None:
    """Raise `InputError` with everything in which models differ that have to say the same, and for a way to combine
    that has no meaning for what they predict. Reads their studies alone."""
    findings, studies = Findings(), list[Study]()
    for folder in folders:
        with findings.gather():
            studies.append(load_study(folder / STUDY))
    findings.raise_if_any()
    for folder, study in zip(folders[1:], studies[1:], strict=True):
        findings.extend(_differences(folder, study, folders[0], studies[0]))
    findings.extend(_meaningless(studies[0], combine))
    findings.raise_if_any()


def _differences(folder: Path, study: Study, first: Path, other: Study) -> Iterator[Problem]:
    pairs = {key: (getattr(study, key), getattr(other, key)) for key in _ALIKE}
    pairs["inference.postprocessing"] = study.inference.postprocessing, other.inference.postprocessing
    for key, (got, expected) in pairs.items():
        if got != expected:
            told = [flow([each.name for each in side] if "." in key else side) for side in (got, expected)]
            what, remedy = f"two models of an ensemble have other {key}", "Take one of the two out"
            yield Problem(what, f"{folder}, {key}", told[0], f"{told[1]}, as in {first}", remedy)


def _meaningless(study: Study, combine: Combine) -> Iterator[Problem]:
    target = target_of(study)
    if combine is Combine.STAPLE and target.written is not Written.FILE:
        what = f"STAPLE combines masks, and a {study.task} has none"
        yield Problem(what, "--combine", combine, "mean or majority", "Write `--combine mean`")
    elif combine is Combine.MAJORITY and target.activation_of(study) is Activation.IDENTITY:
        what = f"models vote for classes, and a {study.task} has none"
        yield Problem(what, "--combine", combine, Combine.MEAN, "Write `--combine mean`")
