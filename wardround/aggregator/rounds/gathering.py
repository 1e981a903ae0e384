"""A round's conversations together: how all sites stand, and whether the round can go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from wardround.aggregator.journal import Event, Journal
from wardround.aggregator.rounds.conversation import Conversation
from wardround.aggregator.rounds.rules import Action, Rules, Verdict, judge
from wardround.aggregator.rounds.sites import SiteState, SiteStatus


class Gathering:
    """The replies of one round on their way in."""

    def __init__(
        self, number: int, conversations: Mapping[str, Conversation], rules: Rules, journal: Journal, started: float
    ) -> None:
        self.number = number
        self.conversations = conversations
        self.rules = rules
        self.started = started
        self._journal = journal
        self._said = ""
        self._states: dict[str, SiteState] = {}

    def statuses(self, now: float) -> tuple[SiteStatus, ...]:
        """How every site stands, in roster order; who still works after the deadline is late."""
        return tuple(self._seen_at(conversation.status, now) for conversation in self.conversations.values())

    def judge(self, now: float) -> Verdict:
        """Whether the round can go on. Records what changed since the last time, and for whom the round waits."""
        statuses = self.statuses(now)
        verdict = judge(statuses, self.rules, now - self.started)
        self._record_changes(statuses)
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

    def _seen_at(self, status: SiteStatus, now: float) -> SiteStatus:
        if status.state is SiteState.WORKING and self.rules.is_past_deadline(now - self.started):
            deadline = self.started + (self.rules.deadline or 0.0)
            return replace(status, state=SiteState.LATE, since=max(status.since, deadline))
        return status

    def _record_changes(self, statuses: tuple[SiteStatus, ...]) -> None:
        for status in statuses:
            if self._states.get(status.site) is not status.state:
                self._states[status.site] = status.state
                self._journal.record(
                    Event.SITE_STATE,
                    round=self.number,
                    site=status.site,
                    state=status.state.value,
                    reason=status.reason,
                )
