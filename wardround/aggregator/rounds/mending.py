"""What is damaged in a state folder and can be made again, or asked for again, is; each time it is said.

What cannot be made again is a round's result and a model: those are named, with the way back (`aggregator undo`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wardround.aggregator.journal import Event, Journal
from wardround.aggregator.rounds.records import (
    Absence,
    DamagedRecordError,
    ExchangeOrder,
    FoldDecision,
    RoundOrder,
    RoundResult,
    SurveyResult,
)
from wardround.aggregator.rounds.state import ExchangeFolder, StateFolder, SurveyFolder
from wardround.engine.basics.files import discard
from wardround.engine.basics.problems import InputError
from wardround.engine.study import Study
from wardround.federation.declared import MOST_CASES, SECONDS, Declared, Subsets, UndeclaredError, check_number
from wardround.federation.envelope import Payload
from wardround.federation.identities import Roster
from wardround.federation.protocol import Plan
from wardround.federation.strategies.protocol import Arrays


@dataclass(frozen=True)
class Mender:
    """Reads what a run resumes from, and mends it."""

    state: StateFolder
    journal: Journal

    def terms(self, plan: Plan, study: Study, roster: Roster) -> None:
        """Write plan, study and roster again where they are damaged and were these.

        Raises:
            InputError: the plan is damaged, and nothing shows that it was this one.
        """
        for path in self.state.mend_terms(plan, study, roster):
            self._say(path, 0, "it is written again")

    def told(self) -> None:
        """Forget which sites were told of an end where that is damaged: they are told again."""
        path = self.state.mend_told()
        if path is not None:
            self._say(path, 0, "the sites are told of the end again")

    def order(self, number: int) -> RoundOrder | None:
        """What a round is about; None when it has not begun, or when that has to be made out again."""
        folder = self.state.round(number)
        try:
            return folder.order()
        except DamagedRecordError as error:
            self._say(error.path, number, "it is made again from the round before")
            return None

    def survey_order(self, folder: SurveyFolder) -> ExchangeOrder | None:
        """What an exchange of a survey is about; None when it has not begun, or when that has to be made out again."""
        try:
            return folder.order()
        except DamagedRecordError as error:
            self._say(error.path, 0, "it is made again from what was answered before")
            return None

    def survey_result(self, folder: SurveyFolder) -> SurveyResult | None:
        """What came of an exchange of a survey; None when it is not over, or has to be made again from the replies."""
        try:
            return folder.result()
        except DamagedRecordError as error:
            self._say(error.path, 0, "it is made again from the sites' answers")
            return None

    def fitted(self) -> None:
        """Forget what preprocessing has learned where that is damaged: the surveys' results give it again."""
        try:
            self.state.fitted()
        except DamagedRecordError as error:
            self._say(error.path, 0, "it is made again from the survey's results")
            discard(error.path)

    def decision(self, folder: ExchangeFolder, order: ExchangeOrder) -> FoldDecision | None:
        """Whose replies are folded. Once that was decided no other reply was kept, so the inbox says it as well."""
        try:
            return folder.decision()
        except DamagedRecordError as error:
            sites = tuple(site for site in order.sites if folder.inbox(site).has_reply())
            self._say(error.path, order.round, "it is made again from the replies that are here")
        if not sites:
            folder.forget_decision()
            return None
        absent = tuple(Absence(site=site, state="not folded") for site in order.sites if site not in sites)
        decision = FoldDecision(round=order.round, sites=sites, absent=absent)
        folder.decide(decision)
        return decision

    def inboxes(self, folder: ExchangeFolder, order: ExchangeOrder) -> None:
        """Forget what a site was asked where that is damaged: it is asked again, and hands over what it has kept."""
        for site in order.sites:
            inbox = folder.inbox(site)
            try:
                inbox.asked()
            except DamagedRecordError as error:
                self._say(error.path, order.round, f"{site} is asked again")
                inbox.forget()

    def model(self, digest: str, spare: Callable[[], Arrays | None], number: int) -> Payload:
        """The packed bytes of a model or a state; from a spare copy if its file is damaged.

        Raises:
            InputError: it is damaged and there is no such copy.
        """
        arrays = self.state.arrays
        try:
            return arrays.read(digest)
        except InputError as error:
            copy = spare()
            if copy is None or not arrays.restore(digest, copy):
                raise _lost(error, number) from None
        self._say(arrays.path(digest), number, "it is restored from a copy")
        return arrays.read(digest)

    def _say(self, path: Path, number: int, what: str) -> None:
        self.journal.record(Event.RECORD_MENDED, round=number, file=str(path), detail=what)


def check_results(results: tuple[RoundResult, ...], declared: Declared, root: Path) -> None:
    """Raise `InputError` for a committed round with numbers that no site could send today, with the way back."""
    for result in results:
        for site in result.sites:
            try:
                declared.check_scores(site.metrics, Subsets(MOST_CASES, MOST_CASES))
                declared.check_loss(site.loss)
                check_number("its time of work in seconds", site.seconds, SECONDS)
            except UndeclaredError as error:
                raise InputError.one(
                    f"round {result.round} was committed with numbers that cannot be true",
                    where=str(root),
                    got=f"{site.site}: {error}",
                    remedy=f"`aggregator undo {result.round}` goes back to the round before it",
                ) from None


def _lost(error: InputError, number: int) -> InputError:
    problem = error.problems[0]
    back = f"`aggregator undo {number - 1}` goes back to the round before it, if that model is whole; otherwise restore"
    return InputError.one(
        problem.what,
        where=problem.where,
        got=problem.got,
        remedy=f"{back if number > 1 else 'Restore'} the state folder from a copy",
    )
