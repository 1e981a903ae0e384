"""Kinds of truth: what stands for the truth of a case. One file per kind. Imports no torch."""

from wardround.engine.targets.of import loaded, row_target_of, strata_of, target_of
from wardround.engine.targets.target import Activation, Column, Form, Holding, RowTarget, Target, Told, Written

__all__ = [
    "Activation",
    "Column",
    "Form",
    "Holding",
    "RowTarget",
    "Target",
    "Told",
    "Written",
    "loaded",
    "row_target_of",
    "strata_of",
    "target_of",
]
