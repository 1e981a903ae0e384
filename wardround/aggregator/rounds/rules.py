"""When a round goes on: a pure function of how the sites stand, the federation's rules and the time that has passed.

A site's time begins when it has said that its cases are ready, and lasts for the deadline. For a site that has not
said so it begins with the first that has; where none has, with the round, unless one still prepares its cases. When
every site that is missing has had its time, a round goes on with the quorum. Below the quorum it waits or stops, as the
federation says, but it is not stopped for want of a site that still prepares its cases, unless that takes too long.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Literal

from wardround.aggregator.rounds.sites import SiteState, SiteStatus
from wardround.aggregator.rounds.troubles import without_id
from wardround.engine.basics.durations import duration
from wardround.federation.endings import EndReason

_MOST_NAMES = 8


@dataclass(frozen=True)
class Rules:
    """The federation's rules for a round, times in seconds.

    Attributes:
        quorum: how many replies a round needs.
        deadline: the time that each site has; None for ever.
        below_quorum: what to do when the quorum cannot be had in time.
        on_decline: whether a site that declines stops the run.
        grace: how long a round waits for the others at least, once the quorum is there.
        patience: a site that was in trouble for this long in a round counts as one that declined.
        preparing: one that has prepared its cases for this long counts as one that declined, until it is ready.
        largest: an update that moves the model more than so many times as far as the median one is not folded.
    """

    quorum: int
    deadline: float | None
    below_quorum: Literal["wait", "stop"]
    on_decline: Literal["stop", "continue"]
    grace: float = 0.0
    patience: float = 3600.0
    preparing: float | None = None
    largest: float | None = None


class Action(StrEnum):
    """What to do now. `PERSUADE` is to wait, and to ask those again that declined: without them nothing can follow."""

    WAIT = "wait"
    PERSUADE = "persuade"
    FOLD = "fold"
    STOP = "stop"


@dataclass(frozen=True)
class Verdict:
    """What to do, for people in `line`; for `FOLD` whose replies to fold, in roster order; for `STOP` why."""

    action: Action
    line: str
    sites: tuple[str, ...] = ()
    end: EndReason = EndReason.OTHER


ENDED = Verdict(Action.STOP, "the coordinator has ended the run", end=EndReason.ENDED)


@dataclass(frozen=True)
class Muster:
    """The sites of a round at one moment.

    Attributes:
        statuses: in roster order.
        rules: the federation's.
        started: the clock's seconds at which the round began, maybe in an earlier process.
        opened: those at which this process took it up.
        now: the present ones.
    """

    statuses: Sequence[SiteStatus]
    rules: Rules
    started: float
    opened: float
    now: float

    @cached_property
    def done(self) -> tuple[str, ...]:
        """Whose replies are here."""
        return tuple(status.site for status in self.statuses if status.state is SiteState.DONE)

    @cached_property
    def lost(self) -> list[SiteStatus]:
        """Who declined, was in trouble for too long, or prepares its cases for too long."""
        return [status for status in self.statuses if self._is_lost(status)]

    @cached_property
    def pending(self) -> list[SiteStatus]:
        """From whom a reply may still come."""
        return [status for status in self.statuses if status.state is not SiteState.DONE and not self._is_lost(status)]

    def deadline_of(self, status: SiteStatus) -> float:
        """The clock's seconds at which a site's time is over; infinite where there is no end."""
        began = self._first_ready if status.ready is None else status.ready
        return math.inf if self.rules.deadline is None else began + self.rules.deadline

    def is_overdue(self, status: SiteStatus) -> bool:
        """Whether a site has had its time."""
        return self.now >= self.deadline_of(status)

    @cached_property
    def in_time(self) -> list[SiteStatus]:
        """From whom a reply may come in time."""
        return [status for status in self.pending if not self.is_overdue(status)]

    @cached_property
    def has_waited_for_the_rest(self) -> bool:
        """Whether the quorum has been here for the grace."""
        times = sorted(status.since for status in self.statuses if status.state is SiteState.DONE)
        return self.now >= times[self.rules.quorum - 1] + self.rules.grace

    @cached_property
    def is_out_of_reach(self) -> bool:
        """Whether the quorum cannot be had, however long the round waits."""
        return len(self.done) + len(self.pending) < self.rules.quorum

    @cached_property
    def is_out_of_time(self) -> bool:
        """Whether the quorum cannot be had in time. Sites have the grace to come back after the aggregator was away.

        One that still prepares its cases may fill the quorum whenever it is ready.
        """
        expected = [status for status in self.pending if status.is_preparing or not self.is_overdue(status)]
        return self.now >= self.opened + self.rules.grace and len(self.done) + len(expected) < self.rules.quorum

    @cached_property
    def _first_ready(self) -> float:
        ready = [status.ready for status in self.statuses if status.ready is not None]
        if ready:
            return min(ready)
        return math.inf if any(status.is_preparing for status in self.pending) else self.started

    def _is_lost(self, status: SiteStatus) -> bool:
        lasting = status.state is SiteState.TROUBLE and status.trouble_until(self.now) >= self.rules.patience
        return lasting or status.state is SiteState.DECLINED or self._prepares_for_ever(status)

    def _prepares_for_ever(self, status: SiteStatus) -> bool:
        began, most = status.preparing, self.rules.preparing
        return status.is_preparing and None not in (began, most) and self.now >= (began or 0.0) + (most or 0.0)


def judge(
    statuses: Sequence[SiteStatus], rules: Rules, elapsed: float, started: float = 0.0, opened: float = 0.0
) -> Verdict:
    """Decide from the sites' states, `elapsed` seconds into a round. The other times are those of a `Muster`."""
    return verdict_on(Muster(statuses, rules, started, opened, started + elapsed))


