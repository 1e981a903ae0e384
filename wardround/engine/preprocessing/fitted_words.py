"""What preprocessing has learned, in words and in rows of a table."""

from __future__ import annotations

from wardround.engine.preprocessing.fitted import ChannelState, FittedState, Standard, StepState, Window, channels_of
from wardround.engine.study import Study

Row = tuple[str, str, str]
"""A step, a channel, and what the step has learned of it."""


def fitted_rows(study: Study, state: FittedState) -> list[Row]:
    """One for each fitted step and channel, in order, then one for each number to predict. Values are in the units of
    what the step is given, and of the table."""
    of_steps = [
        (study.preprocessing[step.place].name, name, _learned(channel))
        for step in state.steps
        for name, channel in zip(_names(study, step), step.channels, strict=True)
    ]
    pairs = zip(study.outputs, state.truth, strict=False)
    return [*of_steps, *(("scale of the numbers", name, _learned(scale)) for name, scale in pairs)]


def fitted_sentence(study: Study, state: FittedState) -> str:
    """All of it in one sentence."""
    learned = "; ".join(f"{step} of {channel}: {values}" for step, channel, values in fitted_rows(study, state))
    cases = "1 training case" if state.cases == 1 else f"{state.cases:,} training cases"
    return f"fitted to {cases}: {learned}"


def _names(study: Study, step: StepState) -> list[str]:
    """Of the channels that a step has learned of."""
    return [study.inputs[channel] for channel in channels_of(study.preprocessing[step.place], study.inputs)]


def _learned(state: ChannelState) -> str:
    if isinstance(state, Window):
        return f"from {state.low:.6g} to {state.high:.6g}"
    if isinstance(state, Standard):
        return f"landmarks {', '.join(f'{value:.4g}' for value in state.landmarks)}"
    return f"mean {state.mean:.6g}, standard deviation {state.deviation:.6g}"
