"""The tasks. Each names its network's step and, by `truth`, the kind of truth that it learns from."""

from wardround.engine.parts.tasks.classification import Classification
from wardround.engine.parts.tasks.multilabel import MultiLabel
from wardround.engine.parts.tasks.regression import Regression
from wardround.engine.parts.tasks.segmentation import Segmentation
from wardround.engine.parts.tasks.survival import Survival
from wardround.engine.parts.tasks.synthesis import Synthesis

__all__ = ["Classification", "MultiLabel", "Regression", "Segmentation", "Survival", "Synthesis"]
