"""Parameters of the preprocessing steps, which run once per case, in the study's order."""

from wardround.engine.parts.preprocessing.fitted import CohortClip, CohortNormalize, FittedParameters
from wardround.engine.parts.preprocessing.geometry import Orient, Resample, Resize
from wardround.engine.parts.preprocessing.grid import Grid
from wardround.engine.parts.preprocessing.intensity import Clip, IntensityParameters, Rescale, ZNormalize
from wardround.engine.parts.preprocessing.step import StepParameters, step_of

__all__ = [
    "Clip",
    "CohortClip",
    "CohortNormalize",
    "FittedParameters",
    "Grid",
    "IntensityParameters",
    "Orient",
    "Resample",
    "Rescale",
    "Resize",
    "StepParameters",
    "ZNormalize",
    "step_of",
]
