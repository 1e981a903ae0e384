"""Too few patients for the folds of a plan: the folds are the federation's, so that a site is told what it can do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from wardround.engine.basics.problems import InputError, Problem

_TOO_FEW = "too few patients"
_REMEDY = (
    "Put the table back as it was, or add cases of more patients; the plan is the federation's, so that this cannot be "
    "changed here: if there are no more patients, tell the coordinator"
)


@contextmanager
def mended_at_a_site() -> Iterator[None]:
    """While cases are read for an accepted plan: nobody is told to change the study, which the site cannot."""
    try:
        yield
    except InputError as error:
        if not any(_is_of_the_plan(problem) for problem in error.problems):
            raise
        raise InputError(
            replace(problem, remedy=_REMEDY) if _is_of_the_plan(problem) else problem for problem in error.problems
        ) from None


def _is_of_the_plan(problem: Problem) -> bool:
    return problem.what.startswith(_TOO_FEW)
