"""Parameters of optimisers and learning-rate schedules."""

from wardround.engine.parts.optimization.optimizers import SGD, AdamW
from wardround.engine.parts.optimization.schedules import Constant, Cosine

__all__ = ["SGD", "AdamW", "Constant", "Cosine"]
