"""The task of classification."""

from __future__ import annotations

from wardround.engine.parts.part import Kind, Parameters, Part


class Classification(Parameters):
    """One class for a case, from its whole image as one patch."""


PARTS = (
    Part(
        Kind.TASK,
        "classification",
        Classification,
        "wardround.engine.tasks.classification:ClassificationTask",
        truth="wardround.engine.targets.category:CATEGORY",
    ),
)
