"""One exchange of a round: order -> conversations -> inbox -> decision -> what the decided replies make.

A round is a list of exchanges. Each has a folder and an order of its own, and resumes by itself: what it was asked, the
replies that came and whose of them count are on disk before the next step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from wardround.aggregator.journal import Event, Journal
from wardround.aggregator.rounds.context import RoundContext
from wardround.aggregator.rounds.conversation import Conversation
from wardround.aggregator.rounds.gathering import Gathering
from wardround.aggregator.rounds.inspection import Inspector
from wardround.aggregator.rounds.mending import Mender
from wardround.aggregator.rounds.records import Absence, FoldDecision, RoundResult, accepted_keys, last_cohorts
from wardround.aggregator.rounds.replies import SpoiledReplyError
from wardround.aggregator.rounds.rules import Action, Verdict
from wardround.aggregator.rounds.run_plan import RunPlan
from wardround.aggregator.rounds.sites import SiteState, SiteStatus
from wardround.aggregator.rounds.state import ExchangeFolder, StateFolder
from wardround.aggregator.rounds.switchboard import Gatherer
from wardround.aggregator.rounds.timing import Clock, Stopwatch
from wardround.engine.basics.problems import InputError
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.engine.study import study_to_bytes
from wardround.federation.differences import Terms
from wardround.federation.envelope import Payload
from wardround.federation.protocol import Ready

Made = TypeVar("Made")
_MOST_SPOILED = 5


@dataclass(frozen=True)
class OpenExchange(Generic[Made]):
    """What is played.

    Attributes:
        folder: where it is kept.
        inspector: checks the answers; holds the order.
        payload: what goes to a site with its task, by the site's name.
        update_bytes: how large an update is expected to be, if there is one.
        finish: makes something of the replies that were decided for. Raises `SpoiledReplyError`.
        started: the clock's seconds at which it began in this process.
        fitted: what preprocessing has learned, if anything.
    """

    folder: ExchangeFolder
    inspector: Inspector
    payload: Callable[[str], Payload]
    update_bytes: int
    finish: Callable[[FoldDecision], Made]
    started: float
    fitted: FittedState = EMPTY


@dataclass(frozen=True)
class Played(Generic[Made]):
    """An exchange that was played to its end: whose replies count, and what was made of them."""

    decision: FoldDecision
    made: Made


@dataclass
class ExchangePlayer:
    """Plays the exchanges of a run, one after the other. `gathering` is the one that is open, for whoever watches.

    `cohorts` is what each site said at its last hello.
    """

    run_plan: RunPlan
    state: StateFolder
    gatherer: Gatherer
    journal: Journal
    clock: Clock
    cohorts: dict[str, Ready] = field(default_factory=dict)
    gathering: Gathering | None = None
    _spoiled: int = 0

    def play(self, exchange: OpenExchange[Made], results: tuple[RoundResult, ...]) -> Played[Made] | Verdict:
        """Play to the end, or until the rules say stop. `results` are those of the rounds before.

        Raises:
            InputError: replies are damaged again and again, or what they make cannot be used.
        """
        while True:
            decision = self._standing_decision(exchange)
            self.gathering = self._gathering(exchange, decision, results)
            verdict = self.gatherer.gather(self.gathering)
            if verdict.action is not Action.FOLD:
                self.gathering.times.forget()
                return verdict
            if decision is None:
                decision = self._decide(exchange, verdict)
            try:
                return Played(decision, exchange.finish(decision))
            except SpoiledReplyError as error:
                self._ask_again(exchange, error)

    def _standing_decision(self, exchange: OpenExchange[Made]) -> FoldDecision | None:
        """Whose replies are to be folded, if that is decided, and still holds.

        Not after a key of theirs was revoked, nor where one of them is no longer asked: it would never answer.
        """
        order, ring = exchange.inspector.order, self.run_plan.ring
        decision = Mender(self.state, self.journal).decision(exchange.folder, order)
        if decision is not None and any(site not in order.sites or ring.is_revoked(site) for site in decision.sites):
            exchange.folder.forget_decision()
            return None
        return decision

    def _decide(self, exchange: OpenExchange[Made], verdict: Verdict) -> FoldDecision:
        number = exchange.inspector.order.round
        decision = FoldDecision(round=number, sites=verdict.sites, absent=self._absent(verdict.sites))
        exchange.folder.decide(decision)
        self.journal.record(Event.ROUND_DECIDED, round=number, sites=list(decision.sites), detail=verdict.line)
        return decision

    def _gathering(
        self, exchange: OpenExchange[Made], decision: FoldDecision | None, results: tuple[RoundResult, ...]
    ) -> Gathering:
        """The conversations. Once it is decided whose replies are folded, only theirs are wanted, and all."""
        run, order, folder = self.run_plan, exchange.inspector.order, exchange.folder
        context = self._context(exchange, results)
        wanted = decision.sites if decision else order.sites
        rules = (
            replace(run.rules, quorum=len(wanted), deadline=None, preparing=None, largest=None)
            if decision
            else run.rules
        )
        times = (
            Stopwatch(None, exchange.started, exchange.started)
            if rules.deadline is None and rules.preparing is None
            else Stopwatch.start(folder.times_path, self.clock)
        )
        members = [member for member in run.roster.members if member.name in wanted]
        conversations = {
            member.name: Conversation(
                context, member, folder.inbox(member.name), exchange.started, times.of(member.name)
            )
            for member in members
        }
        return Gathering(order.round, conversations, rules, self.journal, times, lambda: self.state.is_ended)

    def _context(self, exchange: OpenExchange[Made], results: tuple[RoundResult, ...]) -> RoundContext:
        run = self.run_plan
        return RoundContext(
            plan=run.plan,
            names=run.roster.names,
            key=run.key,
            inspector=exchange.inspector,
            payload=exchange.payload,
            update_bytes=exchange.update_bytes,
            cohorts=self.cohorts,
            accepted=accepted_keys(results),
            journal=self.journal,
            patience=run.patience,
            ring=run.ring,
            former=last_cohorts(results),
            fitted=exchange.fitted,
            terms=Terms(run.plan, study_to_bytes(run.study).decode(), run.roster),
        )

    def _ask_again(self, exchange: OpenExchange[Made], error: SpoiledReplyError) -> None:
        """A stored reply is damaged: the site hands it over once more."""
        order = exchange.inspector.order
        self._spoiled += 1
        if self._spoiled > _MOST_SPOILED:
            raise _spoils_again(exchange.folder, error) from None
        self.journal.record(Event.REPLY_DAMAGED, round=order.round, site=error.site, detail=error.reason)
        exchange.folder.inbox(error.site).discard()
        Mender(self.state, self.journal).inboxes(exchange.folder, order)

    def _absent(self, folded: tuple[str, ...]) -> tuple[Absence, ...]:
        statuses = self.gathering.statuses(self.clock.now()) if self.gathering else ()
        return tuple(_absence(status) for status in statuses if status.site not in folded)


def _absence(status: SiteStatus) -> Absence:
    state = "done, too late" if status.state is SiteState.DONE else status.state.value
    reason = status.reason or ("it still prepares its cases" if status.is_preparing else "")
    return Absence(site=status.site, state=state, reason=reason)


def _spoils_again(folder: ExchangeFolder, error: SpoiledReplyError) -> InputError:
    return InputError.one(
        "replies are damaged again and again after they were stored",
        where=str(folder.inbox(error.site).folder),
        got=error.reason,
        remedy="Check the disk; the same command goes on where this left off",
    )
