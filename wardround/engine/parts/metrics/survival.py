"""Parameters of the metrics of times until an event."""

from __future__ import annotations

from wardround.engine.parts.part import FRACTION, Kind, Parameters, Part


class CIndex(Parameters):
    """Concordance (Harrell et al. 1982): of two cases, how often the one with the earlier event has the higher risk."""


_HOME = "wardround.engine.metrics.survival"
PARTS = (Part(Kind.METRIC, "c_index", CIndex, f"{_HOME}:CIndexMetric", frozenset({"survival"}), bounds=FRACTION),)
