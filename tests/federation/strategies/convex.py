"""Least squares at several sites that differ, learned by the engine's own loop and by a few lines of numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from tests.engine.training.fakes import tiny_study
from wardround.engine.sampling.batch import Batch, SampleKey
from wardround.engine.tasks import Task
from wardround.engine.training import Learner
from wardround.federation.model_group import MODEL_GROUP
from wardround.federation.payload import pack, unpack
from wardround.federation.strategies.protocol import Arrays, Contribution, Sites, Strategy
from wardround.federation.strategies.sharing import model_schema
from wardround.site_client.worker.joining import blobs_of, half_of

WIDTH = 3
WEIGHT = "model/weight"
Trajectory = list[np.ndarray]
Chosen = Callable[[int], Iterable[int]]
"""Which sites, by number, in a round."""


@dataclass(frozen=True)
class Cases:
    """One site: `mean((inputs @ w - answers)^2)` is what it wants small."""

    inputs: np.ndarray
    answers: np.ndarray

    def gradient(self, weights: np.ndarray) -> np.ndarray:
        """Of the mean squared error."""
        found: np.ndarray = 2 * self.inputs.T @ (self.inputs @ weights - self.answers) / len(self.answers)
        return found


def heterogeneous(*counts: int) -> tuple[Cases, ...]:
    """Sites with so many cases, each with inputs of another shape and answers of another law."""
    numbers = np.random.default_rng(7)
    found = []
    for count in counts:
        inputs = numbers.normal(size=(count, WIDTH)) * numbers.uniform(0.3, 1.7, WIDTH)
        found.append(Cases(inputs, inputs @ numbers.normal(size=WIDTH) * 2 + numbers.normal(size=count) * 0.1))
    return tuple(found)


def optimum(sites: Iterable[Cases], weights: Iterable[int]) -> np.ndarray:
    """Where the weighted mean of the sites' objectives is least, by the normal equations."""
    pairs = list(zip(sites, weights, strict=True))
    left = sum(weight * site.inputs.T @ site.inputs / len(site.answers) for site, weight in pairs)
    right = sum(weight * site.inputs.T @ site.answers / len(site.answers) for site, weight in pairs)
    return np.linalg.solve(cast(np.ndarray, left), cast(np.ndarray, right))


class _Batches:
    """All cases of a site in every step."""

    def __init__(self, cases: Cases) -> None:
        table = np.column_stack([cases.inputs, cases.answers]).astype(np.float32)
        self._batch = Batch((SampleKey("a" * 64, 0),) * len(table), torch.from_numpy(table), {})
        self.steps_per_epoch = 1

    def batch(self, step: int) -> Batch:
        """The same again."""
        return self._batch


