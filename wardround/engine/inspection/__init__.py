"""A cohort's files against the study and against each other, before any work starts."""

from wardround.engine.inspection.inspect import Depth, Inspection, Sound, inspect_cohort, sound_cases
from wardround.engine.inspection.preflight import Preflight, check_files, check_manifest

__all__ = [
    "Depth",
    "Inspection",
    "Preflight",
    "Sound",
    "check_files",
    "check_manifest",
    "inspect_cohort",
    "sound_cases",
]
