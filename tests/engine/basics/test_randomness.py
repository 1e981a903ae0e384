"""Streams are functions of seed and labels, and different labels give independent streams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from wardround.engine.basics.randomness import stream, stream_key, torch_seed

LABELS = st.lists(st.integers(-(2**40), 2**40) | st.text(st.characters(codec="utf-8"), max_size=6), max_size=4)


@given(st.integers(0, 2**63 - 1), LABELS)
def test_a_stream_depends_on_seed_and_labels_only(seed: int, labels: list[int | str]) -> None:
    np.random.default_rng().random()
    assert np.array_equal(stream(seed, *labels).random(4), stream(seed, *labels).random(4))
    assert 0 <= torch_seed(seed, *labels) < 2**63


@given(LABELS, LABELS)
@example(["a", "b"], ["a\x1fstr:b"])
@example(["a", 1], ["a", "1"])
def test_different_labels_have_different_keys(first: list[int | str], second: list[int | str]) -> None:
    same = [(type(label), label) for label in first] == [(type(label), label) for label in second]
    assert (stream_key(1, *first) == stream_key(1, *second)) == same


@pytest.mark.parametrize(
    ("first", "second"),
    [((1, "a", "b"), (1, "ab")), ((1, "a", "1"), (1, "a", 1)), ((1, 'a","b'), (1, "a", "b")), ((1,), (2,))],
)
def test_labels_cannot_be_made_to_run_together(first: tuple[int, str], second: tuple[int, str]) -> None:
    assert stream_key(first[0], *first[1:]) != stream_key(second[0], *second[1:])


def test_streams_of_neighbouring_labels_are_uniform_and_uncorrelated() -> None:
    draws = np.array([stream(42, "patch", "case", draw).random(64) for draw in range(400)])
    assert stats.kstest(draws.ravel(), "uniform").pvalue > 1e-3
    assert stats.kstest(draws[:, 0], "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(draws[:-1, 0], draws[1:, 0])[0, 1]) < 0.2


def test_streams_never_change_between_releases() -> None:
    assert stream_key(42, "patch", "c0ffee", 3) == 0x1433F108A24A38475ED417B350458E20
    assert stream(42, "patch", "c0ffee", 3).integers(0, 2**32, 3).tolist() == [3666838113, 3687181921, 3897388214]
    assert torch_seed(42, "step", 7) == 4199876358893103060