class _LeastSquares:
    """What the loop wants of a task."""

    def network(self) -> nn.Module:
        """One linear layer that begins with zeros, so that the first update says which gradient was taken."""
        layer = nn.Linear(WIDTH, 1, bias=False)
        nn.init.zeros_(layer.weight)
        return layer

    def outputs(self, network: nn.Module, image: Tensor, table: Tensor | None = None) -> Tensor:
        """What it answers."""
        return network(image[:, :WIDTH])[:, 0]  # type: ignore[no-any-return]

    def losses(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Squared errors."""
        return (outputs - batch.image[:, WIDTH]).square()

    def learn(self, network: nn.Module, batch: Batch) -> Tensor:
        """Those of what it answers."""
        return self.losses(self.outputs(network, batch.image), batch)


@dataclass
class Federation:
    """Sites that train in the engine's loop with a strategy's half, and its other half that folds.

    Attributes:
        sites: their cases.
        strategy: both halves.
        rounds: how many there can be.
        steps: of each site in each round.
        training: changes of the study's training section.
        weights: of the sites; all the same where nothing is said.
        carried: what each site carries; committed after each round.
        roster: who takes part in a round; all where nothing is said.
        spoil: changes what a site sends, given its number, the round and its arrays.
    """

    sites: tuple[Cases, ...]
    strategy: Strategy
    rounds: int
    steps: int = 4
    training: dict[str, Any] = field(default_factory=dict)
    weights: tuple[int, ...] = ()
    carried: dict[int, dict[str, bytes]] = field(default_factory=dict)
    roster: Chosen | None = None
    spoil: Callable[[int, int, dict[str, np.ndarray]], dict[str, np.ndarray]] = lambda site, number, arrays: arrays

    def play(self, present: Chosen | None = None) -> Trajectory:
        """The global weights after each round; `present` says which sites of the roster reply in a round."""
        base = self.strategy.sharing.opening({WEIGHT: np.zeros((1, WIDTH), np.float32)})
        state: Arrays = {}
        found = []
        for number in range(self.rounds):
            roster = list(self.roster(number) if self.roster else range(len(self.sites)))
            fold = self.strategy.begin(base, state, Sites(tuple(f"site-{site}" for site in roster)))
            for site in present(number) if present else roster:
                fold.add(self._reply(site, number, base))
            folded = fold.finish()
            base, state = unpack(pack(folded.model)), unpack(pack(folded.state))
            found.append(base[WEIGHT][0].astype(np.float64))
        return found

    def _reply(self, site: int, number: int, base: Arrays) -> Contribution:
        learner = self._learner()
        self.strategy.sharing.check_down(base, model_schema(base))
        learner.load_weights({"weight": torch.from_numpy(base[WEIGHT].copy())})
        shared = {name: array for name, array in base.items() if not name.startswith(MODEL_GROUP)}
        span = range(number * self.steps, (number + 1) * self.steps)
        half = half_of(self.strategy, learner, span, shared, self.carried.get(site, {}))
        learner.train(_Batches(self.sites[site]), span.start, span.stop, hook=half)
        sent = half.finish(learner.network)
        self.carried[site] = blobs_of(sent)
        arrays = {WEIGHT: learner.weights()["weight"].numpy(), **sent.shared}
        self.strategy.sharing.check_up(arrays, model_schema(base))
        weight = self.weights[site] if self.weights else 1
        arrays = self.spoil(site, number, arrays)
        return Contribution(f"site-{site}", weight, weight, self.steps, 0.5, arrays, sent.numbers)

    def _learner(self) -> Learner:
        training = {"optimizer": {"name": "sgd", "learning_rate": 0.1}, "schedule": "constant"} | self.training
        study = tiny_study(training=training, augmentation=[])
        task = cast(Task, _LeastSquares())
        return Learner(study, task, self.rounds * self.steps, torch.device("cpu"), "fp32")


def means(updates: list[np.ndarray], weights: tuple[int, ...]) -> np.ndarray:
    """The weighted mean."""
    total: np.ndarray = sum(weight * update for weight, update in zip(weights, updates, strict=True)) / sum(weights)
    return total


def fedprox_by_hand(
    sites: tuple[Cases, ...], weights: tuple[int, ...], rounds: int, steps: int, mu: float
) -> Trajectory:
    """FedProx with full gradients of rate 0.1, in float64; `mu` of 0 is FedAvg."""

    def descend(cases: Cases, start: np.ndarray) -> np.ndarray:
        own = start.copy()
        for _ in range(steps):
            own = own - 0.1 * (cases.gradient(own) + mu * (own - start))
        return own

    found, current = [], np.zeros(WIDTH)
    for _ in range(rounds):
        current = means([descend(cases, current) for cases in sites], weights)
        found.append(current)
    return found


def scaffold_by_hand(
    sites: tuple[Cases, ...],
    weights: tuple[int, ...],
    rates: Callable[[int], list[float]],
    rounds: int,
    present: Chosen | None = None,
    roster: Chosen | None = None,
) -> Trajectory:
    """SCAFFOLD, option II, with full gradients, in float64. `rates` gives those of the steps of a round.

    Each site tells its own control variate. The common one is the weighted mean of what the roster's sites told last,
    times the part of the roster that ever told one.
    """
    current, common = np.zeros(WIDTH), np.zeros(WIDTH)
    own, found = [np.zeros(WIDTH) for _ in sites], []
    told: dict[int, np.ndarray] = {}
    for number in range(rounds):
        members = list(roster(number) if roster else range(len(sites)))
        chosen = list(present(number) if present else members)
        ends = {site: _descended(sites[site], current, rates(number), common - own[site]) for site in chosen}
        for site, end in ends.items():
            own[site] = told[site] = own[site] - common + (current - end) / sum(rates(number))
        told = {site: told[site] for site in members if site in told}
        current = means([*ends.values()], tuple(weights[site] for site in ends))
        common = len(told) / len(members) * means([*told.values()], tuple(weights[site] for site in told))
        found.append(current)
    return found


def scaffold_as_published(sites: tuple[Cases, ...], rates: list[float], rounds: int, present: Chosen) -> Trajectory:
    """Algorithm 1 of the paper, option II, global step size 1, in float64: all sites weigh the same, and tell changes.

    `rates` are those of the steps of every round.
    """
    current, common = np.zeros(WIDTH), np.zeros(WIDTH)
    own, found = [np.zeros(WIDTH) for _ in sites], []
    for number in range(rounds):
        moves, changes = [], []
        for site in present(number):
            end = _descended(sites[site], current, rates, common - own[site])
            change = (current - end) / sum(rates) - common
            own[site] = own[site] + change
            moves.append(end - current)
            changes.append(change)
        current = current + sum(moves) / len(moves)
        common = common + sum(changes) / len(sites)
        found.append(current)
    return found


def _descended(cases: Cases, start: np.ndarray, rates: list[float], correction: np.ndarray) -> np.ndarray:
    """Where corrected steps lead."""
    local = start.copy()
    for rate in rates:
        local = local - rate * (cases.gradient(local) + correction)
    return local
