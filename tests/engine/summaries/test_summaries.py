"""Every kind of summary: the same in any order and grouping, true to numpy, and closed to what cannot be."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import TypeAdapter, ValidationError

from wardround.engine.basics.canonical import canonical_json, canonical_model
from wardround.engine.summaries import Confusion, Counts, Extremes, Histogram, Moments, Octaves, Summary
from wardround.engine.summaries.octaves import OCTAVE_BINS, is_edge

SUMMARY: TypeAdapter[Any] = TypeAdapter(Summary)
CLASSES, LOW, HIGH, BINS = 3, -100.0, 100.0, 16
FLOATS = arrays.arrays(np.float32, st.integers(0, 20), elements=st.floats(-200, 200, width=32))
INDICES = arrays.arrays(np.int64, st.integers(0, 20), elements=st.integers(0, CLASSES - 1))


def _confusion(indices: np.ndarray) -> Confusion:
    return Confusion.of(indices, indices[::-1].copy(), CLASSES)


def _histogram(values: np.ndarray) -> Histogram:
    return Histogram.of(values, LOW, HIGH, BINS)


def _counts(indices: np.ndarray) -> Counts:
    return Counts.of(indices, CLASSES)


KINDS: dict[str, tuple[Callable[[np.ndarray], Any], st.SearchStrategy[np.ndarray]]] = {
    "counts": (_counts, INDICES),
    "moments": (Moments.of, FLOATS),
    "extremes": (Extremes.of, FLOATS),
    "told extremes": (lambda values: Extremes.of(values).told(5), FLOATS),
    "histogram": (_histogram, FLOATS),
    "octaves": (Octaves.of, FLOATS),
    "confusion": (_confusion, INDICES),
}


@pytest.mark.parametrize("name", KINDS)
@given(data=st.data())
def test_any_order_and_grouping_of_merges_gives_the_same_bytes(name: str, data: st.DataObject) -> None:
    make, values = KINDS[name]
    parts = [make(part) for part in data.draw(st.lists(values, min_size=1, max_size=6))]
    expected = canonical_model(reduce(lambda one, other: one.merge(other), parts))
    left = data.draw(st.permutations(parts))
    while len(left) > 1:
        place = data.draw(st.integers(0, len(left) - 2))
        left[place : place + 2] = [left[place].merge(left[place + 1])]
    assert canonical_model(left[0]) == expected


@pytest.mark.parametrize("name", [name for name in KINDS if name not in {"told extremes", "confusion"}])
@given(data=st.data())
def test_merged_parts_are_the_summary_of_all_values(name: str, data: st.DataObject) -> None:
    make, values = KINDS[name]
    parts = data.draw(st.lists(values, min_size=1, max_size=4))
    assert reduce(lambda one, other: one.merge(other), map(make, parts)) == make(np.concatenate(parts))


@pytest.mark.parametrize("name", KINDS)
@given(data=st.data())
def test_json_and_nothing_change_no_summary(name: str, data: st.DataObject) -> None:
    make, values = KINDS[name]
    found = make(data.draw(values))
    assert SUMMARY.validate_json(canonical_model(found)) == found
    nothing = make(np.empty(0, np.int64))
    assert found.merge(nothing) == nothing.merge(found) == found


@given(FLOATS)
def test_moments_are_those_of_python(values: np.ndarray) -> None:
    moments = Moments.of(values)
    if not values.size:
        with pytest.raises(ValueError, match="no values"):
            _ = moments.mean
        return
    assert moments.mean == float(statistics.mean(map(Fraction, values.tolist())))
    assert moments.deviation == pytest.approx(statistics.pstdev(values.tolist()), rel=1e-15)


def test_no_digit_is_lost_far_from_zero() -> None:
    values = np.array([1e9, 1e9 + 64, 1e9 + 128], dtype=np.float32)
    assert Moments.of(values).deviation == pytest.approx(np.std([0, 64, 128]), rel=1e-15)


@given(
    arrays.arrays(np.float32, st.integers(1, 60), elements=st.floats(LOW, HIGH, width=32)),
    st.floats(0, 1),
)
def test_a_quantile_is_within_a_bin_of_numpys(values: np.ndarray, share: float) -> None:
    found = _histogram(values)
    assert abs(found.quantile(share) - np.quantile(values.astype(np.float64), share)) <= found.width * (1 + 1e-9)


@given(FLOATS)
def test_what_lies_outside_the_bins_counts_at_their_ends(values: np.ndarray) -> None:
    values = np.round(values)  # no value lies so near to an edge that rounding decides
    found = _histogram(values)
    assert found.count == values.size
    assert (found.below, found.above) == (int((values < LOW).sum()), int((values > HIGH).sum()))
    assert found.counts == tuple(np.histogram(values.astype(np.float64), BINS, (LOW, HIGH))[0].tolist())
    if found.below == values.size > 0:
        assert found.quantile(0.5) == LOW
    if found.above == values.size > 0:
        assert found.quantile(0.5) == HIGH


ANY = arrays.arrays(np.float32, st.integers(1, 40), elements=st.floats(width=32, allow_nan=False, allow_infinity=False))


def _bin_of(value: float) -> tuple[float, float]:
    """The slow way: by powers of two, and eighths of them."""
    size = abs(value)
    power = max(math.floor(math.log2(size)) if size else -127, -127)
    first, step = (0.0, 2.0**-129) if power == -127 else (2.0**power, 2.0**power / 8)
    low = first + math.floor((size - first) / step) * step
    return (low, low + step) if value > 0 or not size else (-low - step, -low)


@given(ANY, st.floats(0, 1))
def test_octaves_hold_both_neighbours_of_a_quantile_between_edges_of_their_bins(
    values: np.ndarray, share: float
) -> None:
    low, high = Octaves.of(values).around(share)
    ordered = np.sort(values).astype(np.float64)
    before = ordered[math.floor(share * (len(ordered) - 1))]
    after = ordered[min(math.floor(share * (len(ordered) - 1)) + 1, len(ordered) - 1)]
    assert low <= before <= after <= high
    assert is_edge(low)
    assert is_edge(high)
    # Negative bins begin and end one float32 beside the powers of two.
    largest = float(np.finfo(np.float32).max)
    assert low == pytest.approx(max(_bin_of(before)[0], -largest), rel=3e-7, abs=1e-44)
    assert high == pytest.approx(min(_bin_of(after)[1], largest), rel=3e-7, abs=1e-44)


@given(ANY)
def test_each_value_counts_once(values: np.ndarray) -> None:
    found = Octaves.of(values)
    assert (found.count, len(found.counts)) == (values.size, OCTAVE_BINS)


@pytest.mark.parametrize("value", [3.1, 0.1, 1e39, -1e300, 5e-324, 1.0000001])
def test_what_no_bin_begins_or_ends_with_is_no_edge(value: float) -> None:
    assert not is_edge(value)


def test_extremes_of_few_are_not_told() -> None:
    four, five = Extremes.of(np.arange(4.0)), Extremes.of(np.arange(10.0, 15))
    assert (four.told(5).low, four.told(5).count) == (None, 4)
    both = four.told(5).merge(five.told(5))
    assert (both.low, both.high, both.count) == (10, 14, 9)
    assert Extremes.of(np.arange(100.0), count=1).count == 1
    with pytest.raises(ValueError, match="tells from"):
        four.merge(five.told(5))


def test_a_negative_zero_is_zero_in_every_order() -> None:
    one, other = (Extremes.of(np.array([zero])) for zero in (0.0, -0.0))
    assert canonical_model(one.merge(other)) == canonical_model(other.merge(one))


def test_a_confusion_counts_pairs() -> None:
    found = Confusion.of(np.array([0, 1, 1, 2]), np.array([0, 1, 0, 1]), CLASSES)
    assert found.counts == ((1, 0, 0), (1, 1, 0), (0, 1, 0))
    assert (found.total, found.correct) == (4, 2)
    assert found.dice(1) == 2 * 1 / (2 + 2)
    assert Confusion.of(np.zeros(3, int), np.zeros(3, int), CLASSES).dice(2) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Counts(counts=(1,)), Counts(counts=(1, 2))),
        (Confusion(counts=((1,),)), Confusion(counts=((1, 0), (0, 1)))),
        (Histogram.empty(0, 1, 4), Histogram.empty(0, 1, 5)),
        (Histogram.empty(0, 1, 4), Histogram.empty(0, 2, 4)),
    ],
    ids=["counts", "confusion", "number of bins", "ends of bins"],
)
def test_what_counts_other_things_is_not_merged(one: Any, other: Any) -> None:
    with pytest.raises(ValueError, match="and"):
        one.merge(other)


_ZERO = {"numerator": 0, "places": 0}


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "counts", "counts": [1, -1]},
        {"kind": "counts", "counts": []},
        {"kind": "confusion", "counts": [[1, 2], [3]]},
        {"kind": "confusion", "counts": [[-1]]},
        {"kind": "histogram", "low": 0, "high": 1, "counts": [-1]},
        {"kind": "histogram", "low": 0, "high": 1, "counts": [1], "below": -1},
        {"kind": "histogram", "low": 1, "high": 1, "counts": [1]},
        {"kind": "histogram", "low": 0, "high": "NaN", "counts": [1]},
        {"kind": "histogram", "low": -1.7e308, "high": 1.7e308, "counts": [1]},
        {"kind": "histogram", "low": 0, "high": 1, "counts": [0] * 65_537},
        {"kind": "moments", "count": -1, "total": _ZERO, "squares": _ZERO},
        {
            "kind": "moments",
            "count": 1,
            "total": {"numerator": 3, "places": 0},
            "squares": {"numerator": 8, "places": 0},
        },
        {"kind": "moments", "count": 0, "total": _ZERO, "squares": {"numerator": 1, "places": 0}},
        {"kind": "moments", "count": 2, "total": _ZERO, "squares": {"numerator": -1, "places": 0}},
        {"kind": "extremes", "count": 1, "low": 2, "high": 1},
        {"kind": "extremes", "count": 1, "low": 2},
        {"kind": "extremes", "count": 1, "least": 2, "low": 1, "high": 2},
        {"kind": "extremes", "count": 1, "low": "Infinity", "high": "Infinity"},
        {"kind": "octaves", "counts": [1]},
        {"kind": "octaves", "counts": [0] * 4095 + [-1]},
        {"kind": "moments", "note": "free text"},
        {"kind": "median"},
    ],
    ids=lambda content: json.dumps(content)[:60],
)
def test_json_that_no_values_can_have_given_is_refused(content: Any) -> None:
    with pytest.raises(ValidationError):
        SUMMARY.validate_json(canonical_json(content))


@pytest.mark.parametrize("values", [np.array([np.nan]), np.array([np.inf], dtype=np.float32)], ids=["nan", "inf"])
@pytest.mark.parametrize(
    "make", [Moments.of, Extremes.of, Octaves.of, _histogram], ids=["moments", "extremes", "octaves", "histogram"]
)
def test_values_that_are_no_numbers_are_refused(make: Callable[[np.ndarray], Any], values: np.ndarray) -> None:
    with pytest.raises(ValueError, match="finite"):
        make(values)


@pytest.mark.parametrize(
    "make", [_counts, lambda found: Confusion.of(found, found, CLASSES)], ids=["counts", "confusion"]
)
@pytest.mark.parametrize("index", [-1, CLASSES])
def test_an_unknown_class_is_refused(make: Callable[[np.ndarray], Any], index: int) -> None:
    with pytest.raises(ValueError, match="0 to 2"):
        make(np.array([0, index]))
