"""Preprocessing is fitted in passes: to what numpy finds in all voxels together, however the cases are grouped."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.image import Geometry, Image
from wardround.engine.preprocessing import Pipeline, Sample
from wardround.engine.preprocessing.fitted import EMPTY, FittedState, Scale, StepState, Window
from wardround.engine.preprocessing.fitting import Fitting, fitted_places, merged, summarise_case
from wardround.engine.preprocessing.requests import AskHistogram, CohortSummary, Request
from wardround.engine.study import Study

SHAPE = (6, 7, 8)
GRID = Geometry(SHAPE, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0))


def _study(within: str = "foreground", **sections: Any) -> Study:
    steps = [
        {"orient": "RAS"},
        {"cohort_clip": {"within": within, "percentiles": [5, 95]}},
        {"cohort_normalize": {"within": within}},
    ]
    return study_of(changed(SEGMENTATION, preprocessing=steps, inputs=["CT", "PET"], **sections))


def _samples(count: int = 5, seed: int = 0) -> list[Sample]:
    random = np.random.default_rng(seed)
    found = []
    for index in range(count):
        data = random.normal(40 * index, 100, (2, *SHAPE)).astype(np.float32)
        data[:, :2] = 0
        found.append(Sample(Image(data, GRID), random.integers(0, 3, SHAPE).astype(np.uint8)))
    return found


def _fit(study: Study, samples: Sequence[Sample]) -> tuple[FittedState, list[tuple[Request, CohortSummary]]]:
    """Fitted to cases in memory, with all that was asked and answered."""
    fitting, asked = Fitting(study), list[tuple[Request, CohortSummary]]()
    outcome = fitting.next_request([])
    while isinstance(outcome, Request):
        pipeline = Pipeline(study, outcome.state)
        ready = [pipeline.apply_between(0, outcome.place or 0, [sample]) for sample in samples]
        request = outcome
        asked.append((request, merged(request, [summarise_case(request, sample) for sample in ready])))
        outcome = fitting.next_request([answer for _, answer in asked])
    return outcome, asked


def _chosen(within: str, sample: Sample, channel: int) -> np.ndarray:
    values, label = sample.image.data[channel].astype(np.float64), sample.label
    assert label is not None
    return {"all": values.ravel(), "nonzero": values[values != 0], "foreground": values[label > 0]}[within]


def _bin_width(request: Request, channel: int) -> float:
    assert isinstance(request.ask, AskHistogram)
    ends = request.ask.ranges[channel]
    return (ends.high - ends.low) / request.ask.bins


@pytest.mark.parametrize("within", ["all", "nonzero", "foreground"])
def test_it_learns_what_numpy_finds_in_all_voxels_together(within: str) -> None:
    study, samples = _study(within), _samples()
    state, asked = _fit(study, samples)
    assert (state.cases, [step.place for step in state.steps]) == (5, [1, 2])
    for channel in range(2):
        pooled = np.concatenate([_chosen(within, sample, channel) for sample in samples])
        window, scale = (step.channels[channel] for step in state.steps)
        assert isinstance(window, Window)
        assert isinstance(scale, Scale)
        bin_width = _bin_width(asked[1][0], channel)
        assert window.low == pytest.approx(np.percentile(pooled, 5), abs=bin_width)
        assert window.high == pytest.approx(np.percentile(pooled, 95), abs=bin_width)
        clipped = np.clip(pooled.astype(np.float32), window.low, window.high)
        assert scale.mean == pytest.approx(clipped.mean(dtype=np.float64), rel=1e-12)
        assert scale.deviation == pytest.approx(clipped.std(dtype=np.float64), rel=1e-12)
    assert [request.ask.kind for request, _ in asked] == ["octaves", "histogram", "moments"]
    assert len(Fitting(study).described) == len(asked)


@pytest.mark.parametrize("within", ["all", "nonzero", "foreground"])
def test_what_was_learned_is_applied_to_any_case(within: str) -> None:
    study, samples = _study(within), _samples()
    state, _ = _fit(study, samples)
    (other,) = _samples(1, seed=9)
    found = Pipeline(study, state).apply(other).image.data
    for channel, values in enumerate(other.image.data):
        window, scale = (step.channels[channel] for step in state.steps)
        assert isinstance(window, Window)
        assert isinstance(scale, Scale)
        expected = (np.clip(values, window.low, window.high).astype(np.float64) - scale.mean) / scale.deviation
        if within == "nonzero":
            expected[values == 0] = 0
        np.testing.assert_array_equal(found[channel], expected.astype(np.float32))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_hospitals_together_learn_what_one_learns_of_all_cases(data: st.DataObject) -> None:
    study, samples = _study(), _samples(6)
    expected, asked = _fit(study, samples)
    order = data.draw(st.permutations(samples))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(samples)), min_size=1, max_size=3)))
    hospitals = [order[first:last] for first, last in zip([0, *cuts], [*cuts, len(order)], strict=True)]
    answers: list[CohortSummary] = []
    for request, _ in asked:
        pipeline = Pipeline(study, request.state)
        told = [
            merged(
                request,
                [summarise_case(request, pipeline.apply_between(0, request.place or 0, [case])) for case in hospital],
            )
            for hospital in hospitals
        ]
        for summary in told:
            request.check(summary)
        answers.append(reduce(CohortSummary.merge, told))
    state = Fitting(study).next_request(answers)
    assert isinstance(state, FittedState)
    assert canonical_model(state) == canonical_model(expected)


def test_a_study_that_fits_nothing_has_the_empty_state_at_once() -> None:
    study = study_of(SEGMENTATION)
    assert fitted_places(study) == ()
    assert Fitting(study).next_request([]) is EMPTY
    assert (EMPTY.digest, EMPTY.steps_digest) == ("", "")
    assert Pipeline(study).signature == Pipeline(study, FittedState(truth=(Scale(mean=1, deviation=2),))).signature


def test_another_state_is_another_signature_and_another_digest() -> None:
    study = _study()
    states = [_fit(study, _samples(count))[0] for count in (4, 5)]
    assert len({state.digest for state in states}) == 2
    assert len({repr(Pipeline(study, state).signature) for state in [*states, EMPTY]}) == 3
    for state in states:
        assert FittedState.model_validate_json(canonical_model(state)) == state


def test_a_step_that_was_not_fitted_says_so() -> None:
    with pytest.raises(InputError, match=r"preprocessing step cohort_clip: this step has learned nothing yet"):
        Pipeline(_study()).apply(_samples(1)[0])


def test_cases_without_a_voxel_that_counts_give_nothing() -> None:
    bare = [Sample(sample.image, np.zeros(SHAPE, np.uint8)) for sample in _samples(3)]
    with pytest.raises(InputError, match=r"cohort_clip, channel CT: .* nothing to fit .*no voxel of a class"):
        _fit(_study(), bare)
    some, _ = _fit(_study(), [*bare, *_samples(2)])
    assert some.cases == 5
    assert some.steps == _fit(_study(), _samples(2))[0].steps


def test_the_fewest_cases_behind_a_number_are_told() -> None:
    samples = _samples(3)
    samples[1].image.data[1] = 0
    study = _study("nonzero")
    request = Fitting(study).next_request([])
    assert isinstance(request, Request)
    answer = merged(request, [summarise_case(request, sample) for sample in samples])
    assert (answer.cases, answer.least_count, [part.cases for part in answer.parts]) == (3, 2, [3, 2])


def test_images_without_contrast_are_told_by_their_channel() -> None:
    flat = [Sample(Image(np.full((2, *SHAPE), 3, np.float32), GRID), sample.label) for sample in _samples(2)]
    with pytest.raises(InputError, match=r"channel CT: .* no contrast .*at the percentiles"):
        _fit(_study(), flat)


@settings(max_examples=40, deadline=None)
@given(
    middle=st.floats(-2e4, 2e4),
    spread=st.floats(20, 1e4),
    far=st.lists(st.sampled_from([1e6, -1e6, 1e9, -1e9, 1e30, -3e38, 1e-30]), max_size=3),
    seed=st.integers(0, 99),
)
def test_no_value_however_far_blurs_the_percentiles_of_the_others(
    middle: float, spread: float, far: list[float], seed: int
) -> None:
    random = np.random.default_rng(seed)
    samples = [
        Sample(Image(random.normal(middle, spread, (1, 12, 13, 14)).astype(np.float32), GRID), None) for _ in range(3)
    ]
    for place, value in enumerate(far):
        samples[place % 3].image.data[0, place, 0, 0] = value
    steps = [{"cohort_clip": {"within": "all", "percentiles": [1, 99]}}]
    state, _ = _fit(study_of(changed(SEGMENTATION, preprocessing=steps)), samples)
    (window,) = state.steps[0].channels
    assert isinstance(window, Window)
    pooled = np.concatenate([sample.image.data.ravel() for sample in samples]).astype(np.float64)
    expected = np.percentile(pooled, [1, 99])
    assert (window.low, window.high) == pytest.approx(tuple(expected), abs=0.002 * (expected[1] - expected[0]) + 8)


def test_where_almost_all_is_one_value_there_is_no_window() -> None:
    sparse = [Sample(Image(np.zeros((1, 20, 20, 20), np.float32), GRID), None) for _ in range(2)]
    sparse[0].image.data[0, :2, :2, :2] = 500
    steps = [{"cohort_clip": {"within": "all", "percentiles": [0.5, 99.5]}}]
    with pytest.raises(InputError, match="no contrast"):
        _fit(study_of(changed(SEGMENTATION, preprocessing=steps)), sparse)


def test_a_case_without_a_mask_has_no_foreground() -> None:
    request = Fitting(_study()).next_request([])
    assert isinstance(request, Request)
    with pytest.raises(InputError, match="no mask"):
        summarise_case(request, Sample(_samples(1)[0].image, None))


def _spoiled(answer: CohortSummary, other: CohortSummary) -> dict[str, CohortSummary]:
    part = answer.parts[0]
    return {
        "another request": answer.model_copy(update={"request": "0" * 64}),
        "a channel less": answer.model_copy(update={"parts": answer.parts[:1]}),
        "another kind": answer.model_copy(update={"parts": (other.parts[0], part)}),
        "more cases than there are": answer.model_copy(update={"cases": 1}),
        "a part of more cases": answer.model_copy(update={"parts": (part.model_copy(update={"cases": 6}), part)}),
    }


@pytest.mark.parametrize("fault", _spoiled(*[_fit(_study(), _samples(2))[1][index][1] for index in (0, 1)]))
def test_what_is_no_answer_is_refused(fault: str) -> None:
    _, asked = _fit(_study(), _samples(5))
    request, answer = asked[0]
    request.check(answer)
    spoiled = _spoiled(answer, asked[1][1])[fault]
    with pytest.raises(ValueError, match=r"request|parts|as was asked"):
        request.check(spoiled)
    with pytest.raises(ValueError, match=r"request|parts|as was asked"):
        Fitting(_study()).next_request([spoiled])


def test_bins_that_nobody_asked_for_are_refused() -> None:
    study = _study()
    (_, _), (request, _), _ = _fit(study, _samples(5))[1]
    (_, _), (_, answer), _ = _fit(study, _samples(4))[1]
    with pytest.raises(ValueError, match="no histogram"):
        request.check(answer.model_copy(update={"request": request.digest}))


def test_states_of_steps_stand_in_their_order() -> None:
    step = StepState(place=1, channels=(Window(low=0, high=1),))
    with pytest.raises(ValueError, match="in the order"):
        FittedState(steps=(step, step))


def test_voxels_that_do_not_count_are_no_foreground() -> None:
    study = _study().model_copy(update={"ignore": 255})
    sample = _samples(1)[0]
    assert sample.label is not None
    label = sample.label.copy()
    label[: len(label) // 2] = study.ignored_class or 0
    outcome = Fitting(study).next_request([])
    assert isinstance(outcome, Request)
    found = summarise_case(outcome, Sample(sample.image, label), study.ignored_class)
    without = np.where(label == study.ignored_class, 0, label)
    assert found == summarise_case(outcome, Sample(sample.image, without))
