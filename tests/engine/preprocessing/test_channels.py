"""A step may be told to change some channels alone: a clip of Hounsfield units says nothing of a PET."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.support.images import oblique_geometry
from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.imaging import Image
from wardround.engine.preprocessing import Pipeline, Sample
from wardround.engine.preprocessing.fitted_words import fitted_rows
from wardround.engine.preprocessing.fitting import Fitting, fit_to, require_state, summarise_case
from wardround.engine.preprocessing.requests import AskMoments, CohortSummary, PartSummary, Request
from wardround.engine.report.cases import clip_window
from wardround.engine.store.preparing import storage_key
from wardround.engine.study import Study
from wardround.engine.summaries import Moments
from wardround.federation.declared import UndeclaredError
from wardround.federation.surveyed import check_request, check_state, check_summary

SHAPE = (7, 6, 5)


def _study(*steps: Any, inputs: tuple[str, ...] = ("CT", "PET", "T1w")) -> Study:
    return study_of(changed(SEGMENTATION, preprocessing=[*steps], inputs=[*inputs]))


def _sample(seed: int = 0, channels: int = 3) -> Sample:
    random = np.random.default_rng(seed)
    data = random.normal(50, 30, (channels, *SHAPE)).astype(np.float32)
    return Sample(Image(data, oblique_geometry(SHAPE)), random.integers(0, 3, SHAPE).astype(np.uint8))


@pytest.mark.parametrize("chosen", [["CT"], ["T1w", "CT"], ["PET", "T1w"], ["CT", "PET", "T1w"]])
def test_chosen_channels_are_as_if_there_were_no_others(chosen: list[str]) -> None:
    sample = _sample()
    places = [place for place, name in enumerate(("CT", "PET", "T1w")) if name in chosen]
    found = Pipeline(_study({"z_normalize": {"channels": chosen}})).apply(sample).image.data
    alone = Sample(Image(sample.image.data[places], sample.image.geometry), None)
    names = tuple(["CT", "PET", "T1w"][place] for place in places)
    np.testing.assert_array_equal(found[places], Pipeline(_study("z_normalize", inputs=names)).apply(alone).image.data)
    others = [place for place in range(3) if place not in places]
    np.testing.assert_array_equal(found[others], sample.image.data[others])


def test_the_same_name_of_another_channel_is_another_stored_case() -> None:
    """Keys of the store name no inputs: what is stored for CT and PET must not be taken for PET and CT."""
    step = {"clip": {"low": 0, "high": 60, "channels": ["CT"]}}
    keys = {
        storage_key(Pipeline(_study(step, inputs=inputs)), "0" * 64)
        for inputs in (("CT", "PET"), ("PET", "CT"), ("CT", "PET"))
    }
    assert len(keys) == 2
    plain = {storage_key(Pipeline(_study("rescale", inputs=names)), "0") for names in (("CT", "PET"), ("PET", "CT"))}
    assert len(plain) == 1  # as it always was


def test_a_step_that_names_no_channel_is_written_as_before() -> None:
    named, plain = (study_of(changed(SEGMENTATION, preprocessing=[{"rescale": values}])) for values in ({}, {}))
    assert "channels" not in repr(plain.preprocessing[0].model_dump())
    assert named.digest == plain.digest


@pytest.mark.parametrize(
    ("channels", "told"),
    [(["CTT"], "no such input"), (["CT", "CT"], "named twice"), ([""], "cannot be used|no such input")],
)
def test_channels_that_are_not_the_study_s_are_told(channels: list[str], told: str) -> None:
    for step in ("z_normalize", "cohort_normalize", "nyul", "rescale"):
        with pytest.raises(ValueError, match=told):
            _study({step: {"channels": channels}})


def _fitting_study() -> Study:
    steps = [
        {"cohort_clip": {"channels": ["PET"], "percentiles": [5, 95]}},
        {"cohort_normalize": {"channels": ["T1w", "CT"]}},
    ]
    return _study(*steps)


def test_fitted_steps_ask_about_their_channels_alone() -> None:
    study, samples = _fitting_study(), [_sample(seed) for seed in range(4)]
    state = fit_to(study, samples)
    clip, scales = state.steps
    assert (clip.inputs, scales.inputs) == ((1,), (0, 2))
    for place, scale in zip((0, 2), scales.channels, strict=True):
        pooled = np.concatenate([sample.image.data[place].ravel() for sample in samples]).astype(np.float64)
        assert scale.mean == pytest.approx(pooled.mean())  # type: ignore[union-attr]
    found = Pipeline(study, state).apply(samples[0]).image.data
    assert abs(found[0].mean()) < 1
    assert 0 < np.count_nonzero(found[1] != samples[0].image.data[1]) < found[1].size / 4
    assert [row[:2] for row in fitted_rows(study, state)] == [
        ("cohort_clip", "PET"),
        ("cohort_normalize", "CT"),
        ("cohort_normalize", "T1w"),
    ]
    assert "of PET, over" in Fitting(study).described[0]
    require_state(study, state)
    check_state(study, state)


def test_a_question_about_other_channels_is_refused() -> None:
    study = _fitting_study()
    request = Fitting(study).next_request([])
    assert isinstance(request, Request)
    check_request(study, request, 1)
    assert [len(summarise_case(request, _sample()).parts), request.channels] == [1, (1,)]
    with pytest.raises(UndeclaredError):
        check_request(study, request.model_copy(update={"channels": (0,)}), 1)
    with pytest.raises(UndeclaredError):
        check_request(study, request.model_copy(update={"channels": ()}), 1)
    state = fit_to(study, [_sample(seed) for seed in range(3)])
    moved = state.model_copy(update={"steps": (state.steps[0].model_copy(update={"inputs": (0,)}), state.steps[1])})
    with pytest.raises(UndeclaredError, match="kinds"):
        check_state(study, moved)


def test_the_window_of_one_channel_limits_no_other() -> None:
    """At both ends an answer is held against what the step before has limited: of the same channel."""
    study = _study({"cohort_clip": {"channels": ["PET"]}}, {"cohort_normalize": {"channels": ["CT"]}})
    clipped = fit_to(study, [_sample(seed) for seed in range(3)]).before(1)
    request = Request(place=1, parts=1, channels=(0,), ask=AskMoments(), state=clipped)
    far = PartSummary(cases=3, summary=Moments.of(np.full(9, 5000.0)))
    check_summary(request, CohortSummary(request=request.digest, cases=3, parts=(far,)), 3)
    same = request.model_copy(update={"channels": (1,)})
    with pytest.raises(UndeclaredError, match="limited"):
        check_summary(same, CohortSummary(request=same.digest, cases=3, parts=(far,)), 3)


def test_a_picture_shows_the_window_of_its_own_channel() -> None:
    window = {"low": -100, "high": 300}
    assert clip_window(_study({"clip": {**window, "channels": ["PET"]}})) is None
    assert clip_window(_study({"clip": {**window, "channels": ["CT"]}})) == (-100, 300)
    assert clip_window(_study({"rescale": {"channels": ["PET"]}}, {"clip": window})) == (-100, 300)
