"""The study's typed models, its loader and its digest. Imports no torch."""

from wardround.engine.study.loader import load_study, study_from_bytes, study_to_bytes
from wardround.engine.study.models import Study

__all__ = ["Study", "load_study", "study_from_bytes", "study_to_bytes"]
