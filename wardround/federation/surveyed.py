"""Statistics of a site's training cases: what may be asked for, and what an answer must be, at either end.

The kinds of summaries are a closed set without a word of text. What a study fits says which are asked for, in which
order; anything else is refused at the site, and any other answer at both ends.
"""

from __future__ import annotations

import math

from pydantic import ValidationError

from wardround.engine.preprocessing.fitted import FittedState, fitted_places
from wardround.engine.preprocessing.requests import CohortSummary, PartSummary, Request
from wardround.engine.study import Study
from wardround.engine.summaries import Extremes, Histogram, Moments
from wardround.engine.targets import target_of
from wardround.federation.declared import UndeclaredError

_LARGEST = 1e12
"""No scanner gives such a value, and no table that is meant."""
_MOST_VALUES = 2**40
"""Values of one case: an image of ten thousand voxels each way has fewer."""


def check_state(study: Study, state: FittedState) -> None:
    """Raise `UndeclaredError` unless a state is one of this study: of just the steps that it fits, for each channel."""
    if tuple(step.place for step in state.steps) != fitted_places(study):
        raise UndeclaredError("a fitted state that is not of this study's steps")
    if any(len(step.channels) != len(study.inputs) for step in state.steps):
        raise UndeclaredError("a fitted state that is not of this study's channels")
    if len(state.truth) != target_of(study).numbers_to_scale(study):
        raise UndeclaredError("a fitted state that is not of this study's numbers")


def request_from_bytes(content: bytes) -> Request:
    """The request that came with a task. Raises `UndeclaredError` for anything else."""
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


def check_summary(request: Request, summary: CohortSummary, train_cases: int) -> None:
    """Raise `UndeclaredError` unless a summary answers the request for so many training cases, as cases can be."""
    try:
        request.check(summary)
    except ValueError as error:
        raise UndeclaredError(f"the statistics: {error}") from None
    if summary.cases != train_cases:
        raise UndeclaredError(f"statistics of {summary.cases} cases, where there are {train_cases} to train on")
    for part in summary.parts:
        _check_part(part)


def _check_part(part: PartSummary) -> None:
    summary = part.summary
    if isinstance(summary, Histogram | Moments) and summary.count > part.cases * _MOST_VALUES:
        raise UndeclaredError("statistics of more values than so many cases have")
    if not all(abs(value) <= _LARGEST for value in _magnitudes(summary)):
        raise UndeclaredError(f"statistics of values beyond {_LARGEST:g}")


def _magnitudes(summary: object) -> tuple[float, ...]:
    """The numbers of a summary that are values, not counts of them."""
    if isinstance(summary, Extremes):
        return tuple(value for value in (summary.low, summary.high) if value is not None)
    if isinstance(summary, Moments) and summary.count:
        try:
            return summary.mean, math.sqrt(float(summary.squares.fraction / summary.count))
        except OverflowError:
            return (math.inf,)
    return ()
