"""What lies outside a case, as the study says it."""

from __future__ import annotations

import numpy as np

from wardround.engine.study.models import Study


def padding_of(study: Study, image: np.ndarray) -> tuple[float, ...]:
    """The value beyond each channel of a preprocessed case, (channels, *spatial), which is read where it decides."""
    padding = study.patches.padding
    if isinstance(padding, float):
        return (padding,) * len(study.inputs)
    return tuple(float(channel.min()) for channel in image)
