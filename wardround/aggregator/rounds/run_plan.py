"""What a run is, apart from its state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from wardround.aggregator.roster.keyring import KeyRing
from wardround.aggregator.rounds.patience import Patience
from wardround.aggregator.rounds.rules import Rules
from wardround.engine.study import Study
from wardround.federation.identities import CoordinatorKey, Roster
from wardround.federation.protocol import Plan
from wardround.federation.strategies.protocol import Arrays, Strategy


@dataclass(frozen=True)
class RunPlan:
    """What a run is, apart from its state.

    Attributes:
        plan: what the sites have accepted.
        study: the study.
        roster: who takes part.
        key: signs tasks.
        strategy: folds the replies.
        rules: when a round goes on.
        patience: how long to wait for what.
        final_evaluation: whether the last model is scored in a round of its own.
        initial: makes the initial global arrays, always the same.
        ceiling: how many times its own norm an update may move a tensor.
        keep: how many of the last rounds can be undone; their models are kept for that.
        ring: with which keys the sites speak now.
    """

    plan: Plan
    study: Study
    roster: Roster
    key: CoordinatorKey
    strategy: Strategy
    rules: Rules
    patience: Patience
    final_evaluation: bool
    initial: Callable[[], Arrays]
    ceiling: float = 100.0
    keep: int = 3
    ring: KeyRing = field(default_factory=lambda: KeyRing({}))
