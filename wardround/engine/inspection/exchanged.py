"""Masks that lie on the grid of another row's image: the rows are mixed up, and no registration mends that."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace

from wardround.engine.basics.dicom import REFUSING, Dicom
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.cohort.models import Case, Cohort
from wardround.engine.imaging.geometry import geometry_differences
from wardround.engine.imaging.image import Geometry
from wardround.engine.imaging.reading import label_grid, read_header, read_label_header

ASTRAY = "the grid differs from that of Channel_0"
_LOOKED_AT = 100
"""Masks whose headers are read once more to see where they belong; of a thousand that are wrong these tell enough."""
_SHOWN = 3


def with_owners(
    problems: Sequence[Problem], cohort: Cohort, grids: Mapping[str, Geometry], dicom: Dicom = REFUSING
) -> list[Problem]:
    """The problems; where a mask lies on the grid of other rows' images and not of its own, these are named.

    `grids` are those of the first channels, by subject, perhaps without those of the cases that
    are told of; the images of these are the likeliest owners.
    """
    places = {cohort.place(case, "Label"): case for case in cohort.cases if case.label is not None}
    found = [problem for problem in problems if problem.what == ASTRAY and problem.where in places][:_LOOKED_AT]
    astray = {problem: places[problem.where] for problem in found}
    if not astray:
        return [*problems]
    images = {case.subject: grid for case in astray.values() if (grid := _grid_of(case, dicom)) is not None} | dict(
        grids
    )
    owners = _owners_of(astray, images, dicom)
    return [_with_owner(problem, owners.get(problem, ())) for problem in problems]


def _owners_of(
    astray: Mapping[Problem, Case], images: Mapping[str, Geometry], dicom: Dicom
) -> dict[Problem, Sequence[str]]:
    by_shape: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for subject, grid in images.items():
        by_shape[grid.shape].append(subject)
    mixed = {case.subject for case in astray.values()}
    return {problem: _likely([*_owners(case, images, by_shape, dicom)], mixed) for problem, case in astray.items()}


def _likely(owners: Sequence[str], mixed: Set[str]) -> Sequence[str]:
    """Of the images that a mask fits those whose own mask does not fit; or the only one.

    Where many images lie on one grid, that a mask lies on it as well says nothing of whose mask it is.
    """
    return [owner for owner in owners if owner in mixed] or (owners if len(owners) == 1 else ())


def _grid_of(case: Case, dicom: Dicom) -> Geometry | None:
    try:
        return read_header(case.channels[0], dicom).geometry
    except (InputError, OSError):  # told of already
        return None


def _with_owner(problem: Problem, owners: Sequence[str]) -> Problem:
    if not owners:
        return problem
    more = f" and {len(owners) - _SHOWN} more" if len(owners) > _SHOWN else ""
    named = " or ".join(map(repr, owners[:_SHOWN])) + more
    return replace(
        problem,
        what="the mask does not lie on its image, but on that of another row",
        remedy=f"It fits the image of {named}: are masks of two rows exchanged? Name the mask of this image here",
    )


def _owners(
    case: Case, grids: Mapping[str, Geometry], by_shape: Mapping[tuple[int, ...], list[str]], dicom: Dicom
) -> Iterator[str]:
    try:
        own = (
            None
            if case.label is None
            else read_label_header(case.label, label_grid(case.label, case.channels[0], dicom), dicom).geometry
        )
    except (InputError, OSError):  # told of already
        return
    for subject in by_shape.get(own.shape, ()) if own is not None else ():
        if own is not None and subject != case.subject and not geometry_differences(own, grids[subject]):
            yield subject
