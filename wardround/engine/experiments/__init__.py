"""The workbench (one hospital's cohort, ready to learn from), fit, folds, leaderboards."""

from wardround.engine.experiments.workbench import Workbench

__all__ = ["Workbench"]
