"""Every file of a cohort, by its header or by its voxels; all problems are reported together.

What is wrong is raised. What is allowed but worth knowing (a case smaller than the patch, an empty mask) is a notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from wardround.engine.basics.problems import Findings, Problem
from wardround.engine.basics.progress import Progress, progress
from wardround.engine.cohort.models import Case, Cohort
from wardround.engine.imaging.types import Geometry
from wardround.engine.inspection.headers import inspect_headers
from wardround.engine.inspection.notices import CaseFacts, cohort_notices
from wardround.engine.inspection.voxels import inspect_voxels
from wardround.engine.study.models import Study


class Depth(Enum):
    """How much of every file is read."""

    HEADERS = "headers"
    VOXELS = "voxels"


@dataclass(frozen=True)
class Inspection:
    """What is worth knowing of a cohort without fault.

    Attributes:
        notices: what is allowed but may surprise.
        grids: the grid of each case's first channel as it is stored, by subject.
    """

    notices: tuple[Problem, ...]
    grids: Mapping[str, Geometry]


Inspector = Callable[[Study, Cohort, Case, Findings], CaseFacts | None]


def inspect_cohort(study: Study, cohort: Cohort, depth: Depth) -> Inspection:
    """Read every file of `cohort` to `depth`. Raises `InputError` with every problem of every file."""
    inspectors: Mapping[Depth, Inspector] = {Depth.HEADERS: inspect_headers, Depth.VOXELS: inspect_voxels}
    findings = Findings()
    with progress(f"Reading {depth.value}", len(cohort.cases)) as shown:
        facts = [_inspect(inspectors[depth], study, cohort, number, findings, shown) for number in _numbers(cohort)]
    findings.raise_if_any()
    known = {case.subject: fact for case, fact in zip(cohort.cases, facts, strict=True) if fact is not None}
    return Inspection(cohort_notices(study, cohort, known), {subject: fact.grid for subject, fact in known.items()})


def _numbers(cohort: Cohort) -> range:
    return range(len(cohort.cases))


def _inspect(
    inspector: Inspector, study: Study, cohort: Cohort, number: int, findings: Findings, shown: Progress
) -> CaseFacts | None:
    case = cohort.cases[number]
    facts = inspector(study, cohort, case, findings)
    shown.advance(number + 1, case.subject)
    return facts
