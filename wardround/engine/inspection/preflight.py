"""Study, manifest, folds and images in one go: what stands between a hospital and its first training step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.cohort.assignment import Assignment
from wardround.engine.cohort.columns import Layout, Truth
from wardround.engine.cohort.folds import Folds, SplitPlan, plan_splits
from wardround.engine.cohort.manifest import survey_manifest
from wardround.engine.cohort.models import Cohort
from wardround.engine.inspection.axes import before_the_study, in_document
from wardround.engine.inspection.inspect import Depth, Inspection, inspect_cohort
from wardround.engine.study.documents import Document, read_document
from wardround.engine.study.loader import load_study
from wardround.engine.study.models import Study


@dataclass(frozen=True)
class Preflight:
    """A study and a cohort that fit each other, and the splits that were asked for."""

    study: Study
    cohort: Cohort
    inspection: Inspection
    plan: SplitPlan


Trial = Callable[[Study], Iterable[Problem]]
"""Tries the parts of a study; the places of its problems begin with a key of the study."""


def no_trial(study: Study) -> Iterable[Problem]:
    """Try no part."""
    return ()


def check_files(
    study: Path, manifest: Path, depth: Depth, folds: Folds | int = Folds.NESTED, trial: Trial = no_trial
) -> Preflight:
    """Check a study file, its parts and a manifest with its images. Raises `InputError` with the problems of all.

    While the study cannot be read, the manifest is checked for what every manifest must have.
    """
    try:
        loaded = study_for(study, manifest)
    except InputError as error:
        findings = Findings(list(error.problems))
        with findings.gather():
            findings.extend(survey_manifest(manifest, Layout.without_study()).problems)
        raise InputError(findings.problems) from None
    findings = Findings(in_file(study, trial(loaded)))
    checked = None
    with findings.gather():
        checked = check_manifest(loaded, manifest, depth, folds)
    if checked is None or findings.problems:
        raise InputError(in_document(findings.problems, read_document(study, "study")))
    return checked


def study_for(study: Path, manifest: Path) -> Study:
    """The study of a file. Raises `InputError` with its problems, and what the images of a manifest say to them."""
    try:
        return load_study(study)
    except InputError as error:
        told = [*error.problems]
        with contextlib.suppress(InputError):  # what is wrong with the table is told by those who need it
            cohort = survey_manifest(manifest, Layout.without_study()).cohort
            told = before_the_study(told, read_document(study, "study"), cohort)
        raise InputError(told) from None


def in_file(study: Path, problems: Iterable[Problem]) -> list[Problem]:
    """Problems at keys of a study, with the lines of its file."""
    found = list(problems)
    document = read_document(study, "study") if found else None
    return found if document is None else [_in_document(document, problem) for problem in found]


def _in_document(document: Document, problem: Problem) -> Problem:
    steps = tuple(int(step) if step.isdigit() else step for step in problem.where.split("."))
    is_key = isinstance(document.content, dict) and steps[0] in document.content
    place = document.place(steps) if is_key else f"{document.path.name}, {problem.where}"
    return replace(problem, where=place)


def check_manifest(
    study: Study,
    manifest: Path,
    depth: Depth,
    folds: Folds | int = Folds.NESTED,
    known: Assignment | None = None,
) -> Preflight:
    """Check a manifest, its images and the folds that are to be made of it, against a study.

    `known` is the record of who is in which set, where work goes on. Raises `InputError` with the problems of all.
    """
    survey = survey_manifest(manifest, Layout.of(study, Truth.REQUIRED))
    findings = Findings(list(survey.problems))
    plan = inspection = None
    if not findings.problems:
        with findings.gather():
            plan = plan_splits(study, survey.cohort, folds, known)
    with findings.gather():
        splits = {} if plan is None else {named.name: named.split for named in plan.splits}
        inspection = inspect_cohort(study, survey.cohort, depth, splits)
    if inspection is None or plan is None or findings.problems:
        raise InputError(findings.problems)
    return Preflight(study, survey.cohort, inspection, plan)
