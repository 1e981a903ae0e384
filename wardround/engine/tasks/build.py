"""From a study to its task."""

from __future__ import annotations

from collections.abc import Mapping

from wardround.engine.study import Study
from wardround.engine.tasks.classification import ClassificationTask
from wardround.engine.tasks.segmentation import SegmentationTask
from wardround.engine.tasks.task import Task

TASKS: Mapping[str, type[Task]] = {"segmentation": SegmentationTask, "classification": ClassificationTask}


def build_task(study: Study) -> Task:
    """The study's task."""
    return TASKS[study.task](study)
