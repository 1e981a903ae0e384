"""The folder that a run resumes from. Every file in it is written whole or not at all; a round is its `result.json`.

plan.json  study.json  roster.json       what this run is; a changed plan is refused
plans/                                   earlier plans and rosters of a training that was carried on
ended.json                               the coordinator has ended the run
told.json                                which sites know that the run has ended
models/<digest>.safetensors              global models and strategies' states
fitted.json                              what preprocessing has learned from the sites' cases, if anything
rounds/0000/1-survey/                    the exchanges before all training, each with order, inbox, decision and result
rounds/0001/order.json                   base model and named sites
rounds/0001/times.json                   since when it counts
rounds/0001/inbox/<site>/                what was asked, and the signed reply
rounds/0001/fold.json                    whose replies are folded
rounds/0001/result.json                  the commit
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from wardround.aggregator.rounds.arrays import ArrayStore
from wardround.aggregator.rounds.inbox import Inbox
from wardround.aggregator.rounds.records import (
    RESULT_FILE,
    Asked,
    DamagedRecordError,
    Ended,
    ExchangeOrder,
    FoldDecision,
    RoundOrder,
    RoundResult,
    SurveyResult,
    Told,
    read_record,
    write_record,
)
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.files import checked, discard, fsync_folder, private_folder, write_atomic
from wardround.engine.basics.problems import InputError
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.engine.study import Study, study_to_bytes
from wardround.federation.differences import Terms, differences
from wardround.federation.endings import EndReason
from wardround.federation.identities import Roster
from wardround.federation.protocol import Plan, Stage, work_key

_PLAN, _STUDY, _ROSTER, _ORDER = "plan.json", "study.json", "roster.json", "order.json"
_ENDED, _TOLD, _FITTED = "ended.json", "told.json", "fitted.json"


@dataclass(frozen=True)
class ExchangeFolder:
    """One exchange on disk."""

    folder: Path

    def order(self) -> ExchangeOrder | None:
        """What the exchange is about, once it has begun."""
        return read_record(self.folder / _ORDER, ExchangeOrder)

    @property
    def has_begun(self) -> bool:
        """Whether there is an order, be it damaged."""
        return (self.folder / _ORDER).exists()

    def begin(self, order: ExchangeOrder) -> None:
        """Begin the exchange."""
        write_record(self.folder / _ORDER, order)

    @property
    def times_path(self) -> Path:
        """When the exchange began, and each site was ready; written where a deadline counts from it."""
        return self.folder / "times.json"

    def inbox(self, site: str) -> Inbox:
        """The place of a site's reply."""
        return Inbox(self.folder / "inbox" / site)

    def decision(self) -> FoldDecision | None:
        """Whose replies are folded, once that is decided."""
        return read_record(self.folder / "fold.json", FoldDecision)

    def decide(self, decision: FoldDecision) -> None:
        """Fix whose replies are folded."""
        write_record(self.folder / "fold.json", decision)

    def forget_decision(self) -> None:
        """Decide again."""
        (self.folder / "fold.json").unlink(missing_ok=True)


@dataclass(frozen=True)
class SurveyFolder(ExchangeFolder):
    """One exchange of a survey on disk, and what came of it."""

    def result(self) -> SurveyResult | None:
        """The outcome, once the exchange is committed."""
        return read_record(self.folder / RESULT_FILE, SurveyResult)

    def commit(self, result: SurveyResult) -> None:
        """Commit the exchange."""
        write_record(self.folder / RESULT_FILE, result)


@dataclass(frozen=True)
class RoundFolder(ExchangeFolder):
    """One round on disk: its last exchange, which makes the round's model, and the round's result."""

    def order(self) -> RoundOrder | None:
        """What the last exchange is about, once it has begun."""
        return read_record(self.folder / _ORDER, RoundOrder)

    def result(self) -> RoundResult | None:
        """The outcome, once the round is committed."""
        return read_record(self.folder / RESULT_FILE, RoundResult)

    def commit(self, result: RoundResult) -> None:
        """Commit the round."""
        write_record(self.folder / RESULT_FILE, result)


