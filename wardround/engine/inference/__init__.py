"""Dense windows over any callable."""

from wardround.engine.inference.windows import Predictor, mirrored, predict_planes, predict_windows, quick

__all__ = ["Predictor", "mirrored", "predict_planes", "predict_windows", "quick"]
