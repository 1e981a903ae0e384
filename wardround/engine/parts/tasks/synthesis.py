"""The task of synthesis."""

from __future__ import annotations

from wardround.engine.parts.part import Kind, Parameters, Part


class Synthesis(Parameters):
    """One or several images of a case's own, voxel by voxel over overlapping windows: another sequence of the same
    patient, the image without its noise, or the image itself."""


PARTS = (
    Part(
        Kind.TASK,
        "synthesis",
        Synthesis,
        "wardround.engine.tasks.synthesis:SynthesisTask",
        truth="wardround.engine.targets.images:IMAGES",
    ),
)
