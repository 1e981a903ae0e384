"""The task of survival analysis."""

from __future__ import annotations

from wardround.engine.parts.part import Kind, Parameters, Part


class Survival(Parameters):
    """The risk that an event comes early, learned from times of which some ended without it."""


PARTS = (
    Part(
        Kind.TASK,
        "survival",
        Survival,
        "wardround.engine.tasks.survival:SurvivalTask",
        truth="wardround.engine.targets.survival:SURVIVAL",
    ),
)
