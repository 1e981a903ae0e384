"""Landmarks of histograms: learned of training cases, the same at one hospital and at many, and true to the paper."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.images import oblique_geometry
from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging import Image
from wardround.engine.parts.preprocessing.fitted import LANDMARKS
from wardround.engine.preprocessing import Pipeline, Sample
from wardround.engine.preprocessing.fitted import FittedState, Standard, StepState
from wardround.engine.preprocessing.fitted_words import fitted_sentence
from wardround.engine.preprocessing.fitting import Fitting, fit_to, merged, summarise_case
from wardround.engine.preprocessing.requests import AskLandmarks, CohortSummary, PartSummary, Request
from wardround.engine.study import Study
from wardround.engine.summaries import Landmarks
from wardround.engine.summaries.exact import Dyadic
from wardround.federation.declared import UndeclaredError
from wardround.federation.surveyed import check_request, check_state, check_summary, request_from_bytes

SHAPE = (9, 8, 7)


def _study(within: str = "nonzero", **changes: Any) -> Study:
    return study_of(changed(SEGMENTATION, preprocessing=["orient", {"nyul": {"within": within}}], **changes))


def _samples(count: int = 5) -> list[Sample]:
    """The same anatomy in the units of other scanners."""
    random = np.random.default_rng(0)
    found = []
    for index in range(count):
        values = random.gamma(3, 20, (1, *SHAPE)) * (index + 1) ** 2 + 100 * index + 1
        values[:, :2] = 0
        found.append(Sample(Image(values.astype(np.float32), oblique_geometry(SHAPE)), None))
    return found


def _plain(samples: Sequence[Sample], within: str) -> np.ndarray:
    """The standard of the paper, case by case."""
    scaled = []
    for sample in samples:
        values = sample.image.data.astype(np.float64)
        own = np.percentile(values[values != 0] if within == "nonzero" else values, LANDMARKS)
        scaled.append((own - own[0]) / (own[-1] - own[0]) * 100)
    return np.mean(scaled, axis=0)


@pytest.mark.parametrize("within", ["all", "nonzero"])
def test_it_learns_the_mean_landmarks_and_brings_every_image_to_them(within: str) -> None:
    study, samples = _study(within), _samples()
    state = fit_to(study, samples)
    (standard,) = state.steps[0].channels
    assert isinstance(standard, Standard)
    np.testing.assert_allclose(standard.landmarks, _plain(samples, within), atol=1e-4)
    for sample in samples:
        oriented = Pipeline(study, state).apply_between(0, 1, [sample]).image.data
        found = Pipeline(study, state).apply(sample).image.data
        assert not found[oriented == 0].any() or within == "all"
        chosen = oriented != 0 if within == "nonzero" else oriented == oriented
        if within == "nonzero":
            own = np.percentile(found[chosen].astype(np.float64), LANDMARKS)
            np.testing.assert_allclose(own, standard.landmarks, atol=1.5)  # between two voxels the map bends
        landmarks = np.percentile(oriented[chosen].astype(np.float64), LANDMARKS)
        inside = chosen & (oriented >= landmarks[0]) & (oriented <= landmarks[-1])
        values, places = np.unique(landmarks, return_index=True)
        if len(places) == len(landmarks):
            expected = np.interp(oriented[inside], values, np.asarray(standard.landmarks))
            np.testing.assert_allclose(found[inside], expected, atol=1e-3)
    assert "nyul of T1w: landmarks 0, " in fitted_sentence(study, state)


def test_what_scanners_multiply_and_add_is_gone() -> None:
    study, samples = _study(), _samples()
    state = fit_to(study, samples)
    one = samples[0].image
    other = np.where(one.data == 0, 0, one.data * 7.5 + 40).astype(np.float32)
    found = [Pipeline(study, state).apply(Sample(Image(data, one.geometry), None)) for data in (one.data, other)]
    np.testing.assert_allclose(found[0].image.data, found[1].image.data, atol=1e-3)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_hospitals_together_learn_what_one_learns_of_all_cases(data: st.DataObject) -> None:
    study, samples = _study(), _samples(6)
    expected = fit_to(study, samples)
    request = Fitting(study).next_request([])
    assert isinstance(request, Request)
    order = data.draw(st.permutations(samples))
    cut = data.draw(st.integers(0, 6))
    ready = [Pipeline(study).apply_between(0, 1, [sample]) for sample in order]
    told = [
        merged(request, [summarise_case(request, case) for case in hospital]) for hospital in (ready[:cut], ready[cut:])
    ]
    state = Fitting(study).next_request([reduce(CohortSummary.merge, told)])
    assert isinstance(state, FittedState)
    assert canonical_model(state) == canonical_model(expected)
    check_state(study, state)
    check_request(study, request_from_bytes(canonical_model(request)), 1)
    for summary, cases in zip(told, (cut, 6 - cut), strict=True):
        check_summary(request, summary, cases)
        assert CohortSummary.model_validate_json(canonical_model(summary)) == summary


def test_cases_without_contrast_are_told() -> None:
    flat = Sample(Image(np.full((1, *SHAPE), 3, np.float32), oblique_geometry(SHAPE)), None)
    with pytest.raises(InputError, match="no contrast to find landmarks in"):
        fit_to(_study(), [flat])
    bare = Sample(Image(np.zeros((1, *SHAPE), np.float32), oblique_geometry(SHAPE)), None)
    with pytest.raises(InputError, match=r"channel T1w: .* nothing to fit .*no nonzero voxel"):
        fit_to(_study(), [bare])
    state = fit_to(_study(), [bare, *_samples(3)])
    assert state.steps == fit_to(_study(), _samples(3)).steps
    for case in (flat, bare):
        with pytest.raises(InputError, match="nyul: a channel without contrast"):
            Pipeline(_study(), state).apply(case)
    with pytest.raises(ValueError, match=r"cannot be used|foreground"):
        _study("foreground")


def _summary(cases: int, *totals: float) -> Landmarks:
    ratios = [float(total).as_integer_ratio() for total in totals]
    return Landmarks(count=cases, totals=tuple(Dyadic.of(top, below.bit_length() - 1) for top, below in ratios))


def test_sums_that_no_cases_have_are_refused() -> None:
    growing = [0.0, *(20.0 * step for step in range(1, 10)), 200.0]
    assert _summary(2, *growing).means[-1] == 100
    for wrong in ([1.0, *growing[1:]], [*growing[:-1], 201.0], [0, 50, 40, *growing[3:]]):
        with pytest.raises(ValueError, match="no cases have these landmarks"):
            _summary(2, *wrong)
    with pytest.raises(ValueError, match="cannot be added"):
        _summary(2, *growing).merge(Landmarks.empty(3))
    with pytest.raises(ValueError, match="all alike"):
        Landmarks.of(np.full(11, 4.0))
    request = Request(place=1, within="nonzero", parts=1, ask=AskLandmarks())
    for summary in (_summary(3, *[each * 1.5 for each in growing]), _summary(2, 0.0, 90.0, 200.0)):
        answer = CohortSummary(request=request.digest, cases=2, parts=(PartSummary(cases=2, summary=summary),))
        with pytest.raises(UndeclaredError, match="no landmarks of 2 cases"):
            check_summary(request, answer, 2)
    with pytest.raises(ValueError, match="from 0 to 100"):
        StepState(place=0, channels=(Standard(landmarks=(0, 60, 50, 100)),))
