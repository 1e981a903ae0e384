"""The patches that a network will see: sampled and augmented, with the outlines of their classes."""

from __future__ import annotations

import numpy as np

from wardround.engine.report.figures import Overlay, middle_slices, overlays
from wardround.engine.sampling.types import Batch
from wardround.engine.study import Study


def patch_montage(study: Study, batches: list[Batch], columns: int = 6) -> bytes:
    """One picture per patch (in 3D its middle plane along the last axis), titled by its case's digest and draw."""
    pictures = [_overlay(batch, index, study) for batch in batches for index in range(len(batch.keys))]
    return overlays(pictures, study.class_names if study.task == "segmentation" else (), columns)


def _overlay(batch: Batch, index: int, study: Study) -> Overlay:
    image = batch.image[index, 0].cpu().numpy()
    label = None if batch.label is None else batch.label[index].cpu().numpy()
    _, where = middle_slices(image, np.zeros(image.shape, np.int64) if label is None else label)[-1]
    key = batch.keys[index]
    title = f"{key.case[:8]} draw {key.draw}"
    if batch.target is not None:
        title += f", {study.class_names[int(batch.target[index])]}"
    return Overlay(title, image[where], {} if label is None else {"label": label[where]})
