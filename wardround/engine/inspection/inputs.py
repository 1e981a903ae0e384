"""Files that hold one of several inputs in every row: what is missing is a column, not something in each file."""

from __future__ import annotations

from collections.abc import Sequence

from wardround.engine.basics.problems import Problem
from wardround.engine.cohort.models import Cohort
from wardround.engine.study.models import Study

ONE_OF_SEVERAL = "the file holds one of the study's inputs alone"


def with_missing_columns(problems: Sequence[Problem], study: Study, cohort: Cohort) -> list[Problem]:
    """The problems; where every row of a table has one input alone, those of the rows are one of its header."""
    alone = [problem for problem in problems if problem.what == ONE_OF_SEVERAL]
    if not alone or len(alone) < len(cohort.cases) or not all(case.row for case in cohort.cases):
        return [*problems]
    return [_missing(study, cohort), *(problem for problem in problems if problem.what != ONE_OF_SEVERAL)]


def _missing(study: Study, cohort: Cohort) -> Problem:
    missing = [f"Channel_{index} ({name})" for index, name in enumerate(study.inputs)][1:]
    named, these = f"column {missing[0]} is", "that column"
    if len(missing) > 1:
        named, these = f"columns {', '.join(missing)} are", "these columns"
    return Problem(
        f"the {named} missing",
        where=f"{cohort.manifest.name}, header",
        got="Channel_0 alone, whose files have 1 value per voxel",
        expected=f"a column for each of {', '.join(study.inputs)}",
        remedy=f"Add {these}; or give files that hold all inputs",
    )
