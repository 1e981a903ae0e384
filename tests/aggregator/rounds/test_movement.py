"""No update throws the model away: alone it stays below a ceiling, among others below ten times the median."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.aggregator.bench import Bench, expected_models, initial
from tests.aggregator.fakes import trained
from wardround.aggregator.rounds.movement import Movement, MovementError, Yardstick, outliers
from wardround.federation.strategies.protocol import Arrays

BASE: dict[str, np.ndarray] = {
    "model/weight": np.linspace(-1, 1, 60, dtype=np.float32).reshape(3, 20),
    "model/bias": np.zeros(4, np.float32),
    "model/half": np.ones(3, np.float16),
    "model/norm.running_mean": np.zeros(4, np.float32),
    "model/norm.running_var": np.ones(4, np.float32),
    "model/norm.num_batches_tracked": np.array(7, np.int64),
    "model/table": np.arange(5, dtype=np.uint8),
}
STICK = Yardstick(BASE, steps=5, ceiling=100.0)


def moved(**changes: np.ndarray) -> Arrays:
    """The base with other tensors; dots in names are written as two underscores."""
    return BASE | {f"model/{name.replace('__', '.')}": value for name, value in changes.items()}


def test_a_movement_is_the_norm_of_the_difference() -> None:
    update = moved(weight=BASE["model/weight"] + np.float32(0.5), norm__running_mean=np.full(4, 3, np.float32))
    assert STICK.measure(BASE) == Movement(0.0, 0.0)
    assert STICK.measure(update) == Movement(pytest.approx(0.5 * 60**0.5), pytest.approx(6.0))


def test_a_tensor_of_several_blocks_is_measured_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    update = moved(weight=BASE["model/weight"] * np.float32(1.5))
    whole = STICK.measure(update)
    monkeypatch.setattr("wardround.aggregator.rounds.movement._BLOCK", 7)
    assert Yardstick(BASE, 5, 100.0).measure(update).learned == pytest.approx(whole.learned)


@pytest.mark.parametrize(
    "update",
    [
        moved(weight=np.full((3, 20), 3e38, np.float32)),
        moved(weight=np.full((3, 20), -3e38, np.float32)),
        moved(weight=BASE["model/weight"] * np.float32(150)),
        moved(bias=np.full(4, 11, np.float32)),
        moved(half=np.full(3, 6e4, np.float16)),
        moved(norm__running_mean=np.full(4, 3e38, np.float32)),
        moved(norm__running_mean=np.full(4, -3e38, np.float32)),
        moved(norm__running_var=np.full(4, 3e38, np.float32)),
        moved(norm__running_var=np.array([1, 1, -1e-6, 1], np.float32)),
        moved(norm__num_batches_tracked=np.array(6, np.int64)),
        moved(norm__num_batches_tracked=np.array(-(2**63), np.int64)),
        moved(norm__num_batches_tracked=np.array(2**63 - 1, np.int64)),
        moved(norm__num_batches_tracked=np.array(7 + 5 * 64 + 1, np.int64)),
        moved(table=np.zeros(5, np.uint8)),
    ],
)
def test_what_no_training_does_is_refused(update: Arrays) -> None:
    with pytest.raises(MovementError, match="model/"):
        STICK.measure(update)


@pytest.mark.parametrize(
    "update",
    [
        moved(weight=BASE["model/weight"] * np.float32(20)),
        moved(bias=np.full(4, 5, np.float32)),
        moved(norm__running_mean=np.full(4, -1e4, np.float32), norm__running_var=np.full(4, 1e8, np.float32)),
        moved(norm__running_var=np.zeros(4, np.float32)),
        moved(norm__num_batches_tracked=np.array(12, np.int64)),
    ],
)
def test_what_a_training_may_do_passes(update: Arrays) -> None:
    STICK.measure(update)


def movements(*learned: float, running: float = 1.0) -> dict[str, Movement]:
    """Movements of sites named by their place."""
    return {str(place): Movement(norm, running) for place, norm in enumerate(learned)}


def test_far_beside_the_median_is_too_far() -> None:
    assert list(outliers(movements(1.0, 1.2, 12.1), 10.0)) == ["2"]
    assert outliers(movements(1.0, 1.2, 11.9), 10.0) == {}
    assert "more than 10 times the median 1.2" in outliers(movements(1.0, 1.2, 12.1), 10.0)["2"]


def test_of_two_sites_nobody_can_say_which_is_wrong() -> None:
    assert outliers(movements(1.0, 1e9), 10.0) == {}
    assert outliers(movements(1.0), 10.0) == {}


def test_running_statistics_may_differ_by_the_square() -> None:
    found = movements(1.0, 1.0, 1.0)
    assert outliers(found | {"2": Movement(1.0, 99.0)}, 10.0) == {}
    assert list(outliers(found | {"2": Movement(1.0, 101.0)}, 10.0)) == ["2"]


def test_without_a_bound_or_a_movement_nobody_is_refused() -> None:
    assert outliers(movements(1.0, 1.0, 1e9), None) == {}
    assert outliers(movements(0.0, 0.0, 1.0), 10.0) == {}


@given(st.lists(st.floats(0.0, 1e30), min_size=3, max_size=9))
def test_half_of_the_sites_at_least_always_remain(learned: list[float]) -> None:
    assert len(outliers(movements(*learned), 10.0)) <= len(learned) / 2


def throwing(factor: float) -> object:
    """Moves all learned tensors `factor` times as far."""
    base = initial()

    def spoil(arrays: dict[str, np.ndarray], number: int) -> dict[str, np.ndarray]:
        far = {
            name: (base[name] + np.float32(factor) * (array - base[name])).astype(array.dtype)
            for name, array in arrays.items()
            if array.dtype.kind == "f"
        }
        return {**arrays, **far} if number == 1 else arrays

    return spoil


@pytest.mark.parametrize("value", [3e38, -3e38, 1e6])
def test_weights_without_end_are_refused_by_name_before_they_are_kept(tmp_path: Path, value: float) -> None:
    bench = Bench(tmp_path, quorum=2)
    bench.sites["north"].spoil = lambda arrays, number: arrays | {"model/bias": np.full(4, value, np.float32)}
    assert bench.run().complete
    assert bench.models() == expected_models(bench, {number: {"north"} for number in (1, 2, 3)})
    assert [entry.facts["site"] for entry in bench.journal("update_refused")] == ["north"] * 3
    assert "model/bias moves by" in bench.state.results()[0].absent[0].reason


def test_an_update_that_is_too_far_beside_the_others_is_refused_and_the_round_goes_on(tmp_path: Path) -> None:
    bench = Bench(tmp_path, quorum=2, rounds=2)
    bench.sites["north"].spoil = throwing(15.0)  # type: ignore[assignment]
    assert bench.run().complete
    assert bench.models() == expected_models(bench, {1: {"north"}})
    refused = bench.journal("update_refused")
    assert [entry.facts["site"] for entry in refused] == ["north"]
    assert "times the median" in str(refused[0].facts["detail"])
    absent = bench.state.results()[0].absent[0]
    assert (absent.site, absent.state) == ("north", "declined")
    assert "times the median" in absent.reason


def test_below_the_quorum_a_refused_update_stops_the_run_if_it_is_told_to(tmp_path: Path) -> None:
    bench = Bench(tmp_path, below_quorum="stop")
    bench.sites["north"].spoil = throwing(15.0)  # type: ignore[assignment]
    outcome = bench.run()
    assert not outcome.complete
    assert "north (declined" in outcome.line
    assert not bench.state.results()


def test_a_federation_of_two_folds_what_is_below_the_ceiling(tmp_path: Path) -> None:
    bench = Bench(tmp_path, names=("north", "south"), rounds=1, final=False)
    bench.sites["north"].spoil = throwing(15.0)  # type: ignore[assignment]
    assert bench.run().complete
    assert not bench.journal("update_refused")


def test_honest_updates_of_any_seed_pass() -> None:
    base = initial()
    stick = Yardstick(base, 5, 100.0)
    found = {f"site-{number}": stick.measure(trained(base, f"site-{number}", 1)) for number in range(200)}
    assert outliers(found, 10.0) == {}
