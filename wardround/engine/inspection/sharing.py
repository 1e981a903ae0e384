"""One file in several rows: a mask that is named for images of several patients, an image beside another one's mask.

Cells that slipped by a row, or that a spreadsheet has filled in, name files that exist and lie on the right grid, so
that nothing else tells of them. What may be meant (an empty mask of whoever has no finding, two readers of one image,
two images of one examination) is no error.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.cohort.models import Case, Cohort
from wardround.engine.imaging.reading import label_grid, read_label
from wardround.engine.inspection.exchanged import ASTRAY
from wardround.engine.inspection.notices import CaseFacts
from wardround.engine.preprocessing.labels import classes_of, value_counts
from wardround.engine.study.models import Study

_LOOKED_AT = 100
"""Masks that several rows name of which the voxels are read, to tell those that mark nothing."""
_SHOWN = 3


def with_shared_masks(problems: Sequence[Problem], study: Study, cohort: Cohort) -> list[Problem]:
    """The problems, and one for every mask that marks something and is named for different images of several patients.

    Where a row names the file of another one, that its grids differ is no matter of headers.
    """
    wrong = _wrongly_shared(study, cohort)
    told = {cohort.place(case, "Label") for cases in wrong for case in cases}
    beside = {cohort.place(case, "Label"): (case, other) for case, other in _same_images(cohort)}
    left = [problem for problem in problems if not (problem.what == ASTRAY and problem.where in told)]
    return [*(_of_its_row(problem, beside) for problem in left), *(_shared(cohort, cases) for cases in wrong)]


def copied_masks(study: Study, cohort: Cohort, facts: Mapping[str, CaseFacts]) -> Iterator[Problem]:
    """What is worth knowing of masks that are the same under several names, for different images of several patients.

    Masks of one value alone, such as those of small tiles, are alike by chance; of others only voxels that were read
    are compared.
    """
    marked = [case for case in cohort.cases if _has_shape(study, facts.get(case.subject))]
    groups = _groups(marked, lambda case: _truth(facts[case.subject]))
    for cases in groups:
        if len({case.label for case in cases}) > 1 and _of_several(cases):
            yield Problem(
                f"the same mask stands under {len({case.label for case in cases})} names for different images: "
                f"{_named(cases)}",
                where=cohort.manifest.name,
                remedy="Was a file copied under another name, or exported twice? Name each image's own mask",
            )


def _groups(cases: Iterable[Case], key: Callable[[Case], Hashable]) -> list[list[Case]]:
    """Cases that share a key, where there are several of them."""
    found: dict[Hashable, list[Case]] = defaultdict(list)
    for case in cases:
        of = key(case)
        if of:
            found[of].append(case)
    return [group for group in found.values() if len(group) > 1]


def _wrongly_shared(study: Study, cohort: Cohort) -> list[list[Case]]:
    groups = _groups(cohort.cases, lambda case: case.label and case.label.resolve())
    several = [cases for cases in groups if _of_several(cases)][:_LOOKED_AT]
    return [cases for cases in several if _marks(study, cases[0])]


def _of_several(cases: Sequence[Case]) -> bool:
    """Whether cases are different images of several patients."""
    return len({case.patient for case in cases}) > 1 and len({case.channels for case in cases}) > 1


def _marks(study: Study, case: Case) -> bool:
    """Whether a mask has a voxel of a class; a file that cannot be read is not known to have none."""
    mask = case.label
    try:
        found = {} if mask is None else value_counts(_values(study, mask, case))
    except (InputError, OSError):  # told of elsewhere
        return True
    return (
        bool(found.keys() - {0, *study.ignored_values})
        if study.rest == "error"
        else bool(found.keys() & classes_of(study).keys() - {0})
    )


def _values(study: Study, mask: Path, case: Case) -> np.ndarray:
    return read_label(mask, label_grid(mask, case.channels[0], study.dicom), study.dicom)[0]


def _has_shape(study: Study, facts: CaseFacts | None) -> bool:
    values = facts.mask_values if facts is not None else None
    return values is not None and len(values) > 1 and bool(values & classes_of(study).keys() - {0})


def _truth(facts: CaseFacts) -> str:
    return facts.content.truth if facts.content is not None else ""


def _shared(cohort: Cohort, cases: Sequence[Case]) -> Problem:
    first, *others = cases
    mask = first.label.name if first.label is not None else ""
    who = "patients" if cohort.patients.stated else "rows"
    return Problem(
        f"one mask is named for different images of several {who}",
        where=cohort.place(others[-1], "Label"),
        got=f"{mask} for {_named(cases)}",
        expected="for each image its own mask",
        remedy="Did the cells slip by a row? Name each image's own mask; rows of one person need the same PatientID",
    )


def _named(cases: Sequence[Case]) -> str:
    shown = ", ".join(f"{case.subject!r} (line {case.row})" for case in cases[:_SHOWN])
    return f"{shown} and {len(cases) - _SHOWN} more" if len(cases) > _SHOWN else shown


def _same_images(cohort: Cohort) -> Iterator[tuple[Case, Case]]:
    """Each case whose image another row names too, with the first of these."""
    for group in _groups(cohort.cases, lambda case: case.channels):
        for case in group:
            yield case, next(other for other in group if other is not case)


def _of_its_row(problem: Problem, beside: Mapping[str, tuple[Case, Case]]) -> Problem:
    """A problem; that of a mask beside an image that another row names too is the image's."""
    if problem.what != ASTRAY or problem.where not in beside:
        return problem
    case, other = beside[problem.where]
    return replace(
        problem,
        what="the mask does not lie on the image, which another row names too",
        got=f"{case.channels[0].name}, as on line {other.row} ({other.subject!r})",
        expected="the image on which this mask was drawn",
        remedy="Name the image of this row in Channel_0",
    )
