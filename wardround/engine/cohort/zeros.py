"""Numbers that lost the zeros at their front, as a spreadsheet takes them: `007` becomes `7`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from wardround.engine.cohort.models import Case, Cohort
from wardround.engine.cohort.spelling import folded

TAKEN = "a spreadsheet takes the zeros at the front of a number"
AS_TEXT = "In the spreadsheet give the column the format Text before you enter or import the numbers, and save it again"


def without_zeros(name: str) -> str:
    """The same for all names that begin with one number, with zeros before it or without, and look alike behind it."""
    return folded(name).lstrip("0")


def with_zeros(name: str, names: Iterable[str]) -> str | None:
    """Of names the one that has zeros where a given one has lost them; None if there is none."""
    longer = (other for other in names if len(other) > len(name) and name[:1].isdigit())
    return next((other for other in longer if without_zeros(other) == without_zeros(name)), None)


def lost_zeros(cohort: Cohort) -> Iterator[tuple[str, str]]:
    """Subjects that are numbers, each with the number with zeros that a file of it, or its folder, is called by."""
    for case in cohort.cases:
        if case.row and case.subject.isdigit():
            called = with_zeros(case.subject, _names(case))
            if called is not None:
                yield case.subject, called


def _names(case: Case) -> Iterator[str]:
    for path in case.files:
        yield path.name.partition(".")[0]
        yield path.parent.name
