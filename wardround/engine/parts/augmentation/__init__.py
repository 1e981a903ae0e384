"""Parameters of the random transforms, which act on batches of patches after normalisation."""

from wardround.engine.parts.augmentation.intensity import Gamma, Noise
from wardround.engine.parts.augmentation.spatial import Flip, Spatial

__all__ = ["Flip", "Gamma", "Noise", "Spatial"]
