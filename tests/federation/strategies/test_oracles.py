"""FedProx and SCAFFOLD against a few lines of numpy, on least squares at hospitals that differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from tests.engine.training.fakes import tiny_study
from tests.federation.strategies.convex import (
    Chosen,
    Federation,
    Trajectory,
    fedprox_by_hand,
    heterogeneous,
    optimum,
    scaffold_as_published,
    scaffold_by_hand,
)
from wardround.engine.training.schedules import rate_factor
from wardround.federation.strategies.fedavg import FedAvg, FedAvgParameters
from wardround.federation.strategies.fedprox import FedProx, FedProxParameters
from wardround.federation.strategies.protocol import Arrays, Contribution, Sites
from wardround.federation.strategies.scaffold import Scaffold, ScaffoldParameters

SITES = heterogeneous(12, 30, 20)
WEIGHTS = (12, 30, 20)
STEPS = 4
SCAFFOLD = Scaffold(ScaffoldParameters())
FEDAVG = FedAvg(FedAvgParameters())


def _constant(number: int) -> list[float]:
    return [0.1] * STEPS


def _rotating(number: int) -> Iterable[int]:
    """Two of three sites reply in each round."""
    return sorted({number % 3, (number + 1) % 3})


def _close(found: Trajectory, expected: Trajectory) -> None:
    np.testing.assert_allclose(np.stack(found), np.stack(expected), rtol=0, atol=2e-6)


@pytest.mark.parametrize("mu", [0.0, 0.1, 1.0])
def test_fedprox_takes_the_path_of_the_paper(mu: float) -> None:
    found = Federation(SITES, FedProx(FedProxParameters(mu=mu)), 6, weights=WEIGHTS).play()
    _close(found, fedprox_by_hand(SITES, WEIGHTS, 6, STEPS, mu))


def test_fedprox_without_its_term_is_fedavg_bit_for_bit_and_with_it_is_not() -> None:
    plain = Federation(SITES, FEDAVG, 5, weights=WEIGHTS).play()
    none, some = (Federation(SITES, FedProx(FedProxParameters(mu=mu)), 5, weights=WEIGHTS).play() for mu in (0.0, 0.1))
    assert np.array_equal(np.stack(none), np.stack(plain))
    assert not np.allclose(np.stack(some), np.stack(plain), atol=1e-3)


def test_the_larger_mu_is_the_nearer_a_site_stays_to_the_incoming_model() -> None:
    moved = [
        float(np.linalg.norm(Federation(SITES[:1], FedProx(FedProxParameters(mu=mu)), 1).play()[0]))
        for mu in (0.0, 0.1, 1.0, 4.0)
    ]
    assert moved == sorted(moved, reverse=True)
    assert moved[0] > 1.3 * moved[-1]


@pytest.mark.parametrize("present", [lambda number: range(3), _rotating], ids=["all reply", "two of three reply"])
def test_scaffold_takes_the_path_of_the_paper_where_all_sites_weigh_the_same(present: Chosen) -> None:
    found = Federation(SITES, SCAFFOLD, 8).play(present)
    _close(found, scaffold_as_published(SITES, _constant(0), 8, present))


@pytest.mark.parametrize("weights", [(1, 1, 1), WEIGHTS])
def test_scaffold_takes_its_path_with_weights(weights: tuple[int, ...]) -> None:
    found = Federation(SITES, SCAFFOLD, 8, weights=weights).play()
    _close(found, scaffold_by_hand(SITES, weights, _constant, 8))


def test_scaffold_takes_it_too_when_not_every_site_replies() -> None:
    found = Federation(SITES, SCAFFOLD, 8, weights=WEIGHTS).play(_rotating)
    _close(found, scaffold_by_hand(SITES, WEIGHTS, _constant, 8, _rotating))


def test_scaffold_reckons_with_the_rates_of_a_schedule() -> None:
    rounds, schedule = 5, {"schedule": {"cosine": {"warmup": 0.2}}}
    factor = rate_factor(tiny_study(training=schedule))

    def rates(number: int) -> list[float]:
        return [0.1 * factor(step, rounds * STEPS) for step in range(number * STEPS, (number + 1) * STEPS)]

    assert len({*rates(1)}) == STEPS
    found = Federation(SITES, SCAFFOLD, rounds, weights=WEIGHTS, training=schedule).play()
    _close(found, scaffold_by_hand(SITES, WEIGHTS, rates, rounds))


@pytest.mark.parametrize("weights", [(1, 1, 1), WEIGHTS])
def test_scaffold_reaches_the_pooled_optimum_where_fedavg_does_not(weights: tuple[int, ...]) -> None:
    best = optimum(SITES, weights)
    by_scaffold = Federation(SITES, SCAFFOLD, 60, weights=weights).play()[-1]
    by_fedavg = Federation(SITES, FEDAVG, 60, weights=weights).play()[-1]
    assert float(np.linalg.norm(by_scaffold - best)) < 1e-3
    assert float(np.linalg.norm(by_fedavg - best)) > 0.02


@dataclass
class Disturbed:
    """A federation whose round 3 is not as it should be.

    Attributes:
        federation: what is played.
        present: who replies; None for the roster.
        last: who takes part in the end.
    """

    federation: Federation
    present: Chosen | None = None
    last: tuple[int, ...] = (0, 1, 2)


def _away(federation: Federation) -> Disturbed:
    return Disturbed(federation, lambda number: (1, 2) if number == 3 else (0, 1, 2))


def _not_yet(federation: Federation) -> Disturbed:
    return Disturbed(federation, lambda number: (1, 2) if number < 3 else (0, 1, 2))


def _forgetful(federation: Federation, sites: tuple[int, ...]) -> Disturbed:
    def present(number: int) -> Iterable[int]:
        for site in sites if number == 3 else ():
            federation.carried.pop(site)
        return range(3)

    return Disturbed(federation, present)


def _poisoned(federation: Federation) -> Disturbed:
    def spoil(site: int, number: int, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        is_wrong = (site, number) == (2, 3)
        return {name: array + 50 if is_wrong and "control" in name else array for name, array in arrays.items()}

    federation.spoil = spoil
    return Disturbed(federation)


def _joined(federation: Federation) -> Disturbed:
    federation.roster = lambda number: (0, 1) if number < 3 else (0, 1, 2)
    return Disturbed(federation)


def _left(federation: Federation) -> Disturbed:
    federation.roster = lambda number: (0, 1, 2) if number < 3 else (0, 1)
    return Disturbed(federation, last=(0, 1))


def _left_and_returned(federation: Federation) -> Disturbed:
    federation.roster = lambda number: (0, 1) if number == 3 else (0, 1, 2)
    return Disturbed(federation)


DISTURBANCES: Mapping[str, Callable[[Federation], Disturbed]] = {
    "a site was away": _away,
    "a site came late": _not_yet,
    "a site has lost its state": lambda federation: _forgetful(federation, (0,)),
    "an undo went further back than the sites keep their state": lambda federation: _forgetful(federation, (0, 1, 2)),
    "a site sent something wrong": _poisoned,
    "a site has joined": _joined,
    "a site has left": _left,
    "a site has left and returned": _left_and_returned,
}


@pytest.mark.parametrize("weights", [(1, 1, 1), (8, 1, 1)], ids=["equal", "unequal"])
@pytest.mark.parametrize("disturb", DISTURBANCES.values(), ids=DISTURBANCES)
def test_scaffold_reaches_the_pooled_optimum_whatever_happened_in_a_round(
    disturb: Callable[[Federation], Disturbed], weights: tuple[int, ...]
) -> None:
    disturbed = disturb(Federation(SITES, SCAFFOLD, 90, weights=weights))
    last = disturbed.last
    best = optimum([SITES[site] for site in last], [weights[site] for site in last])
    found = disturbed.federation.play(disturbed.present)[-1]
    assert float(np.linalg.norm(found - best)) < 1e-3


@pytest.mark.parametrize("weights", [(1, 1, 1), WEIGHTS])
def test_scaffold_takes_its_path_too_when_sites_join_and_leave(weights: tuple[int, ...]) -> None:
    def roster(number: int) -> Iterable[int]:
        return ((0, 1), (0, 1, 2), (0, 1, 2), (1, 2), (0, 1, 2), (0, 1, 2))[number]

    federation = Federation(SITES, SCAFFOLD, 6, weights=weights, roster=roster)
    # Who has left keeps its control variate, and trains with it when it returns.
    _close(federation.play(), scaffold_by_hand(SITES, weights, _constant, 6, roster=roster))


def test_control_variates_weigh_as_the_plan_says_of_all_sites_that_were_heard_from() -> None:
    """Nobody weighs more than the others together: what one weighs depends on who else there is."""
    names = ("east", "north", "south", "west")
    sites = Sites(names, lambda cases: tuple(min(each, sum(cases) - each) for each in cases))
    state: Arrays = {}
    for told in ({"east": (9, 1.0), "north": (2, 2.0), "south": (1, 4.0)}, {"north": (2, 5.0), "south": (2, 6.0)}):
        fold = SCAFFOLD.begin({}, state, sites)
        for site, (cases, number) in told.items():
            arrays = {"model/weight": np.ones(2, np.float32), "control/weight": np.full(2, number, np.float32)}
            fold.add(Contribution(site, cases, 1, 5, None, arrays))
        folded = fold.finish()
        state = folded.state
    mean = (4 * 1.0 + 2 * 5.0 + 2 * 6.0) / 8
    assert folded.model["control/weight"].tolist() == [0.75 * mean] * 2
    assert {name: int(state[name]) for name in state if "cases" in name} == {
        "cases/east": 9,
        "cases/north": 2,
        "cases/south": 2,
    }


def test_of_one_site_scaffold_is_fedavg_bit_for_bit() -> None:
    pair = [Federation(SITES[:1], strategy, 6).play() for strategy in (SCAFFOLD, FEDAVG)]
    assert np.array_equal(np.stack(pair[0]), np.stack(pair[1]))


def test_a_site_that_has_lost_its_control_variate_goes_on_and_another_path_is_taken() -> None:
    whole, broken = Federation(SITES, SCAFFOLD, 6), Federation(SITES, SCAFFOLD, 6)

    def losing(number: int) -> Iterable[int]:
        if number == 3:
            broken.carried.clear()
        return range(3)

    kept, lost = whole.play(), broken.play(losing)
    assert np.array_equal(np.stack(kept[:3]), np.stack(lost[:3]))
    assert not np.array_equal(kept[3], lost[3])
    assert np.isfinite(np.stack(lost)).all()
