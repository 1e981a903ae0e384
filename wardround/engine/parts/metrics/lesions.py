"""Parameters of the metrics of lesions, the parts of a class that hang together, each per class."""

from __future__ import annotations

from wardround.engine.parts.metrics.chosen import OfClasses
from wardround.engine.parts.numbers import NonNegative
from wardround.engine.parts.part import FRACTION, Bounds, Kind, Part


class Lesions(OfClasses):
    """What counts as a lesion: parts of the truth nearer than twice `distance` mm are one; what is smaller than
    `least_volume` (mm^3; mm^2 of flat images) is left out."""

    distance: NonNegative = 3.0
    least_volume: NonNegative = 0.0


class LesionDice(Lesions):
    """Lesion-wise Dice (BraTS 2023): the mean over true lesions and invented ones, which count 0."""


class LesionF1(Lesions):
    """F1 of lesions: how many are found, and how many are invented."""


class LesionCountError(Lesions):
    """By how many the number of predicted lesions is off."""


_HOME = "wardround.engine.metrics.lesions"
_TASKS = frozenset({"segmentation"})
PARTS = (
    Part(Kind.METRIC, "lesion_dice", LesionDice, f"{_HOME}:LesionDiceMetric", _TASKS, bounds=FRACTION),
    Part(Kind.METRIC, "lesion_f1", LesionF1, f"{_HOME}:LesionF1Metric", _TASKS, bounds=FRACTION),
    Part(
        Kind.METRIC,
        "lesion_count_error",
        LesionCountError,
        f"{_HOME}:LesionCountErrorMetric",
        _TASKS,
        False,
        Bounds(0.0, 1e9),
    ),
)
