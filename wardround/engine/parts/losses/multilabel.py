"""Parameters of the losses of labels that do not exclude one another."""

from __future__ import annotations

from wardround.engine.parts.part import Kind, Parameters, Part


class BCE(Parameters):
    """Binary cross-entropy of each label, the mean over those of a sample that are known."""


PARTS = (Part(Kind.LOSS, "bce", BCE, "wardround.engine.losses.multilabel:BCELoss", frozenset({"multilabel"})),)
