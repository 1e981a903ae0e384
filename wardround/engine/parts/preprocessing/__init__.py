"""Parameters of the preprocessing steps, which run once per case, in the study's order."""

from wardround.engine.parts.preprocessing.fitted import CohortClip, CohortNormalize, FittedParameters
from wardround.engine.parts.preprocessing.geometry import Orient, Resample, Resize
from wardround.engine.parts.preprocessing.intensity import Clip, Rescale, ZNormalize

__all__ = [
    "Clip",
    "CohortClip",
    "CohortNormalize",
    "FittedParameters",
    "Orient",
    "Resample",
    "Rescale",
    "Resize",
    "ZNormalize",
]
