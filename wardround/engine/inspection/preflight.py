"""Study, manifest, folds and images in one go: what stands between a hospital and its first training step."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.cohort.columns import Layout, Truth
from wardround.engine.cohort.folds import require_patients
from wardround.engine.cohort.manifest import survey_manifest
from wardround.engine.cohort.models import Cohort
from wardround.engine.inspection.inspect import Depth, Inspection, inspect_cohort
from wardround.engine.study.loader import load_study
from wardround.engine.study.models import Study


@dataclass(frozen=True)
class Preflight:
    """A study and a cohort that fit each other."""

    study: Study
    cohort: Cohort
    inspection: Inspection


def check_files(study: Path, manifest: Path, depth: Depth) -> Preflight:
    """Check a study file and a manifest with its images. Raises `InputError` with the problems of all of them.

    While the study cannot be read, the manifest is checked for what every manifest must have.
    """
    try:
        loaded = load_study(study)
    except InputError as error:
        findings = Findings(list(error.problems))
        with findings.gather():
            findings.extend(survey_manifest(manifest, Layout.without_study()).problems)
        raise InputError(findings.problems) from None
    return check_manifest(loaded, manifest, depth)


def check_manifest(study: Study, manifest: Path, depth: Depth) -> Preflight:
    """Check a manifest and its images against a study. Raises `InputError` with the problems of all of them."""
    survey = survey_manifest(manifest, Layout.of(study, Truth.REQUIRED))
    findings = Findings(list(survey.problems))
    if not findings.problems:
        with findings.gather():
            require_patients(study, survey.cohort)
    inspection = None
    with findings.gather():
        inspection = inspect_cohort(study, survey.cohort, depth)
    if inspection is None or findings.problems:
        raise InputError(findings.problems)
    return Preflight(study, survey.cohort, inspection)
