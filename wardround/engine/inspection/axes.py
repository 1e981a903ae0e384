"""Images with another number of axes than the study: told once, with every line of the study that belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wardround.engine.basics.dicom import REFUSING, Dicom
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.cohort.models import Case, Cohort
from wardround.engine.imaging.image import Geometry
from wardround.engine.imaging.reading import read_header
from wardround.engine.inspection.headers import OTHER_AXES
from wardround.engine.parts.axes import OF_AXES
from wardround.engine.study.axes import AXES, Change, Images, changes_for, stated_axes
from wardround.engine.study.documents import Document
from wardround.engine.study.models import Study

_LOOKED_AT = 5
"""Cases whose headers tell, while a study cannot be used, what all of them are."""
_WORDS, _ARE = {2: "flat images", 3: "volumes"}, {2: "flat", 3: "volumes"}


@dataclass(frozen=True)
class OtherAxes(Problem):
    """That all images of a cohort have another number of axes than the study; `images` tells which."""

    images: Images | None = None


def in_one(problems: Sequence[Problem], study: Study, cohort: Cohort) -> list[Problem]:
    """The problems; where every image has another number of axes than the study, these are one."""
    places = {cohort.place(case, "Channel_0") for case in cohort.cases}
    if not places or not places <= {problem.where for problem in problems if problem.what == OTHER_AXES}:
        return [*problems]
    images = _images_of(cohort, study.dicom)
    if images is None:
        return [*problems]
    content = study.model_dump(mode="json", by_alias=True)
    place = f"{cohort.manifest.name}, study's model.dimensions"
    told = _other_axes(content, images, place, lambda change: "")
    return [told, *(problem for problem in problems if problem.what != OTHER_AXES)]


def in_document(problems: Sequence[Problem], document: Document | None) -> list[Problem]:
    """The problems; that of other axes with the lines of the study's file."""
    content = None if document is None else document.content
    if document is None or not isinstance(content, dict):
        return [*problems]
    return [
        _of_document(document, content, problem.images)
        if isinstance(problem, OtherAxes) and problem.images is not None
        else problem
        for problem in problems
    ]


def before_the_study(problems: Sequence[Problem], document: Document, cohort: Cohort) -> list[Problem]:
    """The problems of a study that cannot be used; where images have other axes than it, one says so with all lines.

    What the study says of its own lines that belong to the number of axes is then said with it.
    """
    content, images = document.content, _images_of(cohort, REFUSING)
    if not isinstance(content, dict) or images is None or stated_axes(content) in (None, images.axes):
        return [*problems]
    others = (problem for problem in problems if problem.what not in OF_AXES)
    return [_of_document(document, content, images), *others]


def _of_document(document: Document, content: Mapping[str, Any], images: Images) -> Problem:
    return _other_axes(
        content,
        images,
        document.place(("model", "dimensions")),
        lambda change: f" (line {line})" if (line := document.line(change.location)) else "",
    )


def _other_axes(content: Mapping[str, Any], images: Images, where: str, line: Callable[[Change], str]) -> Problem:
    changes, stated = changes_for(content, images), stated_axes(content)
    lines = [f"{_written(change)}{line(change)}" for change in changes if not change.is_to_go]
    gone = [f"take `{change.line}` out{line(change)}" for change in changes if change.is_to_go]
    return OtherAxes(
        f"the images are {_ARE[images.axes]} ({images.axes} axes), and the study is for {_other(images.axes)}",
        where,
        f"{images.axes} axes of {' x '.join(map(str, images.shape))} voxels",
        f"{stated}, as `dimensions: {stated}` says",
        f"Write in the study {', '.join(lines)}{', and '.join(['', *gone])}; or give other files",
        images=images,
    )


def _other(axes: int) -> str:
    return next(word for count, word in _WORDS.items() if count != axes)


def _written(change: Change) -> str:
    return f"`{change.line}`" + (f" in `{change.within}`" if change.within else "")


def _images_of(cohort: Cohort, dicom: Dicom) -> Images | None:
    """What the first images are, and the last one; None where they differ in that, or none can be read."""
    looked_at = [*cohort.cases[:_LOOKED_AT], *cohort.cases[-1:]]
    grids = [grid for case in looked_at if (grid := _grid_of(case, dicom)) is not None]
    if not grids or len({grid.dimensions for grid in grids}) > 1 or grids[0].dimensions not in AXES:
        return None
    return Images(grids[0].shape, grids[0].spacing)


def _grid_of(case: Case, dicom: Dicom) -> Geometry | None:
    try:
        return read_header(case.channels[0], dicom).geometry if case.channels else None
    except (InputError, OSError):  # told by whoever reads all files
        return None
