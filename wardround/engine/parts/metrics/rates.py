"""Parameters of the metrics that count what is found and what is missed: voxels of a class, or cases."""

from __future__ import annotations

from wardround.engine.parts.metrics.chosen import OfClasses
from wardround.engine.parts.part import FRACTION, Bounds, Kind, Part


class Sensitivity(OfClasses):
    """Sensitivity, or recall: the part of what is there that is found. Of two classes of cases that of the second."""


class Specificity(OfClasses):
    """Specificity: the part of what is not there that is not found. Of two classes of cases that of the second."""


class Precision(OfClasses):
    """Precision, or positive predictive value: the part of what is found that is there."""


class F1(OfClasses):
    """F1 score, the harmonic mean of precision and sensitivity (van Rijsbergen 1979); of voxels it is called `dice`."""


class Matthews(OfClasses):
    """Matthews' correlation coefficient (Matthews 1975), from -1 to 1; of classes of cases that of all together
    (Gorodkin 2004), or with `classes` the mean of each of those against the rest."""


_HOME = "wardround.engine.metrics.rates"
_CASES = frozenset({"classification", "multilabel"})
_BOTH = _CASES | {"segmentation"}
_CORRELATION = Bounds(-1.0, 1.0)
PARTS = (
    Part(
        Kind.METRIC,
        "sensitivity",
        Sensitivity,
        f"{_HOME}:SensitivityMetric",
        _BOTH,
        bounds=FRACTION,
        gandlf=("sensitivity", "recall"),
    ),
    Part(
        Kind.METRIC,
        "specificity",
        Specificity,
        f"{_HOME}:SpecificityMetric",
        _BOTH,
        bounds=FRACTION,
        gandlf=("specificity",),
    ),
    Part(
        Kind.METRIC,
        "precision",
        Precision,
        f"{_HOME}:PrecisionMetric",
        _BOTH,
        bounds=FRACTION,
        gandlf=("precision",),
    ),
    Part(Kind.METRIC, "f1", F1, f"{_HOME}:F1Metric", _CASES, bounds=FRACTION, gandlf=("f1", "f1_score")),
    Part(Kind.METRIC, "mcc", Matthews, f"{_HOME}:MCCMetric", _BOTH, bounds=_CORRELATION, gandlf=("mcc",)),
)
