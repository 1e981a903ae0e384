"""A cohort's files against the study and against each other, before any work starts."""

from wardround.engine.inspection.inspect import Depth, Inspection, inspect_cohort
from wardround.engine.inspection.preflight import Preflight, check_files, check_manifest

__all__ = ["Depth", "Inspection", "Preflight", "check_files", "check_manifest", "inspect_cohort"]
