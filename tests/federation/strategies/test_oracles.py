"""FedProx and SCAFFOLD against a few lines of numpy, on least squares at hospitals that differ."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from tests.engine.training.fakes import tiny_study
from tests.federation.strategies.convex import (
    Federation,
    Trajectory,
    fedprox_by_hand,
    heterogeneous,
    optimum,
    scaffold_by_hand,
)
from wardround.engine.training.schedules import rate_factor
from wardround.federation.strategies.fedavg import FedAvg, FedAvgParameters
from wardround.federation.strategies.fedprox import FedProx, FedProxParameters
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


@pytest.mark.parametrize("weights", [(1, 1, 1), WEIGHTS])
def test_scaffold_takes_the_path_of_the_paper(weights: tuple[int, ...]) -> None:
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