@dataclass(frozen=True)
class StateFolder:
    """A run's state under `root`."""

    root: Path

    @property
    def arrays(self) -> ArrayStore:
        """Global models and strategies' states."""
        return ArrayStore(self.root / "models")

    @property
    def journal_path(self) -> Path:
        """The event log."""
        return self.root / "events.jsonl"

    def round(self, number: int) -> RoundFolder:
        """The folder of a round."""
        return RoundFolder(self.root / "rounds" / f"{number:04d}")

    def survey(self, exchange: int) -> SurveyFolder:
        """The folder of the so-manieth exchange of a survey, from 1: before all training, which is round 0."""
        return SurveyFolder(self.round(0).folder / f"{exchange}-{Stage.SURVEY.value}")

    def fitted(self) -> FittedState:
        """What preprocessing has learned from the sites' cases; empty where nothing was fitted, or not yet."""
        return read_record(self.fitted_path, FittedState) or EMPTY

    @property
    def fitted_path(self) -> Path:
        """Where that lies."""
        return self.root / _FITTED

    def ordered_fitted(self) -> str | None:
        """Digest of what preprocessing had learned when the rounds were begun, empty where nothing is fitted; None
        before the first round. All rounds have the same, so an order that is damaged is passed over."""
        number = 1
        while (folder := self.round(number)).has_begun:
            with suppress(DamagedRecordError):
                order = folder.order()
                return (order.fitted or "") if order is not None else None
            number += 1
        return None

    def keep_fitted(self, state: FittedState) -> None:
        """Keep what preprocessing has learned, if anything; the surveys' results give the same again."""
        path = self.fitted_path
        content = checked(canonical_model(state))
        if not state.is_empty and not (path.exists() and path.read_bytes() == content):
            write_atomic(path, content)

    def results(self) -> tuple[RoundResult, ...]:
        """The committed rounds, from the first."""
        found: list[RoundResult] = []
        while (result := self.round(len(found) + 1).result()) is not None:
            found.append(result)
        return tuple(found)

    def pinned(self) -> Plan | None:
        """The plan of this run, once it has begun."""
        return read_record(self.root / _PLAN, Plan)

    @property
    def has_begun(self) -> bool:
        """Whether a first round was ever begun: before that nobody was asked for anything, and no plan is binding."""
        return self.round(1).has_begun or self.survey(1).has_begun

    def require(self, plan: Plan, study: Study, roster: Roster) -> None:
        """Raise `InputError`, saying what differs, when a run of another plan has begun in the folder."""
        held = self.pinned()
        if held is None or held == plan or not self.has_begun:
            return
        lines = differences(self.held_terms(held), Terms(plan, study_to_bytes(study).decode(), roster))
        raise InputError.one(
            f"the run that has begun here has another plan: {'; '.join(lines)}",
            where=str(self.root),
            remedy="The sites accepted the old plan: undo the change, carry the training on under the new one with "
            "`aggregator continue`, or name another state folder (folders.state) and invite the sites anew",
        )

    def pin(self, plan: Plan, study: Study, roster: Roster) -> None:
        """Begin a run of `plan`, or go on with one. Raises `InputError` when a run of another plan has begun here."""
        self.require(plan, study, roster)
        held = self.pinned()
        if held != plan or not (self.root / _ROSTER).exists():
            write_record(self.root / _ROSTER, roster)
        if held != plan:
            write_atomic(self.root / _STUDY, study_to_bytes(study))
            write_record(self.root / _PLAN, plan)

    def carry_on(self, plan: Plan, study: Study, roster: Roster, done: int) -> None:
        """Go on under another plan after `done` rounds of training. What came after them is set aside.

        Where no round is done that is the survey too: nothing was trained with its values, and sites, who agree to be
        asked once for each plan, agree to it again with this one.

        The plan's file is written last, so that until then the run is one of the plan before. Earlier plans and
        rosters stay under `plans`.
        """
        held, roster_file = self.pinned(), self.root / _ROSTER
        if held is not None:
            write_record(self.root / "plans" / f"{done:04d}-{held.digest[:12]}.json", held)
            if roster_file.exists():
                write_atomic(self.root / "plans" / f"{done:04d}-{_ROSTER}", roster_file.read_bytes())
        self.set_aside(self.round(done + 1).folder)
        if not done:
            self.set_aside(self.round(0).folder)
            self.set_aside(self.fitted_path)
        self.reopen()
        write_record(roster_file, roster)
        write_atomic(self.root / _STUDY, study_to_bytes(study))
        write_record(self.root / _PLAN, plan)

    def reopen(self) -> None:
        """The run goes on, whatever the coordinator has said, and the sites were told, about its end."""
        discard(self.root / _ENDED)
        discard(self.root / _TOLD)

    def go_on(self) -> None:
        """Forget who was told of an end that was none, now that the run is taken up again."""
        told = self.told()
        if told is not None and told.reason is not EndReason.COMPLETE and not self.is_ended:
            self.reopen()

    def end(self, ended: Ended) -> None:
        """The coordinator ends the run; a running aggregator sees it within a second."""
        write_record(self.root / _ENDED, ended)

    @property
    def is_ended(self) -> bool:
        """Whether the coordinator has ended the run."""
        return (self.root / _ENDED).exists()

    def told(self) -> Told | None:
        """Which sites know that the run has ended; None also where that is damaged, since they may be told again."""
        try:
            return read_record(self.root / _TOLD, Told)
        except DamagedRecordError:
            return None

    def mend_told(self) -> Path | None:
        """Remove the record of who was told where it is damaged; the file."""
        path = self.root / _TOLD
        if self.told() is not None or not path.exists():
            return None
        discard(path)
        return path

    def tell(self, told: Told) -> None:
        """Keep which sites know it."""
        write_record(self.root / _TOLD, told)

    def set_aside(self, folder: Path) -> None:
        """Keep an open round, or what else was of the plan before, under a name that is not a round's."""
        if not folder.exists():
            return
        number = 1
        while (aside := folder.with_name(f"{folder.name}-aside-{number}")).exists():
            number += 1
        folder.rename(aside)
        fsync_folder(folder.parent)

    def mend_terms(self, plan: Plan, study: Study, roster: Roster) -> tuple[Path, ...]:
        """Write plan, study and roster again where they are damaged and were these; which files.

        Raises:
            DamagedRecordError: the plan is damaged, and what the sites were asked was of another one.
        """
        mended = []
        try:
            held = self.pinned()
        except DamagedRecordError:
            if not self._asked_for(plan):
                raise
            write_record(self.root / _PLAN, plan)
            held, mended = plan, [self.root / _PLAN]
        if held != plan:
            return ()
        try:
            read_record(self.root / _ROSTER, Roster)
        except DamagedRecordError:
            write_record(self.root / _ROSTER, roster)
            mended.append(self.root / _ROSTER)
        path, content = self.root / _STUDY, study_to_bytes(study)
        if not path.exists() or path.read_bytes() != content:
            write_atomic(path, content)
            mended.append(path)
        return tuple(mended)

    def _asked_for(self, plan: Plan) -> bool:
        """Whether all that sites were asked last was of this plan, as the work keys show; also where nobody was asked.

        Raises:
            DamagedRecordError: what tells it is damaged too.
        """
        for folder in self._begun_under(plan):
            order = folder.order()
            sites = order.sites if order is not None else ()
            asked = [found for site in sites if (found := folder.inbox(site).asked()) is not None]
            if order is not None and asked:
                return all(found.work_key == _key(plan, order, found) for found in asked)
        return True

    def _begun_under(self, plan: Plan) -> Iterator[ExchangeFolder]:
        """The exchanges that have begun, from the last to the first that this plan can have asked."""
        begun = [self.round(number) for number in range(plan.first_round, self._last_begun() + 1)]
        yield from reversed(begun)
        if plan.after is None:
            yield from reversed(self.surveys())

    def _last_begun(self) -> int:
        number = 0
        while self.round(number + 1).has_begun:
            number += 1
        return number

    def surveys(self) -> tuple[SurveyFolder, ...]:
        """The exchanges of the survey that have begun, from the first."""
        found: list[SurveyFolder] = []
        while (folder := self.survey(len(found) + 1)).has_begun:
            found.append(folder)
        return tuple(found)

    def held_terms(self, held: Plan) -> Terms:
        """The terms of the run that has begun here; one of release 0.1.0 has kept only the names of its roster."""
        study = self.root / _STUDY
        order = self.round(1).order()
        return Terms(
            held,
            study.read_text() if study.exists() else None,
            read_record(self.root / _ROSTER, Roster),
            order.sites if order is not None else None,
        )

    def is_locked(self) -> bool:
        """Whether a process holds the folder now."""
        path = self.root / "lock"
        if not path.exists():
            return False
        with path.open("rb") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder, which is its owner's alone, for one process. Raises `InputError` when another one has it."""
        private_folder(self.root)
        with (self.root / "lock").open("ab") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError.one(
                    "another aggregator runs on this state folder",
                    where=str(self.root),
                    got="a process that holds it",
                    expected="one at a time",
                    remedy="Stop that one first (Ctrl-C where it runs); `aggregator status` says how its run stands",
                ) from None
            yield


def _key(plan: Plan, order: ExchangeOrder, asked: Asked) -> str:
    """The work key of what a site was asked, if it was asked under this plan."""
    return work_key(plan.digest, order.stage, order.round, order.base, asked.cohort, order.fitted or "")
