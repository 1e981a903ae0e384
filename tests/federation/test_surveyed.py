"""What may be asked about cases, and what an answer or a fitted state must be, at either end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.engine.experiments.made import made_study
from tests.support.studies import REGRESSION, SEGMENTATION, changed, study_of
from wardround.engine.preprocessing.fitted import FittedState, Scale, Standard, StepState, Window
from wardround.engine.preprocessing.fitting import Fitting
from wardround.engine.preprocessing.requests import AskMoments, CohortSummary, PartSummary, Request
from wardround.engine.summaries import Moments
from wardround.federation.declared import UndeclaredError
from wardround.federation.surveyed import check_request, check_state, check_summary, request_from_bytes

FITTING = [{"cohort_clip": {"within": "all"}}, {"cohort_normalize": {"within": "all"}}]
STUDY = study_of(changed(SEGMENTATION, preprocessing=FITTING))
NUMBERS = study_of(REGRESSION)
WINDOW, SCALE = Window(low=-10.0, high=200.0), Scale(mean=50.0, deviation=20.0)


def state(first: Any = WINDOW, second: Any = SCALE, **changes: Any) -> FittedState:
    """Of the two steps of the study."""
    steps = (StepState(place=0, channels=(first,)), StepState(place=1, channels=(second,)))
    return FittedState(cases=9, steps=steps).model_copy(update=changes)


def test_what_a_study_fits_is_taken() -> None:
    check_state(STUDY, state())
    check_state(NUMBERS, FittedState(cases=9, truth=(SCALE,)))


@pytest.mark.parametrize(
    ("spoiled", "told"),
    [
        (FittedState(), "steps"),
        (state(steps=state().steps[:1]), "steps"),
        (state(steps=(StepState(place=0, channels=(WINDOW, WINDOW)), state().steps[1])), "channels"),
        (state(truth=(SCALE,)), "numbers"),
        (state(first=SCALE), "kinds"),
        (state(second=WINDOW), "kinds"),
        (state(first=Window(low=0.0, high=1e13)), "beyond"),
        (state(second=Scale(mean=-1e13, deviation=1.0)), "beyond"),
        (state(second=Scale(mean=0.0, deviation=1e-13)), "deviation"),
    ],
)
def test_a_state_that_cases_cannot_give_is_refused(spoiled: FittedState, told: str) -> None:
    with pytest.raises(UndeclaredError, match=told):
        check_state(STUDY, spoiled)


def test_landmarks_are_those_that_a_study_learns() -> None:
    """Others fit no image: a site would fail amid its work, where it has to refuse the task."""
    study = study_of(changed(SEGMENTATION, preprocessing=["nyul"]))
    for count, is_known in ((11, True), (2, False), (101, False)):
        learned = Standard(landmarks=tuple(np.linspace(0, 100, count).tolist()))
        found = FittedState(cases=9, steps=(StepState(place=0, channels=(learned,)),))
        if is_known:
            check_state(study, found)
        else:
            with pytest.raises(UndeclaredError, match=f"{count} landmarks, where there are 11"):
                check_state(study, found)


def _answer(request: Request, values: np.ndarray, cases: int) -> CohortSummary:
    part = PartSummary(cases=cases, summary=Moments.of(values))
    return CohortSummary(request=request.digest, cases=cases, parts=(part,))


def test_an_image_that_is_to_be_made_has_as_many_numbers_as_voxels() -> None:
    study = made_study()
    request = Fitting(study).next_request([])
    assert isinstance(request, Request)
    check_request(study, request, 1)
    check_summary(request, _answer(request, np.arange(300.0), 3), 3)
    with pytest.raises(UndeclaredError, match="not what the study fits"):
        check_request(study, request.model_copy(update={"about": "truth"}), 1)
    with pytest.raises(UndeclaredError, match="not what the study fits"):
        check_request(NUMBERS, request, 1)


def test_each_case_has_each_number_once() -> None:
    request = Fitting(NUMBERS).next_request([])
    assert isinstance(request, Request)
    check_request(NUMBERS, request, 1)
    check_summary(request, _answer(request, np.array([43.0, 71.5, 60.0]), 3), 3)
    with pytest.raises(UndeclaredError, match="4 numbers of 3 cases"):
        check_summary(request, _answer(request, np.array([43.0, 71.5, 60.0, 60.0]), 3), 3)


@pytest.mark.parametrize(("mean", "is_taken"), [(100.0, True), (-10.0, True), (201.0, False), (-11.0, False)])
def test_what_was_limited_lies_within_its_limits(mean: float, is_taken: bool) -> None:
    before = FittedState(cases=9, steps=(StepState(place=0, channels=(WINDOW,)),))
    request = Request(place=1, parts=1, ask=AskMoments(), state=before)
    check_request(STUDY, request, 3)
    answer = _answer(request, np.full(6, mean), 3)
    if is_taken:
        check_summary(request, answer, 3)
    else:
        with pytest.raises(UndeclaredError, match="limited"):
            check_summary(request, answer, 3)


def test_values_without_end_are_refused() -> None:
    request = Request(place=1, parts=1, ask=AskMoments())
    with pytest.raises(UndeclaredError, match="beyond"):
        check_summary(request, _answer(request, np.array([1e200, 1e200]), 2), 2)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[" * 10_000, b"\xff", b'{"place":0,"parts":1,"ask":{"kind":"faces"}}']
)
def test_what_is_no_request_is_refused(content: bytes) -> None:
    with pytest.raises(UndeclaredError, match="no request"):
        request_from_bytes(content)
