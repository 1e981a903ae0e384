"""From the replies of a round to the next model. What lies in the inbox is checked again as it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wardround.aggregator.rounds.arrays import ArrayStore
from wardround.aggregator.rounds.inspection import Accepted
from wardround.aggregator.rounds.records import FoldDecision, RoundOrder, SiteResult
from wardround.aggregator.rounds.replies import StoredReplies
from wardround.aggregator.strategies.weighing import weigh
from wardround.engine.basics.problems import InputError
from wardround.federation.guards import GuardError, Schema, check_update, describe
from wardround.federation.protocol import Done, Stage, Weights
from wardround.federation.strategies.protocol import Contribution, Folded, Sites, Strategy


@dataclass(frozen=True)
class Outgrowth:
    """What a round made: digests of model and strategy's state, and what each site contributed."""

    model: str
    state: str
    sites: tuple[SiteResult, ...]


@dataclass(frozen=True)
class Folding:
    """Folds one round.

    Attributes:
        order: what the round's last exchange is about.
        replies: those of that exchange.
        strategy: folds.
        weights: what a site's update weighs.
        arrays: where models are kept.
    """

    order: RoundOrder
    replies: StoredReplies
    strategy: Strategy
    weights: Weights
    arrays: ArrayStore

    def gather_scores(self, decision: FoldDecision) -> Outgrowth:
        """After an evaluation: the model and the state stay. Raises `SpoiledReplyError`."""
        sites = tuple(self._result(self.replies.read(site)) for site in decision.sites)
        return Outgrowth(self.order.base, self.order.state, sites)

    def fold(self, decision: FoldDecision) -> Outgrowth:
        """The replies one by one in roster order.

        Raises:
            SpoiledReplyError: a reply is damaged.
            InputError: what came out cannot be used; nothing is kept of it then.
        """
        order = self.order
        weights = dict(zip(decision.sites, self._weigh(decision), strict=True))
        base, state = self.arrays.get(order.base), self.arrays.get(order.state)
        fold = self.strategy.begin(base, state, self._sites())
        sites: list[SiteResult] = []
        for site, weight in weights.items():
            accepted = self.replies.read(site)
            fold.add(self._contribution(accepted, weight))
            share = weight / sum(weights.values())
            sites.append(self._result(accepted).model_copy(update={"share": share}))
        folded = fold.finish()
        _check(folded, self.replies.inspector.schema)
        return Outgrowth(self.arrays.put(folded.model), self.arrays.put(folded.state), tuple(sites))

    def _contribution(self, accepted: Accepted, weight: int) -> Contribution:
        done, steps = accepted.done, self.replies.inspector.yardstick.steps
        return Contribution(done.site, done.train_cases, weight, steps, done.loss, accepted.arrays, done.numbers)

    def _sites(self) -> Sites:
        """The roster as it is now. For whom nobody speaks any more does not count, whatever it sent before."""
        roster, ring = self.replies.roster, self.replies.ring
        names = tuple(name for name in roster.names if not ring.is_revoked(name))
        return Sites(names, lambda cases: weigh(cases, self.weights))

    def _weigh(self, decision: FoldDecision) -> tuple[int, ...]:
        return weigh([self.replies.asked(site).train_cases for site in decision.sites], self.weights)

    def _result(self, accepted: Accepted) -> SiteResult:
        return _site_result(accepted.done, self.replies.asked(accepted.done.site).cohort)


FINISH: Mapping[Stage, Callable[[Folding, FoldDecision], Outgrowth]] = {
    Stage.EVALUATE: Folding.gather_scores,
    Stage.TRAIN: Folding.fold,
}
"""How the last exchange of a round makes the round's model, by its stage."""


def _check(folded: Folded, schema: Schema) -> None:
    """Sound replies give a sound mean; a strategy that makes something else of them must not end the run's model."""
    try:
        check_update(folded.model, schema)
        check_update(folded.state, describe(folded.state))
    except GuardError as error:
        raise InputError.one(
            "the strategy made a model that cannot be used; the round is not committed",
            got=f"{error.code.value}: {error.detail}",
            expected="finite numbers, in tensors of the names, shapes and types of the round's incoming model",
            remedy="Use another strategy or other parameters; replies and earlier rounds are kept",
        ) from None


def _site_result(done: Done, cohort: str) -> SiteResult:
    return SiteResult(
        site=done.site,
        work_key=done.work_key,
        update=done.update,
        train_cases=done.train_cases,
        loss=done.loss,
        metrics=done.metrics,
        seconds=done.seconds,
        cohort=cohort,
    )
