"""Random transforms in two phases: draw typed parameters per sample, then apply them to the batch on its device."""

from wardround.engine.augmentation.augmentation import Augmentation
from wardround.engine.augmentation.transform import (
    Drawn,
    GeometricTransform,
    IntensityTransform,
    Motion,
    Permutation,
    Transform,
)

__all__ = ["Augmentation", "Drawn", "GeometricTransform", "IntensityTransform", "Motion", "Permutation", "Transform"]
