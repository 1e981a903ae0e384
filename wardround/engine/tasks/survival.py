"""Survival analysis: one number of a case, the logarithm of its risk relative to others'."""

from __future__ import annotations

from wardround.engine.tasks.whole import WholeImageTask


class SurvivalTask(WholeImageTask):
    """The higher the output, the earlier the event is to be expected. It has no unit: only its order and its
    differences mean something, within one model."""
