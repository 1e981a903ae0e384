"""Tasks: each ties network, loss, metrics and inference together. One file per task."""

from wardround.engine.tasks.build import build_task
from wardround.engine.tasks.segmentation import SegmentationTask
from wardround.engine.tasks.task import Prediction, Task

__all__ = ["Prediction", "SegmentationTask", "Task", "build_task"]
