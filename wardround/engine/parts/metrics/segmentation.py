"""Parameters of the metrics of masks, each per class."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from wardround.engine.parts.part import FRACTION, MILLIMETRES, Kind, Parameters, Part


class Dice(Parameters):
    """Dice similarity coefficient per class (Dice 1945). Undefined where neither truth nor prediction has the class."""


class HD95(Parameters):
    """Larger of the two directed 95th percentiles of surface distance in mm (Huttenlocher et al. 1993), per class."""


class NSD(Parameters):
    """Normalised surface Dice at a tolerance in mm (Nikolov et al. 2021), per class."""

    shorthand: ClassVar[str | None] = "tolerance"
    tolerance: Annotated[float, Field(gt=0)] = 1.0


_HOME = "wardround.engine.metrics.segmentation"
_TASKS = frozenset({"segmentation"})
PARTS = (
    Part(Kind.METRIC, "dice", Dice, f"{_HOME}:DiceMetric", _TASKS, bounds=FRACTION),
    Part(Kind.METRIC, "hd95", HD95, f"{_HOME}:HD95Metric", _TASKS, False, MILLIMETRES),
    Part(Kind.METRIC, "nsd", NSD, f"{_HOME}:NSDMetric", _TASKS, bounds=FRACTION),
)
