"""How one site stands in an exchange, and when it is asked next: patience, without a word of what is said."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from wardround.aggregator.journal import Event
from wardround.aggregator.rounds.patience import Patience
from wardround.aggregator.rounds.sites import SiteState, SiteStatus
from wardround.aggregator.rounds.timing import SiteTimes
from wardround.aggregator.rounds.troubles import without_id
from wardround.federation.protocol import Working

_TROUBLE_LIMIT = 3
"""Failures in a row after which a site that is there is in trouble, whatever they are."""
_AT_WORK = frozenset({"evaluating", "training", "packing"})


class Record(Protocol):
    """Writes an event of one site in one exchange to the log."""

    def __call__(self, event: Event, **facts: str | int | float) -> None:
        """Record it."""


class Standing:
    """One site's status, its failures in a row, and the moment from which on it may be asked again.

    `times` are those of the site in this exchange, as far as they are known from before a restart.
    """

    def __init__(self, site: str, patience: Patience, record: Record, now: float, times: SiteTimes) -> None:
        self.status = SiteStatus(site, SiteState.OFFLINE, now, ready=times.ready, preparing=times.preparing)
        self._patience = patience
        self._record = record
        self._wake = self._asked_at = now
        self._failures = self._refusals = self._troubles = 0
        self._out_of_order = False

    @property
    def is_done(self) -> bool:
        """Whether its reply is here."""
        return self.status.state is SiteState.DONE

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be asked."""
        return self.status.state in (SiteState.DONE, SiteState.DECLINED)

    @property
    def in_trouble(self) -> bool:
        """Whether something at the site or on the way has to be mended."""
        return self._out_of_order or self._failures >= _TROUBLE_LIMIT

    def is_due(self, now: float) -> bool:
        """Whether it may be asked now; from this moment the pause until the next question counts."""
        if now < self._wake:
            return False
        self._asked_at = now
        return True

    def wake(self, now: float) -> None:
        """Ask at once."""
        self._wake = now

    def present(self, now: float, silent: float | None) -> bool:
        """Note whether the link hears the site; whether it is there."""
        if silent is None or silent > self._patience.silence:
            self._move(SiteState.OFFLINE, now)
            return False
        if self.status.state is SiteState.OFFLINE:
            self._wake, self._failures = min(self._wake, now), 0
        self._move(SiteState.TROUBLE if self.in_trouble else SiteState.WORKING, now)
        return True

    def persuade(self, now: float) -> bool:
        """Take up again with a site that has declined, if it was not asked for a while; whether it is taken up."""
        due = self.status.since + self._patience.persuasion(self._refusals)
        if self.status.state is not SiteState.DECLINED or now < due:
            return False
        self._wake = now
        self._move(SiteState.WORKING, now, phase="", reason=self.status.reason)
        return True

    def readmit(self, now: float) -> None:
        """It may speak again, with a new key."""
        self._wake = now
        self._move(SiteState.WORKING, now, phase="", reason="")

    def heard(self, now: float) -> None:
        """Something that it has signed has come."""
        self.status = replace(self.status, heard=now)

    def follow(self, working: Working, now: float) -> None:
        """It is at work, or prepares its cases."""
        if working.phase in _AT_WORK:
            self.recover(now)
        elif working.phase == "preparing" and self.status.preparing is None:
            self.status = replace(self.status, preparing=now)
        self._failures, self._wake = 0, max(now, self._asked_at + self._patience.pause)
        self.status = replace(
            self.status,
            phase=working.phase,
            step=working.step,
            steps=working.steps,
            seconds_left=working.seconds_left,
            reason=self.status.reason if self.in_trouble else "",
        )

    def recover(self, now: float) -> None:
        """The site does what it is asked: its cases are ready, and what went wrong before is over."""
        self._failures, self._out_of_order = 0, False
        ready = now if self.status.ready is None else self.status.ready
        self.status = replace(self.status, reason="", ready=ready, preparing=None)
        self._move(SiteState.WORKING, now)

    def finish(self, now: float) -> None:
        """Its reply is here."""
        self.recover(now)
        self._move(SiteState.DONE, now, phase="")

    def decline(self, reason: str, now: float, **facts: str) -> None:
        """It refuses, or its reply cannot be used."""
        self._refusals += 1
        self._record(Event.SITE_DECLINED, reason=reason, **facts)
        self._move(SiteState.DECLINED, now, phase="", reason=reason)

    def out_of_order(self) -> None:
        """Something there must be mended.

        Work that fails at the same place each time is asked for ever more slowly, though it begins well.
        """
        self._troubles += 1
        self._failures, self._out_of_order = max(self._failures, self._troubles - 1), True

    def failed_before(self, times: int) -> bool:
        """Whether the next failure is at least the so-manieth in a row."""
        return self._failures + 1 >= times

    def again(self, reason: str, now: float) -> None:
        """Ask again after a while, a longer one each time."""
        self._failures += 1
        delay = self._patience.retry(self._failures)
        self._wake = now + delay
        if without_id(reason) != without_id(self.status.reason):
            self._record(Event.SITE_TROUBLE, detail=reason, retry_in=delay)
        self.status = replace(self.status, reason=reason)
        if self.in_trouble and self.status.state is SiteState.WORKING:
            self._move(SiteState.TROUBLE, now)

    def _move(self, state: SiteState, now: float, **changes: str) -> None:
        if self.status.state is not state:
            troubled = self.status.trouble_until(now)
            self.status = replace(self.status, state=state, since=now, troubled=troubled)
        if changes:
            self.status = replace(self.status, **changes)  # type: ignore[arg-type]
