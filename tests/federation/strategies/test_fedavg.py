"""Federated averaging against numpy and against Flower's own arithmetic."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from wardround.federation.strategies.fedavg import FedAvg, FedAvgParameters
from wardround.federation.strategies.protocol import Arrays, Contribution, Folded, Sites

Updates = list[tuple[dict[str, np.ndarray], int]]


def contribution(arrays: dict[str, np.ndarray], weight: int) -> Contribution:
    """One site's part."""
    return Contribution("north", weight, weight, 5, 0.5, arrays)


def fold(updates: Updates) -> Folded:
    """The strategy's result, without a base: the mean needs none."""
    under_way = FedAvg(FedAvgParameters()).begin({}, {}, Sites(()))
    for arrays, weight in updates:
        under_way.add(contribution(arrays, weight))
    return under_way.finish()


def random_updates(count: int, seed: int = 0) -> Updates:
    """Updates with two kinds of floats, a counter and a byte."""
    numbers = np.random.default_rng(seed)
    return [
        (
            {
                "model/weight": numbers.normal(size=(5, 3)).astype(np.float32),
                "model/half": numbers.normal(size=7).astype(np.float16),
                "model/counter": np.asarray(numbers.integers(0, 2**62), dtype=np.int64),
                "model/byte": numbers.integers(0, 255, size=3, dtype=np.uint8),
            },
            int(numbers.integers(1, 1000)),
        )
        for _ in range(count)
    ]


def oracle(updates: Updates, name: str) -> np.ndarray:
    """The weighted mean in float64, term by term in the order of the updates."""
    total = sum(weight for _, weight in updates)
    acc = np.zeros(updates[0][0][name].shape, np.float64)
    for arrays, weight in updates:
        acc = acc + arrays[name].astype(np.float64) * weight
    return (acc / total).astype(updates[0][0][name].dtype)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_floats_are_the_weighted_mean_in_float64(count: int) -> None:
    updates = random_updates(count)
    model = fold(updates).model
    for name in ("model/weight", "model/half"):
        assert model[name].dtype == updates[0][0][name].dtype
        np.testing.assert_array_equal(model[name], oracle(updates, name))


@pytest.mark.parametrize("count", [1, 2, 5])
def test_integers_are_those_of_the_first_site(count: int) -> None:
    updates = random_updates(count)
    model = fold(updates).model
    for name in ("model/counter", "model/byte"):
        assert model[name].dtype == updates[0][0][name].dtype
        np.testing.assert_array_equal(model[name], updates[0][0][name])


@settings(max_examples=100, deadline=None)
@given(
    array=arrays_of.arrays(
        st.sampled_from([np.float16, np.float32, np.float64, np.int64]),
        arrays_of.array_shapes(min_dims=0, max_dims=3),
    ),
    weight=st.integers(1, 2**40),
)
def test_one_site_is_the_identity_bit_for_bit(array: np.ndarray, weight: int) -> None:
    result = fold([({"model/x": array}, weight)]).model["model/x"]
    assert result.dtype == array.dtype
    assert result.tobytes() == array.tobytes()


@settings(max_examples=100, deadline=None)
@given(
    array=arrays_of.arrays(np.float32, (4,), elements=st.floats(-(2.0**99), 2.0**99, width=32)),
    weights=st.lists(st.integers(1, 10_000), min_size=2, max_size=6),
)
def test_equal_sites_give_what_they_sent(array: np.ndarray, weights: list[int]) -> None:
    result = fold([({"model/x": array}, weight) for weight in weights]).model["model/x"]
    np.testing.assert_array_equal(result, array)


def test_the_mean_agrees_with_flowers_to_single_precision() -> None:
    from wardround.federation.flower.settings import ensure

    ensure()
    from flwr.app import ArrayRecord, MetricRecord, RecordDict
    from flwr.serverapp.strategy.strategy_utils import aggregate_arrayrecords

    updates = [({"model/weight": arrays["model/weight"]}, weight) for arrays, weight in random_updates(4)]
    records = [
        RecordDict(
            {
                "arrays": ArrayRecord(numpy_ndarrays=[arrays["model/weight"]]),
                "metrics": MetricRecord({"num-examples": weight}),
            }
        )
        for arrays, weight in updates
    ]
    (theirs,) = aggregate_arrayrecords(records, "num-examples").to_numpy_ndarrays()
    np.testing.assert_allclose(fold(updates).model["model/weight"], theirs, rtol=2e-6, atol=1e-7)


def test_the_updates_are_not_changed() -> None:
    updates = random_updates(3)
    before = [{name: array.copy() for name, array in arrays.items()} for arrays, _ in updates]
    for arrays, _ in updates:
        for array in arrays.values():
            array.setflags(write=False)
    fold(updates)
    for (arrays, _), old in zip(updates, before, strict=True):
        for name in arrays:
            np.testing.assert_array_equal(arrays[name], old[name])


def test_memory_does_not_grow_with_the_number_of_sites() -> None:
    size = 2_000_000

    def peak(sites: int) -> int:
        under_way = FedAvg(FedAvgParameters()).begin({}, {}, Sites(()))
        tracemalloc.start()
        for site in range(sites):
            arrays = {"model/a": np.full(size, site, np.float32), "model/b": np.full(size, 1, np.float32)}
            under_way.add(contribution(arrays, 1))
        under_way.finish()
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    model_bytes = 2 * size * 4
    assert peak(20) <= peak(3) + model_bytes // 10
    assert peak(20) < 6 * model_bytes


@pytest.mark.parametrize("weight", [0, -1])
def test_a_weight_below_one_is_an_error(weight: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        fold([(random_updates(1)[0][0], weight)])


def test_nothing_to_average_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing to average"):
        fold([])


def test_it_carries_no_state() -> None:
    state: Arrays = fold(random_updates(2)).state
    assert state == {}
