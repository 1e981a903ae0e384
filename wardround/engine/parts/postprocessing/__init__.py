"""Parameters of the post-processing steps, which change predicted masks, in the study's order."""

from wardround.engine.parts.postprocessing import components, shapes
from wardround.engine.parts.postprocessing.components import KeepTouching, LargestComponent, RemoveSmall
from wardround.engine.parts.postprocessing.mask_step import MaskStepParameters, mask_step_of
from wardround.engine.parts.postprocessing.shapes import FillHoles, MapLabels, Morphology

FAMILIES = (shapes, components)
"""The modules with the rows of these steps."""

__all__ = [
    "FAMILIES",
    "FillHoles",
    "KeepTouching",
    "LargestComponent",
    "MapLabels",
    "MaskStepParameters",
    "Morphology",
    "RemoveSmall",
    "mask_step_of",
]
