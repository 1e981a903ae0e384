"""Parameters of the metrics of masks, each per class."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from wardround.engine.parts.metrics.chosen import OfClasses
from wardround.engine.parts.part import FRACTION, MILLIMETRES, Bounds, Kind, Parameters, Part


class Dice(OfClasses):
    """Dice similarity coefficient per class (Dice 1945). Undefined where neither truth nor prediction has the class."""


class Jaccard(OfClasses):
    """Jaccard index, or intersection over union, per class (Jaccard 1901)."""


class VolumeSimilarity(OfClasses):
    """How alike the volumes of prediction and truth are, wherever they lie, per class (Taha & Hanbury 2015)."""


class VolumeError(OfClasses):
    """Absolute difference of the volumes of prediction and truth, in ml (of flat images in cm^2), per class."""


class HD95(OfClasses):
    """Larger of the two directed 95th percentiles of surface distance in mm (Huttenlocher et al. 1993), per class."""


class HD100(OfClasses):
    """Hausdorff distance, the largest between two surfaces in mm (Huttenlocher et al. 1993), per class."""


class ASSD(OfClasses):
    """Average symmetric surface distance in mm (Heimann et al. 2009), per class."""


class NSD(OfClasses):
    """Normalised surface Dice at a tolerance in mm (Nikolov et al. 2021), per class."""

    shorthand: ClassVar[str | None] = "tolerance"
    tolerance: Annotated[float, Field(gt=0)] = 1.0


_HOME = "wardround.engine.metrics.segmentation"
_TASKS = frozenset({"segmentation"})
_MILLILITRES = Bounds(0.0, 1e9)


def _fraction(name: str, parameters: type[Parameters], where: str, *gandlf: str) -> Part:
    return Part(Kind.METRIC, name, parameters, f"{_HOME}:{where}", _TASKS, bounds=FRACTION, gandlf=gandlf)


def _distance(name: str, parameters: type[Parameters], where: str, *gandlf: str) -> Part:
    return Part(Kind.METRIC, name, parameters, f"{_HOME}:{where}", _TASKS, False, MILLIMETRES, gandlf=gandlf)


PARTS = (
    _fraction("dice", Dice, "DiceMetric", "dice"),
    _fraction("jaccard", Jaccard, "JaccardMetric", "jaccard", "iou"),
    _fraction("volume_similarity", VolumeSimilarity, "VolumeSimilarityMetric"),
    _fraction("nsd", NSD, "NSDMetric", "nsd", "normalized_surface_dice", "normalized_sd"),
    _distance("hd95", HD95, "HD95Metric", "hd95", "hausdorff95"),
    _distance("hd100", HD100, "HD100Metric", "hd100", "hausdorff", "hausdorff100"),
    _distance("assd", ASSD, "ASSDMetric"),
    Part(Kind.METRIC, "volume_error", VolumeError, f"{_HOME}:VolumeErrorMetric", _TASKS, False, _MILLILITRES),
)
