"""Parameters of the random transforms, which act on batches of patches after normalisation."""

from wardround.engine.parts.augmentation.intensity import Gamma, Noise
from wardround.engine.parts.augmentation.spatial import Flip, Spatial
from wardround.engine.parts.augmentation.transform import TransformParameters, transform_of

__all__ = ["Flip", "Gamma", "Noise", "Spatial", "TransformParameters", "transform_of"]
