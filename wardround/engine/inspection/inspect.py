"""Every file of a cohort, by its header or by its voxels; all problems are reported together.

What is wrong is raised. What is allowed but worth knowing (a case smaller than the patch, an empty mask) is a notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType

from wardround.engine.basics.problems import Findings, Problem
from wardround.engine.basics.progress import Progress, progress
from wardround.engine.cohort.models import Case, Cohort, Split
from wardround.engine.cohort.twins import find_leaks, repeated_rows
from wardround.engine.imaging.image import Geometry
from wardround.engine.inspection.axes import in_one
from wardround.engine.inspection.exchanged import with_owners
from wardround.engine.inspection.headers import inspect_headers
from wardround.engine.inspection.inputs import with_missing_columns
from wardround.engine.inspection.notices import (
    CaseFacts,
    Comparison,
    cohort_notices,
    comparison_notices,
    header_notices,
    require_foreground,
    truths_of,
)
from wardround.engine.inspection.sharing import copied_masks, with_shared_masks
from wardround.engine.inspection.spacings import told_of_files
from wardround.engine.inspection.twins import contents_of, copies_of
from wardround.engine.inspection.unseen import unfittable
from wardround.engine.inspection.voxels import inspect_steps, inspect_voxels
from wardround.engine.preprocessing.exchange import told_of_columns
from wardround.engine.preprocessing.labels import together
from wardround.engine.study.models import Study
from wardround.engine.targets import target_of


class Depth(Enum):
    """How much of every file is read.

    With `GRIDS` no voxel is: for those who are going to store every case, and will compare the images then. With
    `HEADERS` the voxels of few small images are, to tell which are the same. With `STEPS` every case is preprocessed
    too, as training will do it.
    """

    GRIDS = "grids"
    HEADERS = "headers"
    VOXELS = "voxels"
    STEPS = "steps"


@dataclass(frozen=True)
class Inspection:
    """What is worth knowing of a cohort without fault.

    Attributes:
        notices: what is allowed but may surprise.
        grids: the grid of each case's first channel as it is stored, by subject.
        repeats: rows that show and say the same as another one, which stands for them, as far as was read.
        oddities: those of the notices that come from the headers of files.
    """

    notices: tuple[Problem, ...]
    grids: Mapping[str, Geometry]
    repeats: Mapping[str, str]
    oddities: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Sound:
    """The cases of a cohort whose headers are sound, what is odd about them, and what is wrong with the others."""

    cohort: Cohort
    oddities: tuple[Problem, ...]
    problems: tuple[Problem, ...]
    left_out: int


Inspector = Callable[[Study, Cohort, Case, Findings], CaseFacts | None]


def inspect_cohort(
    study: Study, cohort: Cohort, depth: Depth, splits: Mapping[str, Split] = MappingProxyType({})
) -> Inspection:
    """Read every file of `cohort` to `depth`; no image may stand on two sides of one of the `splits`, by their names.

    Images are compared where there are splits.

    Raises `InputError` with every problem of every file.
    """
    inspectors: Mapping[Depth, Inspector] = {
        Depth.GRIDS: inspect_headers,
        Depth.HEADERS: inspect_headers,
        Depth.VOXELS: inspect_voxels,
        Depth.STEPS: inspect_steps,
    }
    findings = Findings()
    word = "headers" if depth in (Depth.GRIDS, Depth.HEADERS) else "voxels"
    with progress(f"Reading {word}", len(cohort.cases)) as shown:
        facts = [_inspect(inspectors[depth], study, cohort, number, findings, shown) for number in _numbers(cohort)]
    findings.problems[:] = together(findings.problems, cohort.manifest.name)
    findings.problems[:] = told_of_columns(findings.problems, cohort.manifest.name, len(cohort.cases))
    findings.problems[:] = in_one(with_missing_columns(findings.problems, study, cohort), study, cohort)
    findings.problems[:] = with_shared_masks(findings.problems, study, cohort)
    known = {case.subject: fact for case, fact in zip(cohort.cases, facts, strict=True) if fact is not None}
    stored = {name: fact.grid for name, fact in known.items()}
    findings.problems[:] = told_of_files(findings.problems, study, cohort, stored)
    findings.problems[:] = with_owners(findings.problems, cohort, stored, study.dicom)
    compared = _compare(study, cohort, known, depth) if splits and study.inputs else Comparison({}, True, {})
    find_leaks(cohort, splits, compared.contents, findings)
    findings.raise_if_any()
    require_foreground(study, cohort, known, findings)
    if not findings.problems:
        findings.extend(unfittable(study, cohort, splits, truths_of(study, known)))
    findings.extend(_table_flaws(study, cohort, splits))
    findings.raise_if_any()
    notices = (*cohort_notices(study, cohort, known, splits), *copied_masks(study, cohort, known))
    if depth is not Depth.GRIDS:
        notices += comparison_notices(cohort, compared)
    grids, oddities = {subject: fact.grid for subject, fact in known.items()}, tuple(header_notices(cohort, known))
    return Inspection((*oddities, *notices), grids, compared.repeats, oddities)


def sound_cases(study: Study, cohort: Cohort) -> Sound:
    """Read the headers of every file, and tell the cases that can be worked on from those that cannot.

    Raises `InputError` with every problem if there is no sound case.
    """
    findings, known = Findings(), dict[str, CaseFacts]()
    with progress("Reading headers", len(cohort.cases)) as shown:
        for number, case in enumerate(cohort.cases):
            own = Findings()
            facts = _inspect(inspect_headers, study, cohort, number, own, shown)
            if facts is not None and not own.problems:
                known[case.subject] = facts
            findings.extend(replace(problem, where=_as_truth(problem.where)) for problem in own.problems)
    sound = replace(cohort, cases=tuple(case for case in cohort.cases if case.subject in known))
    if not sound.cases:
        findings.problems[:] = with_missing_columns(findings.problems, study, cohort)
        findings.raise_if_any()
    left_out = len(cohort.cases) - len(sound.cases)
    return Sound(sound, tuple(header_notices(sound, known)), tuple(findings.problems), left_out)


def _as_truth(where: str) -> str:
    """A place in a table, by the word for what a mask is to those who score."""
    return where.replace(", Label", ", truth in Label", 1)


def _table_flaws(study: Study, cohort: Cohort, splits: Mapping[str, Split]) -> list[Problem]:
    """What is wrong with the values of the whole table; or else with those that a model of one of the splits sees."""
    table = cohort.manifest.name
    found = [replace(flaw, where=table) for flaw in _value_flaws(study, cohort.cases)]
    remedy = "Add cases with other truths, or take another number of folds in `validation`"
    return found or [
        replace(flaw, where=f"{table}, training set of {name}", remedy=remedy)
        for name, split in splits.items()
        for flaw in _value_flaws(study, split.train)
    ]


def _value_flaws(study: Study, cases: Sequence[Case]) -> Iterator[Problem]:
    return target_of(study).table_flaws(study, [case.value for case in cases if case.value is not None])


def _compare(study: Study, cohort: Cohort, known: Mapping[str, CaseFacts], depth: Depth) -> Comparison:
    if depth is Depth.GRIDS:
        return Comparison(copies_of(cohort, known), False, {})
    contents, complete = contents_of(cohort, known, study.dicom)
    return Comparison(contents, complete, repeated_rows(cohort, contents))


def _numbers(cohort: Cohort) -> range:
    return range(len(cohort.cases))


def _inspect(
    inspector: Inspector, study: Study, cohort: Cohort, number: int, findings: Findings, shown: Progress
) -> CaseFacts | None:
    case = cohort.cases[number]
    facts = inspector(study, cohort, case, findings)
    shown.advance(number + 1, case.subject)
    return facts
