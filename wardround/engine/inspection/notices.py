"""What a user should know of a cohort that is allowed as it is; like cases are told of together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.problems import Problem
from wardround.engine.cohort.models import Cohort
from wardround.engine.imaging.types import Geometry
from wardround.engine.inspection.shapes import preprocessed_grid
from wardround.engine.study.models import Study

_SHOWN_SUBJECTS = 3


@dataclass(frozen=True)
class CaseFacts:
    """What was seen of one case.

    Attributes:
        grid: of its first channel.
        has_flat_channel: whether the voxels of a channel are all equal; False where voxels were not read.
        mask_values: values that its mask holds; None where there is no mask or it was not read.
    """

    grid: Geometry
    has_flat_channel: bool = False
    mask_values: frozenset[int] | None = None


def cohort_notices(study: Study, cohort: Cohort, facts: Mapping[str, CaseFacts]) -> tuple[Problem, ...]:
    """Everything worth knowing of a cohort whose cases are `facts`, by subject."""
    return (
        *_unlearnt_mirroring(study),
        *_smaller_than_patch(study, cohort, facts),
        *_shared_files(cohort),
        *_rare_classes(study, cohort),
        *_flat(cohort, facts),
        *_masks(study, cohort, facts),
    )


def _unlearnt_mirroring(study: Study) -> Iterator[Problem]:
    """Only mirror images that training shows to the model are of use to its predictions."""
    if study.inference.mirror and not study.flipped_axes:
        yield Problem(
            "mirror has no effect: predictions are averaged over the axes that augmentation flips, and it flips none",
            where="inference.mirror",
            remedy="Add `flip` with the axes along which a mirror image is as good as the image, or leave mirror out",
        )


def _notice(cohort: Cohort, subjects: Sequence[str], what: str, remedy: str = "") -> Problem:
    shown = ", ".join(repr(subject) for subject in subjects[:_SHOWN_SUBJECTS])
    more = f" and {len(subjects) - _SHOWN_SUBJECTS} more" if len(subjects) > _SHOWN_SUBJECTS else ""
    return Problem(f"{what}: {shown}{more}", where=cohort.manifest.name, remedy=remedy)


def _smaller_than_patch(study: Study, cohort: Cohort, facts: Mapping[str, CaseFacts]) -> Iterator[Problem]:
    small = []
    for subject, fact in facts.items():
        grid = preprocessed_grid(study, fact.grid)
        if grid is not None and any(have < need for have, need in zip(grid.shape, study.patches.size, strict=True)):
            small.append(subject)
    if small:
        size = " x ".join(map(str, study.patches.size))
        what = f"{len(small)} of {len(facts)} cases are smaller than the patch of {size} and will be padded with zeros"
        yield _notice(cohort, small, what, "A smaller patches.size wastes no work on padding")


def _shared_files(cohort: Cohort) -> Iterator[Problem]:
    patients: dict[Path, dict[str, str]] = defaultdict(dict)
    for case in cohort.cases:
        patients[case.channels[0]].setdefault(case.patient, case.subject)
    for path, by_patient in patients.items():
        if len(by_patient) > 1:
            what = f"{path.name} is the image of {len(by_patient)} patients"
            yield _notice(cohort, [*by_patient.values()], what, "If they are one person, give them one PatientID")


def _rare_classes(study: Study, cohort: Cohort) -> Iterator[Problem]:
    if study.task != "classification" or any(case.split for case in cohort.cases):
        return
    folds = study.validation.outer_folds
    for name, number in study.classes.items():
        patients = sorted({case.patient for case in cohort.cases if case.value == str(number)})
        if not patients:
            yield Problem(f"no case has the class {name!r}", where=cohort.manifest.name)
        elif len(patients) < folds:
            what = f"the class {name!r} has {len(patients)} patients, so some of the {folds} folds lack it"
            yield _notice(cohort, patients, what)


def _flat(cohort: Cohort, facts: Mapping[str, CaseFacts]) -> Iterator[Problem]:
    flat = [subject for subject, fact in facts.items() if fact.has_flat_channel]
    if flat:
        yield _notice(cohort, flat, f"{len(flat)} cases have a channel whose voxels are all equal")


def _masks(study: Study, cohort: Cohort, facts: Mapping[str, CaseFacts]) -> Iterator[Problem]:
    masks = {subject: fact.mask_values for subject, fact in facts.items() if fact.mask_values is not None}
    empty = [subject for subject, values in masks.items() if not values - {0}]
    if empty and study.task == "segmentation":
        yield _notice(cohort, empty, f"{len(empty)} of {len(masks)} masks are empty")
    for name, value in study.classes.items():
        if masks and study.task == "segmentation" and not any(value in values for values in masks.values()):
            yield Problem(f"no mask has the class {name!r} ({value})", where=cohort.manifest.name)
