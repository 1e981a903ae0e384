"""A strategy with groups of its own at the aggregator: folded as the paper says, and nothing undeclared is let in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.aggregator.bench import Bench, initial
from tests.aggregator.fakes import trained
from wardround.aggregator.roster.keyring import Believed
from wardround.aggregator.rounds.movement import Movement, MovementError, Yardstick, outliers
from wardround.engine.parts import Bounds
from wardround.federation.payload import pack, payload_digest
from wardround.federation.protocol import CONCLUDE
from wardround.federation.strategies.fedavg import FedAvg, FedAvgParameters
from wardround.federation.strategies.protocol import Arrays, Contribution, Fold, Sites
from wardround.federation.strategies.scaffold import Scaffold
from wardround.federation.strategies.sharing import Number, Sharing

Spoil = Callable[[dict[str, np.ndarray], int], dict[str, np.ndarray]]
GROUPS = ("model/weight", "model/bias")


def expected(bench: Bench, absent: Mapping[int, str] | None = None) -> list[str]:
    """The global arrays of a run of SCAFFOLD, by numpy alone; `absent` says whose reply a round goes without."""
    current, told = dict(Scaffold.sharing.opening(initial())), dict[str, Arrays]()
    cases = {name: float(site.cases) for name, site in bench.sites.items()}
    found = []
    for number in range(1, bench.rounds + 1):
        present = [name for name in bench.names if name != (absent or {}).get(number)]
        sent = {name: trained(current, name, number) for name in present}
        told = {name: sent.get(name, told.get(name, {})) for name in bench.names if name in {*sent, *told}}
        current = {
            name: _control(name, told, cases, bench) if "control/" in name else _weights(name, sent, cases)
            for name in current
        }
        found.append(payload_digest(pack(current)))
    return found


def _weights(name: str, sent: Mapping[str, Arrays], cases: Mapping[str, float]) -> np.ndarray:
    arrays = {site: each[name] for site, each in sent.items()}
    first = next(iter(arrays.values()))
    return _mean(arrays, cases).astype(np.float32) if first.dtype.kind == "f" else first


def _control(name: str, told: Mapping[str, Arrays], cases: Mapping[str, float], bench: Bench) -> np.ndarray:
    mean = _mean({site: each[name] for site, each in told.items()}, cases).astype(np.float32)
    found: np.ndarray = (mean.astype(np.float64) * (len(told) / len(bench.names))).astype(np.float32)
    return found


def _mean(arrays: Mapping[str, np.ndarray], cases: Mapping[str, float]) -> np.ndarray:
    """Summed up in the order of the roster."""
    total = np.zeros(next(iter(arrays.values())).shape)
    for site, array in arrays.items():
        total = total + array.astype(np.float64) * cases[site]
    mean: np.ndarray = total / sum(cases[site] for site in arrays)
    return mean


def _state(bench: Bench, number: int) -> Arrays:
    """What the strategy keeps after a round."""
    return bench.state.arrays.get(bench.state.results()[number - 1].state)


def test_weights_are_averaged_and_the_control_variate_is_made_of_the_sites_own(tmp_path: Path) -> None:
    bench = Bench(tmp_path, strategy="scaffold", rounds=3, final=False)
    assert bench.run().complete
    assert bench.models() == expected(bench)
    made = bench.state.arrays.get(bench.models()[-1])
    assert {name for name in made if name.startswith("control/")} == {"control/weight", "control/bias"}
    assert set(_state(bench, 3)) == {
        f"{what.format(site)}" for site in bench.names for what in ("cases/{}", "own/{}/weight", "own/{}/bias")
    }


@pytest.mark.parametrize("number", [1, 2])
def test_a_reply_that_is_refused_leaves_what_its_site_sent_before(tmp_path: Path, number: int) -> None:
    bench = Bench(tmp_path, strategy="scaffold", quorum=2, rounds=3, final=False)
    spoil = _set("control/bias", np.nan)
    bench.sites["north"].spoil = lambda arrays, now: spoil(arrays, now) if now == number else arrays
    assert bench.run().complete
    assert bench.models() == expected(bench, {number: "north"})
    before, after = ({n: a for n, a in _state(bench, each).items() if "north" in n} for each in (number, number + 1))
    assert bool(before) == (number > 1)
    assert after
    if before:
        first = {n: a for n, a in _state(bench, number - 1).items() if "north" in n}
        assert pack(before) == pack(first)


def test_a_site_for_which_nobody_speaks_any_more_does_not_count(tmp_path: Path) -> None:
    """Nothing that it sent before its key was revoked stays in the control variate of all."""
    bench = Bench(tmp_path, strategy="scaffold", quorum=2, rounds=3, final=False)
    loop = bench.loop()
    ring, roster = loop.run_plan.ring, loop.run_plan.roster

    def revoking(arrays: dict[str, np.ndarray], number: int) -> dict[str, np.ndarray]:
        if number == 2:
            ring.update({member.name: Believed(member, revoked=member.name == "south") for member in roster.members})
        return arrays

    bench.sites["east"].spoil = revoking
    assert loop.run().complete
    assert any("south" in name for name in _state(bench, 1))
    assert not any("south" in name for name in _state(bench, 2))
    made = bench.state.arrays.get(bench.models()[1])["control/bias"]
    own = {site: _state(bench, 2)[f"own/{site}/bias"] for site in ("east", "north")}
    np.testing.assert_array_equal(made, _mean(own, {"east": 10, "north": 17}).astype(np.float32))


def test_a_hostile_site_of_two_cannot_make_the_control_variate_grow_from_round_to_round(tmp_path: Path) -> None:
    """What went down is what it has sent: 50 times that, or 50 at first, would end in numbers without end."""
    bench = Bench(tmp_path, names=("north", "south"), strategy="scaffold", quorum=1, rounds=25, final=False)

    def grow(arrays: dict[str, np.ndarray], _: int) -> dict[str, np.ndarray]:
        results = bench.state.results()
        base = bench.state.arrays.get(results[-1].model) if results else Scaffold.sharing.opening(initial())
        return {
            name: np.full(array.shape, min(50 * max(1.0, _size(base[name])), 3e38), np.float32)
            if name.startswith("control/")
            else array
            for name, array in arrays.items()
        }

    bench.sites["south"].spoil = grow
    assert bench.run().complete
    refused = bench.journal("update_refused")
    assert [entry.facts["site"] for entry in refused] == ["south"] * 24
    assert all("has a norm of" in str(entry.facts["detail"]) for entry in refused)
    made = [bench.state.arrays.get(result.model) for result in bench.state.results()[-2:]]
    assert all(_size(arrays["control/weight"]) < 100 for arrays in made)


def _size(array: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.square(array, dtype=np.float64).mean()))


def _set(name: str, number: float) -> Spoil:
    def spoil(arrays: dict[str, np.ndarray], _: int) -> dict[str, np.ndarray]:
        changed = arrays[name].copy()
        changed.flat[0] = number
        return {**arrays, name: changed}

    return spoil


HOSTILE: Mapping[str, Spoil] = {
    "a group that is not declared": lambda arrays, _: {**arrays, "images/one": np.zeros((64, 64), np.float32)},
    "no control variate": lambda arrays, _: {name: array for name, array in arrays.items() if "control" not in name},
    "half a control variate": lambda arrays, _: {k: array for k, array in arrays.items() if k != "control/bias"},
    "nothing but a control variate": lambda arrays, _: {k: array for k, array in arrays.items() if "model" not in k},
    "a control variate without end": _set("control/bias", np.inf),
    "a control variate that is no number": _set("control/weight", np.nan),
    "a control variate beyond all gradients": _set("control/weight", 1e30),
    "a control variate of another type": lambda arrays, _: {**arrays, "control/bias": np.zeros(4, np.int64)},
    "a control variate of another shape": lambda arrays, _: {**arrays, "control/bias": np.zeros(5, np.float32)},
    "a control variate of what is not learned": lambda arrays, _: {
        **arrays,
        "control/counter": np.zeros((), np.float32),
    },
}


@pytest.mark.parametrize("spoil", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_sites_groups_are_refused_and_the_round_goes_on_without_it(tmp_path: Path, spoil: Spoil) -> None:
    bench = Bench(tmp_path, strategy="scaffold", quorum=2, rounds=2)
    bench.sites["north"].spoil = spoil
    assert bench.run().complete
    assert [entry.facts["site"] for entry in bench.journal("update_refused")] == ["north"] * 2
    for result in bench.state.results():
        made = bench.state.arrays.get(result.model)
        assert all(np.isfinite(array).all() for array in made.values())
        assert [absent.site for absent in result.absent] in (["north"], [])


@pytest.mark.parametrize("numbers", [{"drift": 1.0}, {"case_007": 1.0}])
def test_numbers_are_refused_where_the_strategy_declares_none(tmp_path: Path, numbers: dict[str, float]) -> None:
    bench = Bench(tmp_path, quorum=2, rounds=1, final=False)
    bench.sites["north"].numbers = numbers
    assert bench.run().complete
    (refused,) = bench.journal("update_refused")
    assert "1 numbers that the strategy does not declare" in str(refused.facts["detail"])
    assert "case_007" not in str(refused.facts)


class Drifting(FedAvg):
    """Wants to know how far each site went, and notes what it was told."""

    sharing = Sharing(numbers=(Number("drift", "how far it went", Bounds(0, 10)),))

    def __init__(self) -> None:
        super().__init__(FedAvgParameters())
        self.told: list[Contribution] = []

    def begin(self, base: Arrays, state: Arrays, sites: Sites) -> Fold:
        """Note what is added."""
        fold = super().begin(base, state, sites)
        return _Noting(fold, self.told)


class _Noting:
    def __init__(self, fold: Fold, told: list[Contribution]) -> None:
        self.fold, self.told, self.finish = fold, told, fold.finish

    def add(self, contribution: Contribution) -> None:
        """Note it."""
        self.told.append(contribution)
        self.fold.add(contribution)


@pytest.mark.parametrize("drift", [{}, {"drift": 11.0}, {"drift": -0.5}, {"drift": 2.0, "other": 1.0}])
def test_a_declared_number_must_come_and_lie_within_its_bounds(tmp_path: Path, drift: dict[str, float]) -> None:
    bench, strategy = Bench(tmp_path, quorum=2, rounds=1, final=False), Drifting()
    for site in bench.sites.values():
        site.numbers = {"drift": 2.5}
    bench.sites["north"].numbers = drift
    loop = bench.loop()
    loop.run_plan = replace(loop.run_plan, strategy=strategy)
    assert loop.run().complete
    assert [entry.facts["site"] for entry in bench.journal("update_refused")] == ["north"]
    assert [(part.site, part.cases, part.weight, part.steps, part.numbers) for part in strategy.told] == [
        ("east", 10, 10, 5, {"drift": 2.5}),
        ("south", 24, 24, 5, {"drift": 2.5}),
    ]
    assert [part.loss for part in strategy.told] == [1.0, 1.0]


def test_a_site_of_an_earlier_release_is_not_asked_for_what_it_would_not_do(tmp_path: Path) -> None:
    """Release 0.2.0 would train as for `fedavg`, and say nothing."""
    bench = Bench(tmp_path, strategy='fedprox {"mu":0.1}', quorum=2, rounds=1, final=False)
    bench.sites["north"].features = (CONCLUDE,)
    assert bench.run().complete
    assert bench.sites["north"].trainings == 0
    absent = bench.state.results()[0].absent[0]
    assert "knows no strategy but fedavg" in absent.reason
    again = Bench(tmp_path / "plain", rounds=1, final=False)
    again.sites["north"].features = (CONCLUDE,)
    assert again.run().complete
    assert again.sites["north"].trainings == 1


BASE = Scaffold.sharing.opening({"model/weight": np.ones((3, 4), np.float32)})
STICK = Yardstick(BASE, 5, 100.0, Scaffold.sharing)


def test_a_group_is_measured_by_its_own_norm_beside_the_movement_of_the_model() -> None:
    moved = STICK.measure({**BASE, "control/weight": np.full((3, 4), 2.0, np.float32)})
    assert moved == Movement(0.0, 0.0, {"control": pytest.approx(2 * 12**0.5)})


def test_a_groups_reach_does_not_grow_with_what_went_down() -> None:
    shape = (3, 4)
    higher = Yardstick({**BASE, "control/weight": np.full(shape, 90.0, np.float32)}, 5, 100.0, Scaffold.sharing)
    for stick in (STICK, higher):
        measured = stick.measure({**BASE, "control/weight": np.full(shape, 99.9, np.float32)})
        assert measured.groups["control"] == pytest.approx(99.9 * 12**0.5)
        with pytest.raises(MovementError, match="control/weight has a norm of"):
            stick.measure({**BASE, "control/weight": np.full(shape, 100.1, np.float32)})


def test_a_group_far_beside_the_others_is_an_outlier() -> None:
    movements = {site: Movement(1.0, 0.0, {"control": norm}) for site, norm in (("a", 1.0), ("b", 2.0), ("c", 99.0))}
    assert outliers(movements, 10.0) == {}
    found = outliers({**movements, "c": Movement(1.0, 0.0, {"control": 201.0})}, 10.0)
    assert list(found) == ["c"]
    assert "its control has a norm of 201" in found["c"]
