"""The task of multi-label classification."""

from __future__ import annotations

from wardround.engine.parts.part import Kind, Parameters, Part


class MultiLabel(Parameters):
    """Several labels for a case, each there or not, from its whole image as one patch."""


PARTS = (
    Part(
        Kind.TASK,
        "multilabel",
        MultiLabel,
        "wardround.engine.tasks.multilabel:MultiLabelTask",
        truth="wardround.engine.targets.labels:LABELS",
    ),
)
