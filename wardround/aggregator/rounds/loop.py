"""The round loop. Every step is written down before the next one, so that any crash leaves a run that goes on.

A round: order -> conversations -> inbox -> decision -> fold -> new model -> result. The result's file is the commit;
what comes after it (history, model folders, tidying) is made again from the results whenever a run starts.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from wardround.aggregator.journal import Event, Journal
from wardround.aggregator.roster.keyring import KeyRing
from wardround.aggregator.rounds.context import RoundContext
from wardround.aggregator.rounds.conversation import Conversation
from wardround.aggregator.rounds.folding import Folding, Outgrowth, SpoiledReplyError
from wardround.aggregator.rounds.gathering import Gathering
from wardround.aggregator.rounds.inspection import Inspector
from wardround.aggregator.rounds.mending import Mender, check_results
from wardround.aggregator.rounds.movement import Yardstick
from wardround.aggregator.rounds.outcome import Outcome, unwritten
from wardround.aggregator.rounds.patience import Patience
from wardround.aggregator.rounds.records import (
    Absence,
    FoldDecision,
    RoundOrder,
    RoundResult,
    SiteResult,
    heaviest,
)
from wardround.aggregator.rounds.rules import ENDED, Action, Rules, Verdict
from wardround.aggregator.rounds.selection import Scored, Selection
from wardround.aggregator.rounds.sites import SiteState, SiteStatus
from wardround.aggregator.rounds.state import RoundFolder, StateFolder
from wardround.aggregator.rounds.switchboard import Gatherer
from wardround.aggregator.rounds.timing import Clock, Stopwatch
from wardround.engine.basics.problems import InputError
from wardround.engine.study import Study, study_to_bytes
from wardround.federation.declared import Declared
from wardround.federation.differences import Terms
from wardround.federation.endings import EndReason
from wardround.federation.envelope import Payload
from wardround.federation.guards import describe
from wardround.federation.identities import CoordinatorKey, Roster
from wardround.federation.payload import unpack
from wardround.federation.protocol import Plan, Ready, Stage
from wardround.federation.strategies.protocol import Arrays, Strategy

_MOST_SPOILED = 5


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


class Showcase(Protocol):
    """Makes the outputs that people use from what is committed; may be asked to make the same again."""

    def rehearse(self, results: tuple[RoundResult, ...], best: Scored | None) -> None:
        """Raise what `show` would raise for these results, but write nothing."""

    def show(self, results: tuple[RoundResult, ...], best: Scored | None) -> None:
        """Bring history and model folders up to the last result. Raises OSError or `InputError` for a full disk."""

    def spare(self, digest: str) -> Arrays | None:
        """A copy of a global model, if one was written; whether it is the right one is for the caller to check."""


@dataclass
class RoundLoop:
    """Plays all rounds of a run, or those that are left. `gathering` is the round that is open, for whoever watches."""

    run_plan: RunPlan
    state: StateFolder
    gatherer: Gatherer
    journal: Journal
    clock: Clock
    showcase: Showcase
    gathering: Gathering | None = None
    results: tuple[RoundResult, ...] = ()
    cohorts: dict[str, Ready] = field(default_factory=dict)
    _spoiled: int = 0
    _unwritten: InputError | None = None

    def run(self) -> Outcome:
        """Play until the last round is committed or the rules say stop.

        Raises:
            InputError: the state belongs to another plan or is damaged, or a disk is full.
        """
        run = self.run_plan
        self._mender.terms(run.plan, run.study, run.roster)
        self.state.pin(run.plan, run.study, run.roster)
        self.results = self.state.results()
        check_results(self.results, Declared.of(run.study, run.plan.outgoing), self.state.root)
        self._mender.told()
        self.state.go_on()
        if self.results:
            self._present()
        while (order := self._next_order()) is not None:
            stop = ENDED if self.state.is_ended else self._play(order)
            if stop is not None:
                return Outcome(stop.end, stop.line, self._unwritten)
        if self._unwritten is not None:
            self._present()
        line = f"all {self.run_plan.plan.horizon.rounds} rounds are complete"
        return Outcome(EndReason.COMPLETE, line, self._unwritten)

    def best(self) -> Scored | None:
        """The best model so far."""
        return Selection.of(self.run_plan.study).best(self.results)

    # -- which round is next

    def _next_order(self) -> RoundOrder | None:
        number = len(self.results) + 1
        stage, begun = self._stage(number), self._mender.order(number)
        if stage is None:
            self.state.set_aside(self.state.round(number).folder)  # a final evaluation that is no longer wanted
            return None
        if begun is not None:
            return begun
        base, state = self._incoming()
        order = RoundOrder(round=number, stage=stage, base=base, state=state, sites=self.run_plan.roster.names)
        self.state.round(number).begin(order)
        return order

    def _stage(self, number: int) -> Stage | None:
        rounds = self.run_plan.plan.horizon.rounds
        if number <= rounds:
            return Stage.TRAIN
        return Stage.EVALUATE if number == rounds + 1 and self.run_plan.final_evaluation else None

    def _incoming(self) -> tuple[str, str]:
        """Digests of the model and of the strategy's state that the next round begins with."""
        if self.results:
            return self.results[-1].model, self.results[-1].state
        return self.state.arrays.put(self.run_plan.initial()), self.state.arrays.put({})

    # -- one round

    def _play(self, order: RoundOrder) -> Verdict | None:
        """Play one round to its commit; None, or the verdict that stops the run."""
        started = self.clock.now()
        folder = self.state.round(order.round)
        model = self._mender.model(order.base, lambda: self._spare(order), order.round)
        self._mender.model(order.state, dict, order.round)
        self._mender.inboxes(order)
        self.journal.record(
            Event.ROUND_STARTED, round=order.round, stage=order.stage.value, base=order.base, bytes=len(model)
        )
        inspector = self._inspector(order, model)
        while True:
            decision = self._standing_decision(order)
            self.gathering = self._gathering(inspector, decision, model, started)
            verdict = self.gatherer.gather(self.gathering)
            if verdict.action is not Action.FOLD:
                self.gathering.times.forget()
                return verdict
            if decision is None:
                decision = self._decide(folder, order, verdict)
            outgrowth = self._fold(inspector, decision)
            if outgrowth is not None:
                self._finish(inspector, decision, outgrowth, started)
                return None

    def _standing_decision(self, order: RoundOrder) -> FoldDecision | None:
        """Whose replies are to be folded, if that is decided, and still holds: not after a key of them was revoked."""
        decision = self._mender.decision(order)
        if decision is not None and any(self.run_plan.ring.is_revoked(site) for site in decision.sites):
            self.state.round(order.round).forget_decision()
            return None
        return decision

    def _decide(self, folder: RoundFolder, order: RoundOrder, verdict: Verdict) -> FoldDecision:
        decision = FoldDecision(round=order.round, sites=verdict.sites, absent=self._absent(verdict.sites))
        folder.decide(decision)
        self.journal.record(Event.ROUND_DECIDED, round=order.round, sites=list(decision.sites), detail=verdict.line)
        return decision

    def _inspector(self, order: RoundOrder, model: Payload) -> Inspector:
        run = self.run_plan
        base, horizon = unpack(model), run.plan.horizon
        return Inspector(
            order=order,
            schema=describe(base),
            yardstick=Yardstick(base, horizon.local_steps, run.ceiling),
            declared=Declared.of(run.study, run.plan.outgoing),
            is_final=order.round == horizon.rounds + 1,
        )

    def _gathering(
        self, inspector: Inspector, decision: FoldDecision | None, model: Payload, started: float
    ) -> Gathering:
        """The round's conversations. Once it is decided whose replies are folded, only theirs are wanted, and all."""
        run, order = self.run_plan, inspector.order
        context = RoundContext(
            plan=run.plan,
            names=run.roster.names,
            key=run.key,
            inspector=inspector,
            model=lambda: model,
            model_bytes=len(model),
            cohorts=self.cohorts,
            accepted=accepted_keys(self.results),
            journal=self.journal,
            patience=run.patience,
            ring=run.ring,
            former=last_cohorts(self.results),
            terms=Terms(run.plan, study_to_bytes(run.study).decode(), run.roster),
        )
        wanted = decision.sites if decision else order.sites
        rules = (
            replace(run.rules, quorum=len(wanted), deadline=None, preparing=None, largest=None)
            if decision
            else run.rules
        )
        folder = self.state.round(order.round)
        times = (
            Stopwatch(None, started, started)
            if rules.deadline is None and rules.preparing is None
            else Stopwatch.start(folder.times_path, self.clock)
        )
        members = [member for member in run.roster.members if member.name in wanted]
        conversations = {
            member.name: Conversation(context, member, folder.inbox(member.name), started, times.of(member.name))
            for member in members
        }
        return Gathering(order.round, conversations, rules, self.journal, times, lambda: self.state.is_ended)

    def _finish(self, inspector: Inspector, decision: FoldDecision, outgrowth: Outgrowth, started: float) -> None:
        order, folder = inspector.order, self.state.round(inspector.order.round)
        self.journal.record(Event.MODEL_WRITTEN, round=order.round, model=outgrowth.model)
        result = RoundResult(
            round=order.round,
            stage=order.stage,
            base=order.base,
            model=outgrowth.model,
            state=outgrowth.state,
            sites=tuple(self._with_traffic(site) for site in outgrowth.sites),
            absent=decision.absent,
            seconds=round(self.clock.now() - started, 3),
            finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        self._rehearse((*self.results, result))
        folder.commit(result)
        self._note_weight(result)
        self.results = (*self.results, result)
        self.journal.record(Event.ROUND_COMMITTED, round=order.round, model=result.model, seconds=result.seconds)
        self._present()

    def _fold(self, inspector: Inspector, decision: FoldDecision) -> Outgrowth | None:
        """What the decided replies make; None when one of them is damaged and has to be asked for again."""
        run, folder = self.run_plan, self.state.round(inspector.order.round)
        folding = Folding(folder, inspector, run.roster, run.strategy, run.plan.weights, self.state.arrays, run.ring)
        try:
            if inspector.order.stage is Stage.EVALUATE:
                return folding.gather_scores(decision)
            return folding.fold(decision)
        except SpoiledReplyError as error:
            self._spoiled += 1
            if self._spoiled > _MOST_SPOILED:
                raise _spoils_again(folder, error) from None
            self.journal.record(Event.REPLY_DAMAGED, round=inspector.order.round, site=error.site, detail=error.reason)
            folder.inbox(error.site).discard()
            self._mender.inboxes(inspector.order)
            return None

    def _note_weight(self, result: RoundResult) -> None:
        """Say when a site comes to have more than half of the mean."""
        found, before = heaviest(result.sites), heaviest(self.results[-1].sites) if self.results else None
        if found is not None and (before is None or before.site != found.site):
            self.journal.record(Event.HEAVY_SITE, round=result.round, site=found.site, share=found.share)

    def _absent(self, folded: tuple[str, ...]) -> tuple[Absence, ...]:
        statuses = self.gathering.statuses(self.clock.now()) if self.gathering else ()
        return tuple(_absence(status) for status in statuses if status.site not in folded)

    def _with_traffic(self, result: SiteResult) -> SiteResult:
        if self.gathering is None:
            return result
        traffic = self.gathering.conversations[result.site].traffic
        return result.model_copy(update={"bytes_out": traffic.sent, "bytes_in": traffic.received})

    @property
    def _mender(self) -> Mender:
        return Mender(self.state, self.journal)

    def _spare(self, order: RoundOrder) -> Arrays | None:
        """Another copy of a round's incoming model: the initial one can be made again, others may be in the outputs."""
        return self.run_plan.initial() if order.round == 1 else self.showcase.spare(order.base)

    # -- around the commit

    def _rehearse(self, results: tuple[RoundResult, ...]) -> None:
        """Nothing is committed before what follows from it could be made."""
        try:
            self.showcase.rehearse(results, Selection.of(self.run_plan.study).best(results))
        except Exception as error:  # whatever it is, it would end every later start once the round is committed
            raise InputError.one(
                f"what follows from round {results[-1].round} cannot be made; the round is not committed",
                where=str(self.state.round(results[-1].round).folder),
                got=f"{type(error).__name__}: {error}",
                remedy="Keep the folder and report this; `aggregator undo` removes the round",
            ) from error

    def _present(self) -> None:
        """Made again at every start. What cannot be written is said and tried again; the rounds go on meanwhile."""
        best, last = self.best(), self.results[-1]
        try:
            self.showcase.show(self.results, best)
            self._unwritten = None
        except (OSError, InputError) as error:
            self.journal.record(Event.OUTPUTS_FAILED, round=last.round, detail=str(error))
            self._unwritten = unwritten(error)
        if best is not None and best.model == last.base:
            self.journal.record(Event.BEST_MODEL, round=best.round, model=best.model, value=best.overall.value)
        for site in self.run_plan.roster.names:
            self.state.round(last.round).inbox(site).let_go()
        self.state.arrays.prune(self._kept())

    def _kept(self) -> set[str]:
        """The models and states with which this round, and each of those that can be undone, began and ended."""
        selection, kept = Selection.of(self.run_plan.study), set[str]()
        for count in range(max(0, len(self.results) - self.run_plan.keep), len(self.results) + 1):
            results = self.results[:count]
            best = selection.best(results)
            kept |= {best.model} if best is not None else set()
            kept |= {results[-1].model, results[-1].state} if results else set()
        return kept


def accepted_keys(results: tuple[RoundResult, ...]) -> dict[str, str]:
    """The work key of each site's last reply that became part of a global model."""
    return {site.site: site.work_key for result in results if result.stage is Stage.TRAIN for site in result.sites}


def last_cohorts(results: tuple[RoundResult, ...]) -> dict[str, str]:
    """Digest of the cases that each site worked with in the last round that it was in."""
    return {site.site: site.cohort for result in results for site in result.sites if site.cohort is not None}


def _absence(status: SiteStatus) -> Absence:
    state = "done, too late" if status.state is SiteState.DONE else status.state.value
    reason = status.reason or ("it still prepares its cases" if status.is_preparing else "")
    return Absence(site=status.site, state=state, reason=reason)


def _spoils_again(folder: RoundFolder, error: SpoiledReplyError) -> InputError:
    return InputError.one(
        "replies are damaged again and again after they were stored",
        where=str(folder.inbox(error.site).folder),
        got=error.reason,
        remedy="Check the disk; the same command goes on where this left off",
    )
