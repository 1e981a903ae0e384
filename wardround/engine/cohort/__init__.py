"""Manifests, patients and cases, their names by content, and splits of them."""

from wardround.engine.cohort.columns import Truth
from wardround.engine.cohort.digests import case_digest, cohort_digest
from wardround.engine.cohort.folders import folder_cohort
from wardround.engine.cohort.folds import OuterFold, nested_folds, split_cohort
from wardround.engine.cohort.manifest import read_manifest
from wardround.engine.cohort.models import Case, Cohort, Split

__all__ = [
    "Case",
    "Cohort",
    "OuterFold",
    "Split",
    "Truth",
    "case_digest",
    "cohort_digest",
    "folder_cohort",
    "nested_folds",
    "read_manifest",
    "split_cohort",
]
