"""Manifests, patients and cases, their names by content, and splits of them."""

from wardround.engine.cohort.assignment import Assignment
from wardround.engine.cohort.columns import Truth
from wardround.engine.cohort.digests import case_digest, cohort_digest
from wardround.engine.cohort.folders import folder_cohort
from wardround.engine.cohort.folds import (
    Folds,
    NamedSplit,
    OuterFold,
    SplitPlan,
    chosen_splits,
    nested_folds,
    plan_splits,
    split_cohort,
)
from wardround.engine.cohort.manifest import read_manifest
from wardround.engine.cohort.models import Case, Cohort, Patients, Split

__all__ = [
    "Assignment",
    "Case",
    "Cohort",
    "Folds",
    "NamedSplit",
    "OuterFold",
    "Patients",
    "Split",
    "SplitPlan",
    "Truth",
    "case_digest",
    "chosen_splits",
    "cohort_digest",
    "folder_cohort",
    "nested_folds",
    "plan_splits",
    "read_manifest",
    "split_cohort",
]
