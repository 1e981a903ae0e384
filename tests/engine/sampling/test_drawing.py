"""Which cases and which classes patches are drawn from, where a study says so."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.support.studies import CLASSIFICATION, SEGMENTATION, changed, study_of
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.sampling import PatchSource
from wardround.engine.sampling.order import EpochOrder, samples_per_epoch
from wardround.engine.sampling.patches import PatchPlan
from wardround.engine.store import StoredCase

GRID = plain_geometry((9, 9))


def _case(name: str, target: int | None = None) -> StoredCase:
    return StoredCase(name, np.zeros((1, 9, 9), np.float32), None, {}, GRID, GRID, target, Path())


@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    per_case=st.integers(1, 4),
    epochs=st.integers(1, 6),
    seed=st.integers(0, 9),
)
def test_balanced_epochs_have_as_many_samples_of_each_group_and_none_twice(
    sizes: list[int], per_case: int, epochs: int, seed: int
) -> None:
    groups = [[f"{place}-{number}" for number in range(size)] for place, size in enumerate(sizes)]
    order, backwards = (EpochOrder(seed, each, per_case) for each in (groups, [group[::-1] for group in groups[::-1]]))
    seen = set()
    for epoch in range(epochs):
        keys = order.epoch(epoch)
        assert keys == backwards.epoch(epoch)
        assert Counter(key.case.partition("-")[0] for key in keys) == {
            str(place): max(sizes) * per_case for place in range(len(sizes))
        }
        for group in groups:
            counts = Counter(key.case for key in keys if key.case in group)
            assert max(counts.values()) - min(counts.get(case, 0) for case in group) <= 1
        seen |= {*keys}
    assert len(seen) == epochs * len(order) == epochs * len(sizes) * max(sizes) * per_case


def test_who_gives_one_sample_more_changes_from_epoch_to_epoch() -> None:
    order = EpochOrder(0, [["a"], ["b", "c", "d"], [f"e{number}" for number in range(4)]], 1)
    more = {
        Counter(key.case for key in order.epoch(epoch) if key.case in "bcd").most_common(1)[0][0] for epoch in range(40)
    }
    assert more == {"b", "c", "d"}


def _balanced(**patches: Any) -> Any:
    return study_of(changed(CLASSIFICATION, patches={"size": [8, 8], "per_case": 1, "balance": True, **patches}))


def test_a_source_shows_rare_classes_as_often_as_others() -> None:
    study = _balanced()
    cases = [_case(f"{number:064x}", int(number % 7 == 0)) for number in range(21)]
    source, targets = PatchSource(study, cases), {case.digest: case.target for case in cases}
    assert samples_per_epoch(study, [case.target for case in cases]) == 36
    size = study.training.samples_per_step
    assert source.steps_per_epoch == -(-36 // size)
    keys = itertools.chain.from_iterable(source.keys(step) for step in range(36))
    assert Counter(targets[key.case] for key in itertools.islice(keys, 36 * size)) == {0: 18 * size, 1: 18 * size}


def test_without_balance_nothing_is_balanced() -> None:
    study = _balanced(balance=False)
    assert samples_per_epoch(study, [0, 0, 1]) == 3
    assert study.digest == study_of(changed(CLASSIFICATION, patches={"size": [8, 8], "per_case": 1})).digest
    assert study.digest != _balanced().digest


def _many(**patches: Any) -> PatchPlan:
    study = study_of(changed(SEGMENTATION, patches={"size": [8, 8, 8], "foreground": 1.0, **patches}))
    return PatchPlan.of(study)


FOREGROUND = {1: np.full((3, 3), 10, np.int32), 2: np.full((3, 3), 20, np.int32)}


def _drawn(plan: PatchPlan, present: tuple[int, ...] = (1, 2), count: int = 2000) -> Counter[int]:
    """How often a patch is centred on each class; 0 for anywhere."""
    grid = plain_geometry((64, 64, 64))
    foreground = {index: FOREGROUND[index] for index in present}
    case = replace(_case("a"), foreground=foreground, geometry=grid)
    random, found = np.random.default_rng(0), Counter[int]()
    for _ in range(count):
        corner = plan.corner(case, random)
        found[{(6, 6, 6): 1, (16, 16, 16): 2}.get(corner, 0)] += 1
    return found


def test_classes_are_drawn_by_their_weights_among_those_that_a_case_has() -> None:
    names = study_of(SEGMENTATION).class_names[1:]
    assert len(names) == 2
    found = _drawn(_many(class_weights={names[0]: 3}))
    assert found[1] / 2000 == pytest.approx(0.75, abs=0.03)
    assert found[0] == 0
    never = _many(class_weights={names[0]: 0})
    assert _drawn(never) == {2: 2000}
    assert _drawn(never, (1,))[1] < 20, "then from anywhere"


def test_equal_weights_draw_what_no_weights_draw() -> None:
    names = study_of(SEGMENTATION).class_names[1:]
    plain, equal = _many(), _many(class_weights=dict.fromkeys(names, 2.0))
    case = replace(_case("a"), foreground=FOREGROUND, geometry=plain_geometry((64, 64, 64)))
    for seed in range(50):
        assert plain.corner(case, np.random.default_rng(seed)) == equal.corner(case, np.random.default_rng(seed))


@pytest.mark.parametrize(
    ("base", "patches", "said"),
    [
        (SEGMENTATION, {"balance": True}, "cases can be balanced where each is of one class"),
        (CLASSIFICATION, {"class_weights": {"a": 1}}, "class_weights say which foreground voxels are drawn"),
        (SEGMENTATION, {"foreground": 0, "class_weights": {"a": 1}}, "class_weights say which foreground voxels are"),
        (SEGMENTATION, {"class_weights": {"nowhere": 1}}, "the study has no foreground class 'nowhere'"),
        (SEGMENTATION, {"class_weights": {"background": 1}}, "the study has no foreground class 'background'"),
        (SEGMENTATION, {"class_weights": dict.fromkeys(study_of(SEGMENTATION).class_names[1:], 0)}, "no class is ever"),
        (SEGMENTATION, {"class_weights": {study_of(SEGMENTATION).class_names[1]: -1}}, "class_weights"),
        (SEGMENTATION, {"class_weights": {study_of(SEGMENTATION).class_names[1]: float("inf")}}, "class_weights"),
    ],
)
def test_what_draws_nothing_is_refused(base: Any, patches: dict[str, Any], said: str) -> None:
    size = [8, 8] if base is CLASSIFICATION else [8, 8, 8]
    with pytest.raises((ValidationError, ValueError), match=said):
        study_of(changed(base, patches={"size": size, **patches}))
