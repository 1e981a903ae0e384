"""What the headers of one case's files say: format, number of axes and channels, one grid for all of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.cohort.models import Case, Cohort
from wardround.engine.imaging.geometry import geometry_differences
from wardround.engine.imaging.reading import Header, read_header
from wardround.engine.inspection.notices import CaseFacts
from wardround.engine.study.models import Study


def inspect_headers(study: Study, cohort: Cohort, case: Case, findings: Findings) -> CaseFacts | None:
    """Check the headers of a case's channels and mask; None when its first channel cannot be read."""
    read = [_header(cohort.place(case, f"Channel_{index}"), path, findings) for index, path in enumerate(case.channels)]
    for index, header in enumerate(read):
        if header is not None:
            _check_shape(study, header, cohort.place(case, f"Channel_{index}"), findings)
    label = None if case.label is None else _header(cohort.place(case, "Label"), case.label, findings)
    first = read[0]
    if first is None:
        return None
    others = [(f"Channel_{index}", header) for index, header in enumerate(read[1:], start=1)]
    for column, header in (*others, ("Label", label)):
        if header is not None:
            _compare(first, header, cohort.place(case, column), findings)
    return CaseFacts(first.geometry)


def within(where: str, path: Path, problem: Problem) -> Problem:
    """A problem of a file, told with the manifest's row that names it."""
    detail = problem.where.replace(str(path), path.name)
    return replace(problem, where=f"{where} ({detail or path.name})")


def _header(where: str, path: Path, findings: Findings) -> Header | None:
    try:
        return read_header(path)
    except InputError as error:
        findings.extend(within(where, path, problem) for problem in error.problems)
        return None


def _check_shape(study: Study, header: Header, where: str, findings: Findings) -> None:
    axes = header.geometry.dimensions
    if axes != study.dimensions:
        findings.add(
            "the image does not have the model's number of axes",
            where=where,
            got=f"{axes} axes of {_sizes(header)} voxels",
            expected=f"{study.dimensions}, as `dimensions: {study.dimensions}` of the model says",
        )
    if header.channels != 1:
        findings.add(
            "the file holds several channels",
            where=where,
            got=f"{header.channels} values per voxel",
            expected="one file and one column per input of the study",
            remedy="Split the file, or save it as a grey image",
        )


def _compare(first: Header, other: Header, where: str, findings: Findings) -> None:
    for difference in geometry_differences(first.geometry, other.geometry):
        findings.add("the grid differs from Channel_0's", where=where, got=difference)


def _sizes(header: Header) -> str:
    return " x ".join(map(str, header.geometry.shape))
