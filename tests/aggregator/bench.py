"""A whole run in memory: fake sites, fake clock, a real state folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from tests.aggregator.fakes import (
    FakeClock,
    FakeLink,
    FakeSite,
    SteppedGatherer,
    Weather,
    coordinator_key,
    roster_of,
    trained,
)
from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.aggregator.journal import Journal
from wardround.aggregator.rounds.loop import RoundLoop
from wardround.aggregator.rounds.outcome import Outcome
from wardround.aggregator.rounds.patience import Patience
from wardround.aggregator.rounds.records import RoundResult
from wardround.aggregator.rounds.rules import Rules
from wardround.aggregator.rounds.run_plan import RunPlan
from wardround.aggregator.rounds.selection import Scored
from wardround.aggregator.rounds.state import StateFolder
from wardround.engine.study import Study
from wardround.federation.event_log import Entry, read_entries
from wardround.federation.payload import pack, payload_digest
from wardround.federation.protocol import Horizon, Plan, Weights
from wardround.federation.strategies.named import strategy_of
from wardround.federation.strategies.protocol import Arrays

NAMES = ("east", "north", "south")


def initial() -> Arrays:
    """A small model: two floating-point tensors and a counter."""
    numbers = np.random.default_rng(1)
    return {
        "model/weight": numbers.normal(size=(3, 4)).astype(np.float32),
        "model/bias": numbers.normal(size=4).astype(np.float32),
        "model/counter": np.array(7, dtype=np.int64),
    }


class Silence:
    """A showcase that remembers what it was shown."""

    def __init__(self) -> None:
        self.best: Scored | None = None

    def rehearse(self, results: tuple[RoundResult, ...], best: Scored | None) -> None:
        """Nothing can go wrong."""

    def spare(self, digest: str) -> Arrays | None:
        """Nothing is kept."""
        return None

    def show(self, results: tuple[RoundResult, ...], best: Scored | None) -> None:
        """Remember."""
        self.best = best


@dataclass
class Bench:
    """A federation on a bench. Sites outlive a restart of the aggregator; call `run` again to resume.

    Attributes:
        folder: where the state lies.
        names: the roster.
        rounds: how many.
        rules: quorum and the rest; all sites without a deadline by default.
        select: metric and thereby direction of the study.
    """

    folder: Path
    names: tuple[str, ...] = NAMES
    rounds: int = 3
    quorum: int | None = None
    deadline: float | None = None
    below_quorum: Literal["wait", "stop"] = "wait"
    on_decline: Literal["stop", "continue"] = "continue"
    grace: float = 0.0
    patience: float = 3600.0
    preparing: float | None = None
    final: bool = True
    seed: int = 0
    limit: float = 100_000.0
    weather: Callable[[str, float], Weather] = lambda site, now: Weather()
    away: Callable[[str, float], bool] = lambda site, now: False
    clock: FakeClock = field(default_factory=FakeClock)
    sites: dict[str, FakeSite] = field(default_factory=dict)
    said: list[Entry] = field(default_factory=list)
    weights: Weights = field(default_factory=Weights)
    strategy: str = "fedavg"
    study: Study = field(default_factory=lambda: study_of(changed(SEGMENTATION)))

    def __post_init__(self) -> None:
        self.roster = roster_of(self.names)
        self.plan = Plan(
            federation="bench",
            study=self.study.digest,
            horizon=Horizon(rounds=self.rounds, local_steps=5),
            strategy=self.strategy,
            roster=self.roster.digest,
            weights=self.weights,
        )
        for number, name in enumerate(self.names):
            self.sites.setdefault(name, FakeSite(name, self.plan.digest, cases=10 + 7 * number))
        self.link = FakeLink(self.sites, self.clock, self.weather, self.away)
        self.state = StateFolder(self.folder)

    def loop(self) -> RoundLoop:
        """A fresh aggregator on the state folder."""
        strategy = strategy_of(self.plan.strategy)
        run_plan = RunPlan(
            plan=self.plan,
            study=self.study,
            roster=self.roster,
            key=coordinator_key(),
            strategy=strategy,
            rules=Rules(
                self.quorum or len(self.names),
                self.deadline,
                self.below_quorum,
                self.on_decline,
                self.grace,
                self.patience,
                self.preparing,
                largest=10.0,
            ),
            patience=Patience(jitter=0.0),
            final_evaluation=self.final,
            initial=lambda: strategy.sharing.opening(initial()),
        )
        gatherer = SteppedGatherer(self.link, self.clock, self.seed, self.limit)
        journal = Journal(self.state.journal_path, self.said.append)
        return RoundLoop(run_plan, self.state, gatherer, journal, self.clock, Silence())

    def run(self) -> Outcome:
        """Run or resume."""
        return self.loop().run()

    def models(self) -> list[str]:
        """Digest of every committed round's model."""
        return [result.model for result in self.state.results()]

    def journal(self, event: str) -> list[Entry]:
        """The journal's entries of one kind."""
        return [entry for entry in read_entries(self.state.journal_path) if entry.event == event]


def expected_models(bench: Bench, absent: dict[int, set[str]] | None = None) -> list[str]:
    """The models of a run, by numpy alone; `absent` says whose replies a round goes without."""
    model: Arrays = initial()
    digests = []
    for number in range(1, bench.rounds + 1):
        names = [name for name in bench.names if name not in (absent or {}).get(number, set())]
        total = sum(bench.sites[name].cases for name in names)
        updates = {name: trained(model, name, number) for name in names}
        model = {key: mean_of(key, updates, bench, total) for key in model}
        digests.append(payload_digest(pack(model)))
    return [*digests, digests[-1]]


def mean_of(key: str, updates: dict[str, dict[str, np.ndarray]], bench: Bench, total: int) -> np.ndarray:
    """One tensor's weighted mean in float64, or the first site's integers."""
    arrays = [(updates[name][key], bench.sites[name].cases) for name in updates]
    if arrays[0][0].dtype.kind != "f":
        return arrays[0][0]
    if len(arrays) == 1:
        return arrays[0][0]
    acc = arrays[0][0].astype(np.float64) * arrays[0][1]
    for array, cases in arrays[1:]:
        acc = acc + array.astype(np.float64) * cases
    return (acc / total).astype(arrays[0][0].dtype)
