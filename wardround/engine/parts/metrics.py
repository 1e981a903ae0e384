"""Parameters of the metrics."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from wardround.engine.parts.registry import FRACTION, MILLIMETRES, Kind, Parameters, Part


class Dice(Parameters):
    """Dice similarity coefficient per class (Dice 1945). Undefined where neither truth nor prediction has the class."""


class HD95(Parameters):
    """Larger of the two directed 95th percentiles of surface distance in mm (Huttenlocher et al. 1993), per class."""


class NSD(Parameters):
    """Normalised surface Dice at a tolerance in mm (Nikolov et al. 2021), per class."""

    shorthand: ClassVar[str | None] = "tolerance"
    tolerance: Annotated[float, Field(gt=0)] = 1.0


class Accuracy(Parameters):
    """Fraction of cases whose most probable class is the true one."""


class AUC(Parameters):
    """Area under the ROC curve; with more than two classes the mean over classes of one against the rest."""


SEGMENTATION = frozenset({"segmentation"})
CLASSIFICATION = frozenset({"classification"})
_SURFACE = "wardround.engine.metrics.segmentation"
_SCALAR = "wardround.engine.metrics.classification"
PARTS = (
    Part(Kind.METRIC, "dice", Dice, f"{_SURFACE}:DiceMetric", SEGMENTATION, bounds=FRACTION),
    Part(Kind.METRIC, "hd95", HD95, f"{_SURFACE}:HD95Metric", SEGMENTATION, False, MILLIMETRES),
    Part(Kind.METRIC, "nsd", NSD, f"{_SURFACE}:NSDMetric", SEGMENTATION, bounds=FRACTION),
    Part(Kind.METRIC, "accuracy", Accuracy, f"{_SCALAR}:AccuracyMetric", CLASSIFICATION, bounds=FRACTION),
    Part(Kind.METRIC, "auc", AUC, f"{_SCALAR}:AUCMetric", CLASSIFICATION, bounds=FRACTION),
)
