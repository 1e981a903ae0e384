"""Statistics of a site's training cases: what may be asked for, and what an answer must be, at either end.

The kinds of summaries are a closed set without a word of text. What a study fits says which are asked for, in which
order; anything else is refused at the site, and any other answer at both ends.
"""

from __future__ import annotations

import math

import numpy as np
from pydantic import ValidationError

from wardround.engine.parts.preprocessing.fitted import LANDMARKS
from wardround.engine.preprocessing.fitted import (
    ChannelState,
    FittedState,
    Scale,
    Standard,
    Window,
    channels_of,
    fitted_places,
)
from wardround.engine.preprocessing.requests import CohortSummary, PartSummary, Request
from wardround.engine.study import Study
from wardround.engine.study.tabular import numbers_of
from wardround.engine.summaries import Histogram, Landmarks, Moments, Octaves
from wardround.engine.targets import target_of
from wardround.engine.targets.numbers import LEAST_SPREAD
from wardround.federation.declared import UndeclaredError

_LARGEST = 1e12
"""No scanner gives such a value, and no table that is meant."""
MAX_REQUEST_BYTES = 2**20
"""A question has a range and a state for each channel; that of a study of most inputs and steps is a tenth of this."""
_MOST_VALUES = 2**40
"""Values of one case: an image of ten thousand voxels each way has fewer."""


def check_state(study: Study, state: FittedState) -> None:
    """Raise `UndeclaredError` unless a state is one of this study: of just the steps that it fits, for each channel."""
    if tuple(step.place for step in state.steps) != fitted_places(study):
        raise UndeclaredError("a fitted state that is not of this study's steps")
    if any(
        len(step.channels) != len(channels_of(study.preprocessing[step.place], study.inputs)) for step in state.steps
    ):
        raise UndeclaredError("a fitted state that is not of this study's channels")
    if len(state.truth) != target_of(study).numbers_to_scale(study):
        raise UndeclaredError("a fitted state that is not of this study's numbers")
    if len(state.columns) != len(numbers_of(study.columns)):
        raise UndeclaredError("a fitted state that is not of this study's columns")
    _check_values(study, state)


def _check_values(study: Study, state: FittedState) -> None:
    """Of the steps that a state has: what each can have learned, in numbers that cases can have."""
    from wardround.engine.preprocessing.fitting import is_of

    if not all(is_of(study, step) for step in state.steps):
        raise UndeclaredError("a fitted state of other kinds than this study's steps learn")
    of_steps: list[ChannelState] = [channel for step in state.steps for channel in step.channels]
    for one in (*of_steps, *state.truth, *state.columns):
        _check_learned(one)


def _check_learned(one: ChannelState) -> None:
    numbers = one.landmarks if isinstance(one, Standard) else _ends(one)
    if any(abs(number) > _LARGEST for number in numbers):
        raise UndeclaredError(f"a fitted state with values beyond {_LARGEST:g}")
    if isinstance(one, Standard) and len(one.landmarks) != len(LANDMARKS):
        raise UndeclaredError(f"a fitted state with {len(one.landmarks)} landmarks, where there are {len(LANDMARKS)}")
    if isinstance(one, Scale) and one.deviation < LEAST_SPREAD:
        raise UndeclaredError(f"a fitted state with a deviation below {LEAST_SPREAD:g}")


def _ends(one: Window | Scale) -> tuple[float, float]:
    return (one.low, one.high) if isinstance(one, Window) else (one.mean, one.deviation)


def request_from_bytes(content: bytes) -> Request:
    """The request that came with a task. Raises `UndeclaredError` for anything else."""
    if len(content) > MAX_REQUEST_BYTES:
        raise UndeclaredError("what came with the task is longer than any request")
    try:
        return Request.model_validate_json(content)
    except ValidationError:
        raise UndeclaredError("what came with the task is no request of this release") from None


def check_request(study: Study, request: Request, exchange: int) -> None:
    """Raise `UndeclaredError` unless this may be asked as the so-manieth question, from 1, about a study's cases."""
    from wardround.engine.preprocessing.fitting import Fitting

    expected = Fitting(study).expected
    if not 1 <= exchange <= len(expected):
        raise UndeclaredError(f"question {exchange}, where the study fits in {len(expected)}")
    if not expected[exchange - 1].admits(request):
        raise UndeclaredError(f"question {exchange} is not what the study fits then")
    _check_values(study, request.state)


def check_summary(request: Request, summary: CohortSummary, train_cases: int) -> None:
    """Raise `UndeclaredError` unless a summary answers the request for so many training cases, as cases can be."""
    try:
        request.check(summary)
    except ValueError as error:
        raise UndeclaredError(f"the statistics: {error}") from None
    if summary.cases != train_cases:
        raise UndeclaredError(f"statistics of {summary.cases} cases, where there are {train_cases} to train on")
    for index, part in enumerate(summary.parts):
        _check_part(part)
        _check_moments(request, part, index)


def _check_part(part: PartSummary) -> None:
    summary = part.summary
    if isinstance(summary, Histogram | Moments | Octaves | Landmarks) and summary.count > part.cases * _MOST_VALUES:
        raise UndeclaredError("statistics of more values than so many cases have")
    if not all(abs(value) <= _LARGEST for value in _magnitudes(summary)):
        raise UndeclaredError(f"statistics of values beyond {_LARGEST:g}")


def _check_moments(request: Request, part: PartSummary, index: int) -> None:
    """Each case has each number of the table once; and what a step before has limited lies where it was limited to."""
    moments, place = part.summary, request.place
    if not isinstance(moments, Moments) or not moments.count:
        return
    if place is None and request.about != "targets" and moments.count != part.cases:
        raise UndeclaredError(f"{moments.count} numbers of {part.cases} cases")
    window = _learned_before(request, place, index)
    if isinstance(window, Window):
        # Voxels are float32; and steps within nonzero ones leave the others at zero, which need not lie in the window.
        low, high = (float(np.float32(end)) for end in (window.low, window.high))
        if not min(low, 0) <= moments.mean <= max(high, 0):
            raise UndeclaredError("a mean of values that were limited to others")


def _learned_before(request: Request, place: int | None, part: int) -> ChannelState | None:
    """What the step before the one that is asked about has learned of the channel of a part."""
    limits = request.state.of(place - 1) if place else None
    channel = request.channels[part] if request.channels else part
    return None if limits is None else limits.of_channel(channel)


def _magnitudes(summary: object) -> tuple[float, ...]:
    """The numbers of a summary that are values, not counts of them."""
    if isinstance(summary, Moments) and summary.count:
        try:
            return summary.mean, math.sqrt(float(summary.squares.fraction / summary.count))
        except OverflowError:
            return (math.inf,)
    return ()
