"""The task of segmentation."""

from __future__ import annotations

from wardround.engine.parts.part import Kind, Parameters, Part


class Segmentation(Parameters):
    """A class for every voxel, by softmax over overlapping windows."""


PARTS = (
    Part(
        Kind.TASK,
        "segmentation",
        Segmentation,
        "wardround.engine.tasks.segmentation:SegmentationTask",
        truth="wardround.engine.targets.mask:MASK",
    ),
)
