"""Parameters of the preprocessing steps, which run once per case, in the study's order."""

from wardround.engine.parts.preprocessing import colour, cropping, fitted, geometry, histograms, intensity, smoothing
from wardround.engine.parts.preprocessing.cropping import CenterCrop, Crop, CropForeground, Pad, PadToMultiple
from wardround.engine.parts.preprocessing.fitted import CohortClip, CohortNormalize, FittedParameters
from wardround.engine.parts.preprocessing.geometry import Orient, Resample, ResampleAxis, ResampleMin, Resize
from wardround.engine.parts.preprocessing.grid import Grid
from wardround.engine.parts.preprocessing.intensity import (
    Clip,
    ClipPercentiles,
    IntensityParameters,
    Rescale,
    RobustNormalize,
    Threshold,
    ZNormalize,
)
from wardround.engine.parts.preprocessing.step import StepParameters, step_of

FAMILIES = (geometry, cropping, intensity, histograms, smoothing, colour, fitted)
"""The modules with the rows of these steps."""

__all__ = [
    "FAMILIES",
    "CenterCrop",
    "Clip",
    "ClipPercentiles",
    "CohortClip",
    "CohortNormalize",
    "Crop",
    "CropForeground",
    "FittedParameters",
    "Grid",
    "IntensityParameters",
    "Orient",
    "Pad",
    "PadToMultiple",
    "Resample",
    "ResampleAxis",
    "ResampleMin",
    "Rescale",
    "Resize",
    "RobustNormalize",
    "StepParameters",
    "Threshold",
    "ZNormalize",
    "step_of",
]
