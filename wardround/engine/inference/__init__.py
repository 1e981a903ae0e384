"""Dense windows over any callable."""

from wardround.engine.inference.volumes import ClassVolumes, class_volumes
from wardround.engine.inference.windows import Predictor, mirrored, predict_planes, predict_windows, quick

__all__ = ["ClassVolumes", "Predictor", "class_volumes", "mirrored", "predict_planes", "predict_windows", "quick"]
