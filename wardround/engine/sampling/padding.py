"""What lies outside a case, as the study says it."""

from __future__ import annotations

import numpy as np

from wardround.engine.imaging.readable import Readable, slabs
from wardround.engine.study.models import Study


def padding_of(study: Study, image: Readable) -> tuple[float, ...]:
    """The value beyond each channel of a preprocessed case, which is read where it decides."""
    padding = study.patches.padding
    if isinstance(padding, float):
        return (padding,) * len(study.inputs)
    lowest = [piece.reshape(len(piece), -1).min(axis=1) for piece in slabs(image)]
    return tuple(float(value) for value in np.min(lowest, axis=0))
