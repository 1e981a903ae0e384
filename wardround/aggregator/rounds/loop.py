"""The round loop. Every step is written down before the next one, so that any crash leaves a run that goes on.

A round is a list of exchanges (`exchange`). The last of them makes the new model; the result's file is the commit; what
comes after it (history, model folders, tidying) is made again from the results whenever a run starts.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from wardround.aggregator.journal import Event, Journal
from wardround.aggregator.rounds.exchange import ExchangePlayer, OpenExchange, Played
from wardround.aggregator.rounds.folding import FINISH, Folding, Outgrowth
from wardround.aggregator.rounds.gathering import Gathering
from wardround.aggregator.rounds.inspection import Inspector
from wardround.aggregator.rounds.mending import Mender, check_results
from wardround.aggregator.rounds.movement import Yardstick
from wardround.aggregator.rounds.outcome import Outcome, unwritten
from wardround.aggregator.rounds.records import RoundOrder, RoundResult, SiteResult, heaviest
from wardround.aggregator.rounds.replies import StoredReplies
from wardround.aggregator.rounds.rules import ENDED, Verdict
from wardround.aggregator.rounds.run_plan import RunPlan
from wardround.aggregator.rounds.selection import Scored, Selection
from wardround.aggregator.rounds.state import StateFolder
from wardround.aggregator.rounds.survey import Survey
from wardround.aggregator.rounds.switchboard import Gatherer
from wardround.aggregator.rounds.timing import Clock
from wardround.engine.basics.problems import InputError
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.federation.declared import Declared
from wardround.federation.endings import EndReason
from wardround.federation.envelope import Payload
from wardround.federation.guards import describe
from wardround.federation.payload import unpack
from wardround.federation.protocol import Ready, Stage
from wardround.federation.stages import TERMS
from wardround.federation.strategies.protocol import Arrays


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
    """Plays all rounds of a run, or those that are left."""

    run_plan: RunPlan
    state: StateFolder
    gatherer: Gatherer
    journal: Journal
    clock: Clock
    showcase: Showcase
    results: tuple[RoundResult, ...] = ()
    cohorts: dict[str, Ready] = field(default_factory=dict)
    _unwritten: InputError | None = None
    _fitted: FittedState = EMPTY

    def __post_init__(self) -> None:
        """One player for all exchanges: who was heard in one need not be greeted in the next."""
        self._player = ExchangePlayer(self.run_plan, self.state, self.gatherer, self.journal, self.clock, self.cohorts)

        self._survey = Survey(self.run_plan, self.state, self._player, self.journal, self.clock)

    @property
    def gathering(self) -> Gathering | None:
        """The replies of the exchange that is open, or was open last."""
        return self._player.gathering

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
        self._mender.fitted()
        self.state.go_on()
        if self.results:
            self._present()
        fitted = self._survey.fit()
        if isinstance(fitted, Verdict):
            return Outcome(fitted.end, fitted.line, self._unwritten)
        self._fitted = fitted
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
        order = RoundOrder(
            round=number,
            stage=stage,
            base=base,
            state=state,
            sites=self.run_plan.roster.names,
            fitted=self._fitted.digest or None,
        )
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
        exchange = self._opened(order)
        played = self._player.play(exchange, self.results)
        if isinstance(played, Verdict):
            return played
        self._commit(order, exchange, played)
        return None

    def _opened(self, order: RoundOrder) -> OpenExchange[Outgrowth]:
        """The exchange that makes the round's model, with all that it needs whole."""
        started, run, folder = self.clock.now(), self.run_plan, self.state.round(order.round)
        model = self._mender.model(order.base, lambda: self._spare(order), order.round)
        self._mender.model(order.state, dict, order.round)
        self._mender.inboxes(folder, order)
        self.journal.record(
            Event.ROUND_STARTED, round=order.round, stage=order.stage.value, base=order.base, bytes=len(model)
        )
        inspector = self._inspector(order, model)
        replies = StoredReplies(folder, inspector, run.roster, run.ring)
        folding = Folding(order, replies, run.strategy, run.plan.weights, self.state.arrays)
        return OpenExchange(
            folder=folder,
            inspector=inspector,
            payload=lambda site: model,
            update_bytes=len(model),
            finish=partial(FINISH[order.stage], folding),
            started=started,
            fitted=self._fitted,
        )

    def _inspector(self, order: RoundOrder, model: Payload) -> Inspector:
        run = self.run_plan
        base, horizon, trains = unpack(model), run.plan.horizon, TERMS[order.stage].trains
        return Inspector(
            order=order,
            schema=describe(base),
            yardstick=Yardstick(base, horizon.local_steps, run.ceiling, run.strategy.sharing),
            declared=Declared.of(run.study, run.plan.outgoing),
            is_final=order.round == horizon.rounds + 1,
            sharing=run.strategy.sharing,
            is_scored=not trains or run.plan.scores_in(order.round),
            most_scored=run.plan.checks.max_cases,
        )

    def _commit(self, order: RoundOrder, exchange: OpenExchange[Outgrowth], played: Played[Outgrowth]) -> None:
        outgrowth = played.made
        self.journal.record(Event.MODEL_WRITTEN, round=order.round, model=outgrowth.model)
        result = RoundResult(
            round=order.round,
            stage=order.stage,
            base=order.base,
            model=outgrowth.model,
            state=outgrowth.state,
            sites=tuple(self._with_traffic(site) for site in outgrowth.sites),
            absent=played.decision.absent,
            seconds=round(self.clock.now() - exchange.started, 3),
            finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        self._rehearse((*self.results, result))
        self.state.round(order.round).commit(result)
        self._note_weight(result)
        self.results = (*self.results, result)
        self.journal.record(Event.ROUND_COMMITTED, round=order.round, model=result.model, seconds=result.seconds)
        self._present()

    def _note_weight(self, result: RoundResult) -> None:
        """Say when a site comes to have more than half of the mean."""
        found, before = heaviest(result.sites), heaviest(self.results[-1].sites) if self.results else None
        if found is not None and (before is None or before.site != found.site):
            self.journal.record(Event.HEAVY_SITE, round=result.round, site=found.site, share=found.share)

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
