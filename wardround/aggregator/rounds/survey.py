"""What preprocessing has to know of all sites' training cases, asked before the first round: round 0.

Each question is an exchange of its own, whose answers merge in any order to that of all cases together. The next
question, and in the end the fitted state, follow from the merged answers alone; so a survey resumes at the question
that is open, and gives the state that one hospital with all those cases would have found.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from pathlib import Path

from wardround.aggregator.journal import Event, Journal
from wardround.aggregator.rounds.exchange import ExchangePlayer, OpenExchange, Played
from wardround.aggregator.rounds.inspection import Inspector
from wardround.aggregator.rounds.mending import Mender
from wardround.aggregator.rounds.movement import Yardstick
from wardround.aggregator.rounds.own_values import all_in_words, apart, in_words, names_of, own_values
from wardround.aggregator.rounds.records import ExchangeOrder, FoldDecision, SurveyedSite, SurveyResult
from wardround.aggregator.rounds.replies import SpoiledReplyError, StoredReplies
from wardround.aggregator.rounds.rules import ENDED, Verdict
from wardround.aggregator.rounds.run_plan import RunPlan
from wardround.aggregator.rounds.state import StateFolder, SurveyFolder
from wardround.aggregator.rounds.timing import Clock
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.parts import PartFault
from wardround.engine.preprocessing.fitted import FittedState
from wardround.engine.preprocessing.fitting import Fitting
from wardround.engine.preprocessing.requests import CohortSummary, Request
from wardround.federation.declared import Declared
from wardround.federation.guards import Schema
from wardround.federation.protocol import Stage


@dataclass(frozen=True)
class Gathered:
    """What an exchange of a survey made: the summary of all contributing sites together, and who they are."""

    summary: CohortSummary
    sites: tuple[SurveyedSite, ...]


@dataclass(frozen=True)
class Survey:
    """Surveys the sites' cases, as far as that was not done."""

    run_plan: RunPlan
    state: StateFolder
    player: ExchangePlayer
    journal: Journal
    clock: Clock

    def fit(self) -> FittedState | Verdict:
        """What preprocessing has learned, empty for a study that fits nothing; or why the run stops.

        What rounds were begun with stays: from then on a model is of these values and of no others.

        Raises:
            InputError: the cases give nothing to fit to, a file of the state cannot be used, or what rounds were begun
                with is lost and cannot be made again.
        """
        ordered, held = self.state.ordered_fitted(), self.state.fitted()
        if held.digest == ordered:
            return held
        outcome = self._made()
        if isinstance(outcome, Verdict):
            return outcome
        if ordered is not None and outcome.digest != ordered:
            raise _lost(self.state.fitted_path, outcome, ordered)
        if outcome != held:
            self.state.keep_fitted(outcome)
            self.journal.record(Event.FITTED, cases=outcome.cases, fitted=outcome.digest)
        return outcome

    def _made(self) -> FittedState | Verdict:
        """What follows from the answers, with those that are left to be asked for."""
        answers: list[tuple[Request, SurveyResult]] = []
        while isinstance(outcome := self._next(answers), Request):
            number = len(answers) + 1
            result = self._done(number, outcome) or self._ask(number, outcome)
            if isinstance(result, Verdict):
                return result
            answers.append((outcome, result))
        return outcome

    def _next(self, answers: Sequence[tuple[Request, SurveyResult]]) -> Request | FittedState:
        """What follows from the answers. Raises `InputError`, with what each site told, where nothing can be fitted."""
        study = self.run_plan.study
        try:
            return Fitting(study).next_request([result.summary for _, result in answers])
        except InputError as error:
            told = [all_in_words(result, names_of(study, request)) for request, result in answers]
            raise InputError(_with_own(problem, told) for problem in error.problems) from error

    def _done(self, number: int, request: Request) -> SurveyResult | None:
        """The answer of an earlier process; one that is damaged is made again from the replies."""
        result = Mender(self.state, self.journal).survey_result(self.state.survey(number))
        return result if result is not None and result.base == request.digest else None

    def _ask(self, number: int, request: Request) -> SurveyResult | Verdict:
        if self.state.is_ended:
            return ENDED
        exchange = self._opened(self._order(number, request), request)
        played = self.player.play(exchange, ())
        if isinstance(played, Verdict):
            return played
        return self._commit(number, exchange, played)

    def _order(self, number: int, request: Request) -> ExchangeOrder:
        folder = self.state.survey(number)
        order = ExchangeOrder(
            round=0, exchange=number, stage=Stage.SURVEY, base=request.digest, sites=self.run_plan.roster.names
        )
        if Mender(self.state, self.journal).survey_order(folder) != order:
            folder.begin(order)
        return order

    def _opened(self, order: ExchangeOrder, request: Request) -> OpenExchange[Gathered]:
        run, folder = self.run_plan, self.state.survey(order.exchange)
        Mender(self.state, self.journal).inboxes(folder, order)
        self.journal.record(Event.SURVEY_STARTED, round=0, exchange=order.exchange, asked=request.ask.words)
        content = canonical_model(request)
        inspector = Inspector(
            order=order,
            schema=Schema({}),
            yardstick=Yardstick({}, run.plan.horizon.local_steps, run.ceiling),
            declared=Declared.of(run.study, run.plan.outgoing),
            is_final=False,
            request=request,
            names=names_of(run.study, request),
        )
        return OpenExchange(
            folder=folder,
            inspector=inspector,
            payload=lambda site: content,
            update_bytes=0,
            finish=partial(_gathered, StoredReplies(folder, inspector, run.roster, run.ring), request),
            started=self.clock.now(),
        )

    def _commit(self, number: int, exchange: OpenExchange[Gathered], played: Played[Gathered]) -> SurveyResult:
        folder: SurveyFolder = self.state.survey(number)
        result = SurveyResult(
            exchange=number,
            base=exchange.inspector.order.base,
            summary=played.made.summary,
            sites=played.made.sites,
            absent=played.decision.absent,
            seconds=round(self.clock.now() - exchange.started, 3),
            finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        self._tell_apart(result, exchange.inspector.names)
        folder.commit(result)
        self.journal.record(Event.SURVEY_COMMITTED, round=0, exchange=number, cases=result.summary.cases)
        return result

    def _tell_apart(self, result: SurveyResult, names: tuple[str, ...]) -> None:
        """Say whose values lie far from the others', before anything is trained with them."""
        far = apart(result.sites)
        for site in result.sites:
            if site.site in far:
                words = in_words(site.own, names)
                self.journal.record(Event.SITE_APART, round=0, site=site.site, exchange=result.exchange, detail=words)


def _gathered(replies: StoredReplies, request: Request, decision: FoldDecision) -> Gathered:
    """The answers of all who were decided for together."""
    summaries, sites = [request.nothing()], []
    for site in decision.sites:
        done, asked = replies.read(site).done, replies.asked(site)
        if done.summary is None:
            raise SpoiledReplyError(site, "no statistics")
        summaries.append(done.summary)
        sites.append(
            SurveyedSite(
                site=site,
                work_key=done.work_key,
                cohort=asked.cohort,
                cases=done.summary.cases,
                seconds=done.seconds,
                own=own_values(done.summary),
            )
        )
    return Gathered(reduce(CohortSummary.merge, summaries), tuple(sites))


def _with_own(problem: Problem, told: Sequence[str]) -> Problem:
    """A problem with what each site's own cases told: the answer of all together does not show whose are wrong."""
    questions = [f"question {number}: {words}" for number, words in enumerate(told, 1) if words]
    if isinstance(problem, PartFault) or not questions:
        return problem
    return replace(
        problem,
        remedy=f"{problem.remedy}. The sites' own values, in {'. In '.join(questions)}. Where one site's are wrong, "
        "`aggregator remove` it, and `aggregator continue`: under the new plan the others are surveyed again",
    )


def _lost(path: Path, made: FittedState, ordered: str) -> InputError:
    return InputError.one(
        "what preprocessing had learned before the first round is lost, and the sites' answers that are here give "
        "something else",
        where=str(path),
        got=f"values of the digest {made.digest[:16]}, of {made.cases} training cases",
        expected=f"those of the digest {ordered[:16]}, with which the rounds so far were trained",
        remedy="Restore fitted.json and rounds/0000 from a copy of the state folder; without one `aggregator undo 1` "
        "begins the training anew, with the values that the answers give now",
    )
