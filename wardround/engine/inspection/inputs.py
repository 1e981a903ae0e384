"""Files that hold one of several inputs in every row: what is missing is a column, not something in each file."""

from __future__ import annotations

from collections.abc import Sequence

from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.cohort.columns import header_place
from wardround.engine.cohort.models import Case, Cohort
from wardround.engine.imaging.reading import read_header
from wardround.engine.study.models import Study

ONE_OF_SEVERAL = "the file holds one of the study's inputs alone"
_LOOKED_AT = 3
"""Rows whose files tell, before all of them are read, whether columns are missing."""


def with_missing_columns(problems: Sequence[Problem], study: Study, cohort: Cohort) -> list[Problem]:
    """The problems; where every row of a table has one input alone, those of the rows are one of its header."""
    alone = [problem for problem in problems if problem.what == ONE_OF_SEVERAL]
    if not alone or len(alone) < len(cohort.cases) or not all(case.row for case in cohort.cases):
        return [*problems]
    return [_missing(study, cohort), *(problem for problem in problems if problem.what != ONE_OF_SEVERAL)]


def missing_columns(study: Study, cohort: Cohort) -> list[Problem]:
    """The problem of a table whose first rows have one of several inputs alone; none where their files cannot be read.

    For those who tell of a header before the files of all rows are read.
    """
    first = cohort.cases[:_LOOKED_AT]
    is_lacking = len(study.inputs) > 1 and bool(first) and all(_has_one_alone(study, case) for case in first)
    return [_missing(study, cohort)] if is_lacking else []


def _has_one_alone(study: Study, case: Case) -> bool:
    try:
        header = read_header(case.channels[0], study.dicom)
    except (InputError, OSError):  # told by whoever reads every file
        return False
    return len(case.channels) == 1 == header.channels and header.geometry.dimensions == study.dimensions


def _missing(study: Study, cohort: Cohort) -> Problem:
    missing = [f"Channel_{index} ({name})" for index, name in enumerate(study.inputs)][1:]
    named, these = f"column {missing[0]} is", "that column"
    if len(missing) > 1:
        named, these = f"columns {', '.join(missing)} are", "these columns"
    return Problem(
        f"the {named} missing",
        where=header_place(cohort.manifest),
        got="Channel_0 alone, whose files have 1 value per voxel",
        expected=f"a column for each of {', '.join(study.inputs)}",
        remedy=f"Add {these}; or give files that hold all inputs",
    )
