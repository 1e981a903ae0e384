"""Parameters of the metrics of labels that do not exclude one another."""

from __future__ import annotations

from wardround.engine.parts.part import FRACTION, Kind, Parameters, Part


class F1(Parameters):
    """Harmonic mean of precision and sensitivity of each label (Dice 1945; van Rijsbergen 1979), and their mean."""


_HOME = "wardround.engine.metrics.multilabel"
PARTS = (Part(Kind.METRIC, "f1", F1, f"{_HOME}:F1Metric", frozenset({"multilabel"}), bounds=FRACTION),)
