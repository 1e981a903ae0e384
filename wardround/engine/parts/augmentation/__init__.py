"""Parameters of the random transforms, which act on batches of patches after normalisation."""

from wardround.engine.parts.augmentation.artefacts import (
    BiasField,
    Ghosting,
    Gibbs,
    Motion,
    PoissonNoise,
    RicianNoise,
    Spike,
)
from wardround.engine.parts.augmentation.boxes import Cutout, Swap
from wardround.engine.parts.augmentation.colour import ColorJitter, Hed
from wardround.engine.parts.augmentation.filtering import Blur, LowResolution
from wardround.engine.parts.augmentation.intensity import Brightness, Contrast, Gamma, Noise
from wardround.engine.parts.augmentation.spatial import Flip, Rotate90, Rotate180, Spatial
from wardround.engine.parts.augmentation.transform import TransformParameters, transform_of

__all__ = [
    "BiasField",
    "Blur",
    "Brightness",
    "ColorJitter",
    "Contrast",
    "Cutout",
    "Flip",
    "Gamma",
    "Ghosting",
    "Gibbs",
    "Hed",
    "LowResolution",
    "Motion",
    "Noise",
    "PoissonNoise",
    "RicianNoise",
    "Rotate90",
    "Rotate180",
    "Spatial",
    "Spike",
    "Swap",
    "TransformParameters",
    "transform_of",
]
