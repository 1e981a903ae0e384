"""Dense windows over any callable, slab by slab into sinks."""

from wardround.engine.inference.painting import Painter
from wardround.engine.inference.sinks import LabelSink, ProbabilitySink, RegionSink, Sink, Slab, drain
from wardround.engine.inference.volumes import ClassVolumes, class_volumes
from wardround.engine.inference.windows import Predictor, mirrored, predict_windows, quick, scaled

__all__ = [
    "ClassVolumes",
    "LabelSink",
    "Painter",
    "Predictor",
    "ProbabilitySink",
    "RegionSink",
    "Sink",
    "Slab",
    "class_volumes",
    "drain",
    "mirrored",
    "predict_windows",
    "quick",
    "scaled",
]
