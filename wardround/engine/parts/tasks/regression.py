"""The task of regression."""

from __future__ import annotations

from wardround.engine.parts.part import Kind, Parameters, Part


class Regression(Parameters):
    """One or several numbers for a case, from its whole image as one patch, learned in units of their own spread."""


PARTS = (
    Part(
        Kind.TASK,
        "regression",
        Regression,
        "wardround.engine.tasks.regression:RegressionTask",
        truth="wardround.engine.targets.numbers:NUMBERS",
    ),
)