def verdict_on(muster: Muster) -> Verdict:
    """Decide how a round goes on."""
    rules, done, lost, pending = muster.rules, muster.done, muster.lost, muster.pending
    if lost and rules.on_decline == "stop":
        return Verdict(Action.STOP, f"stopped, because {_reasons(lost, rules)}", end=EndReason.DECLINED)
    if len(done) < rules.quorum:
        return _below_quorum(muster)
    if not pending or (not muster.in_time and muster.has_waited_for_the_rest):
        return Verdict(Action.FOLD, _fold_line(done, [*lost, *pending], rules), done)
    return Verdict(Action.WAIT, f"the quorum is here, {_rest_line(muster)}")


def _below_quorum(muster: Muster) -> Verdict:
    rules, done, missing = muster.rules, len(muster.done), [*muster.pending, *muster.lost]
    if rules.below_quorum == "stop" and (muster.is_out_of_reach or muster.is_out_of_time):
        lacking = f"{done} of {rules.quorum} replies; lacking {_named(missing, rules)}"
        return Verdict(Action.STOP, f"stopped below the quorum: {lacking}", end=EndReason.BELOW_QUORUM)
    line = f"waiting for {_named(missing, rules)} ({done} of {rules.quorum} needed are here)"
    return Verdict(Action.PERSUADE if muster.is_out_of_reach else Action.WAIT, line)


def _rest_line(muster: Muster) -> str:
    rules = muster.rules
    if rules.deadline is None:
        return f"but without a deadline the round waits for {_named(muster.pending, rules)} all the same"
    if muster.in_time:
        return f"waiting for {_named(muster.in_time, rules)}"
    return f"a moment more for {_named(muster.pending, rules)}"


def _fold_line(done: Sequence[str], missing: Sequence[SiteStatus], rules: Rules) -> str:
    without = f", without {_named(missing, rules)}" if missing else ""
    return f"{len(done)} replies{without}"


def _reasons(lost: Sequence[SiteStatus], rules: Rules) -> str:
    return ", ".join(_lost_reason(status, rules) for status in lost)


def _lost_reason(status: SiteStatus, rules: Rules) -> str:
    if status.is_preparing:
        return f"{status.site} is still {_preparing(rules)}"
    words = "declined" if status.state is SiteState.DECLINED else "has been in trouble for too long"
    return f"{status.site} {words}: {status.reason}"


def _preparing(rules: Rules) -> str:
    """What is said of a site that prepares its cases; it names no time that goes by, so that it is said once."""
    bound = "" if rules.preparing is None else f", for which it has {duration(rules.preparing)}"
    return f"preparing its cases{bound}"


def _named(statuses: Sequence[SiteStatus], rules: Rules) -> str:
    shown = ", ".join(_standing(status, rules) for status in statuses[:_MOST_NAMES])
    more = len(statuses) - _MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def _standing(status: SiteStatus, rules: Rules) -> str:
    told = status.reason and status.state in (SiteState.DECLINED, SiteState.TROUBLE)
    detail = f": {without_id(status.reason)}" if told else f": {_preparing(rules)}" if status.is_preparing else ""
    return f"{status.site} ({status.state.value}{detail})"
