"""A round's conversations together: how all sites stand, and whether the round can go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from wardround.aggregator.journal import Event, Journal
from wardround.aggregator.rounds.conversation import Conversation
from wardround.aggregator.rounds.movement import outliers
from wardround.aggregator.rounds.rules import ENDED, Action, Muster, Rules, Verdict, verdict_on
from wardround.aggregator.rounds.sites import SiteState, SiteStatus
from wardround.aggregator.rounds.timing import SiteTimes, Stopwatch
from wardround.aggregator.rounds.troubles import without_id


class Gathering:
    """The replies of one round on their way in. `times` has the round's beginning, also that of an earlier process.

    `is_ended` says whether the coordinator has ended the run.
    """

    def __init__(
        self,
        number: int,
        conversations: Mapping[str, Conversation],
        rules: Rules,
        journal: Journal,
        times: Stopwatch,
        is_ended: Callable[[], bool] = lambda: False,
    ) -> None:
        self.number = number
        self.conversations = conversations
        self.rules = rules
        self.times = times
        self._journal = journal
        self._is_ended = is_ended
        self._said = ""
        self._states: dict[str, tuple[SiteState, str]] = {}

    @property
    def started(self) -> float:
        """The clock's seconds at which the round began."""
        return self.times.began

    def statuses(self, now: float) -> tuple[SiteStatus, ...]:
        """How every site stands, in roster order; who still works when its time is over is late."""
        return tuple(self._muster(now).statuses)

    def judge(self, now: float) -> Verdict:
        """Whether the round can go on, once updates that move the model too far beside the others' are refused."""
        if self._is_ended():
            return ENDED
        verdict = self._judge(now)
        if verdict.action is Action.FOLD and self._refuse_outliers(verdict.sites, now):
            return self._judge(now)
        return verdict

    def _refuse_outliers(self, sites: tuple[str, ...], now: float) -> bool:
        movements = {site: self.conversations[site].movement for site in sites}
        found = outliers(movements, self.rules.largest)
        for site, reason in found.items():
            self.conversations[site].reject(reason, now)
        return bool(found)

    def _judge(self, now: float) -> Verdict:
        """Whether the round can go on. Records what changed since the last time, and for whom the round waits."""
        muster = self._muster(now)
        self.times.note({status.site: SiteTimes(status.ready, status.preparing) for status in muster.statuses})
        verdict = verdict_on(muster)
        self._record_changes(muster.statuses)
        if verdict.action is Action.PERSUADE:
            for conversation in self.conversations.values():
                conversation.persuade(now)
        if verdict.line != self._said and verdict.action in (Action.WAIT, Action.PERSUADE):
            self._said = verdict.line
            self._journal.record(Event.WAITING, round=self.number, detail=verdict.line)
        return verdict

    def close(self) -> None:
        """End every conversation; a reply that comes later is not part of this round."""
        for conversation in self.conversations.values():
            conversation.close()

    def _muster(self, now: float) -> Muster:
        found = [conversation.status for conversation in self.conversations.values()]
        muster = Muster(found, self.rules, self.started, self.times.opened, now)
        return replace(muster, statuses=[_seen_in(muster, status) for status in found])

    def _record_changes(self, statuses: Sequence[SiteStatus]) -> None:
        for status in statuses:
            told = status.reason if status.state in (SiteState.TROUBLE, SiteState.DECLINED) else ""
            seen = status.state, without_id(told)
            if self._states.get(status.site) != seen:
                self._states[status.site] = seen
                self._journal.record(
                    Event.SITE_STATE,
                    round=self.number,
                    site=status.site,
                    state=status.state.value,
                    reason=status.reason,
                )


def _seen_in(muster: Muster, status: SiteStatus) -> SiteStatus:
    """A site that works on when its time is over is late. One that prepares its cases is not, though it may be left."""
    if status.state is not SiteState.WORKING or status.is_preparing or not muster.is_overdue(status):
        return status
    return replace(status, state=SiteState.LATE, since=max(status.since, muster.deadline_of(status)))
