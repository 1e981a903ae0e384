"""Too few cases for a plan: the plan is the federation's, so that a site is told what it can do about its own table."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.cohort import Assignment, Cohort, Split, split_cohort
from wardround.engine.cohort.columns import PATIENT, Layout, Truth, header_place
from wardround.engine.cohort.manifest import Survey, survey_manifest
from wardround.engine.cohort.shortage import TooFew
from wardround.engine.inspection.axes import OtherAxes
from wardround.engine.inspection.inputs import missing_columns
from wardround.engine.study.documents import place_of_key
from wardround.site_client.agreement.agreement import Agreement
from wardround.site_client.agreement.readiness import has_work
from wardround.site_client.agreement.settings import Policy, SiteSettings
from wardround.site_client.worker.pinned import CohortPins, require_patients

_REMEDY = (
    "Put the table back as it was or add cases, or tell the coordinator: the plan is the federation's, and cannot be "
    "changed here"
)

_OTHER_FILES = (
    "Give images as the study is for, or tell the coordinator: the study is the federation's, and cannot be changed "
    "here"
)


@contextmanager
def mended_at_a_site() -> Iterator[None]:
    """While cases are read for an accepted plan: nobody is told to change the study, which the site cannot."""
    try:
        yield
    except InputError as error:
        if not any(isinstance(problem, TooFew | OtherAxes) for problem in error.problems):
            raise
        raise InputError(_at_a_site(problem) for problem in error.problems) from None


def unfit_table(settings: SiteSettings, agreement: Agreement, policy: Policy | None) -> list[Problem]:
    """What a table that can be read lacks for a plan that is not accepted yet: patients, cases for folds and policy.

    A table that cannot be read, or that has other flaws, is none of this: it may come later, and `check` tells of it.
    """
    findings = Findings(without_patients(settings, agreement))
    if findings.problems:
        findings.extend(_other_columns(settings, agreement))
    cohort = _readable(settings, agreement)
    if cohort is None:
        return findings.problems
    with findings.gather():
        split = _split(settings, agreement, cohort)
        if policy is not None:
            findings.extend(too_few_for_the_policy(len(split.train), policy, settings.policy))
    return findings.problems


def without_patients(settings: SiteSettings, agreement: Agreement) -> list[Problem]:
    """The problem of a table without the column of patients that a plan requires, whatever else is wrong with it.

    A name that misses it by a little is told of already by whoever reads the table.
    """
    survey, findings = _surveyed(settings, agreement), Findings()
    if survey is not None and not any(problem.expected == repr(PATIENT) for problem in survey.problems):
        with findings.gather():
            require_patients(agreement.plan, survey.cohort)
    return findings.problems


def _other_columns(settings: SiteSettings, agreement: Agreement) -> list[Problem]:
    """What else the header of a table lacks, for whoever has to add a column anyway."""
    survey = _surveyed(settings, agreement)
    if survey is None:
        return []
    flaws = [problem for problem in survey.problems if problem.where == header_place(settings.manifest)]
    return flaws or missing_columns(agreement.study, survey.cohort)


def too_few_for_the_plan(settings: SiteSettings, agreement: Agreement) -> list[Problem]:
    """What keeps a site from making the folds of an accepted plan, from a table that can be read.

    Whatever else the table lacks for plan or policy, the site declines its tasks for, so that the coordinator hears it.
    """
    cohort, findings = _readable(settings, agreement), Findings()
    if cohort is not None:
        with findings.gather():
            _split(settings, agreement, cohort)
    return findings.problems


def too_few_for_the_policy(count: int, policy: Policy, path: Path) -> list[Problem]:
    """The problem of training cases that are fewer than the hospital's own policy wants."""
    if count >= policy.minimum_train_cases:
        return []
    return [
        Problem(
            "too few training cases for the policy",
            place_of_key(path, "policy", "minimum_train_cases"),
            str(count),
            f"at least {policy.minimum_train_cases}",
            "Add cases to the table, or have the hospital lower `minimum_train_cases`",
        )
    ]


def _at_a_site(problem: Problem) -> Problem:
    if isinstance(problem, OtherAxes):
        return replace(problem, remedy=_OTHER_FILES)
    if not isinstance(problem, TooFew):
        return problem
    return replace(problem.for_plan, remedy=problem.for_plan.remedy or _REMEDY)


def _split(settings: SiteSettings, agreement: Agreement, cohort: Cohort) -> Split:
    with mended_at_a_site():
        return split_cohort(agreement.study, cohort, agreement.plan.fold, _known(settings, agreement))


def _known(settings: SiteSettings, agreement: Agreement) -> Assignment | None:
    """Who is in which set already. A damaged record is told by those who go by it."""
    if not has_work(settings):
        return None
    with contextlib.suppress(InputError):
        held = CohortPins.of(settings.work, agreement.plan.study).read()
        return None if held is None else held.assignment
    return None


def _readable(settings: SiteSettings, agreement: Agreement) -> Cohort | None:
    survey = _surveyed(settings, agreement)
    return None if survey is None or survey.problems else survey.cohort


def _surveyed(settings: SiteSettings, agreement: Agreement) -> Survey | None:
    """What the table holds, its flaws too; None where it is no table at all, which `check` tells of."""
    try:
        return survey_manifest(settings.manifest, Layout.of(agreement.study, Truth.REQUIRED))
    except InputError:
        return None
