"""When a round goes on: a pure function of how the sites stand, the federation's rules and the time that has passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from wardround.aggregator.rounds.sites import SiteState, SiteStatus

_MOST_NAMES = 8


@dataclass(frozen=True)
class Rules:
    """The federation's rules for a round; `deadline` in seconds, None for never."""

    quorum: int
    deadline: float | None
    below_quorum: Literal["wait", "stop"]
    on_decline: Literal["stop", "continue"]

    def is_past_deadline(self, elapsed: float) -> bool:
        """Whether the deadline is over."""
        return self.deadline is not None and elapsed >= self.deadline


class Action(StrEnum):
    """What to do now. `PERSUADE` is to wait, and to ask those again that declined: without them nothing can follow."""

    WAIT = "wait"
    PERSUADE = "persuade"
    FOLD = "fold"
    STOP = "stop"


@dataclass(frozen=True)
class Verdict:
    """What to do, for people in `line`, and for `FOLD` whose replies to fold, in roster order."""

    action: Action
    line: str
    sites: tuple[str, ...] = ()


def judge(statuses: Sequence[SiteStatus], rules: Rules, elapsed: float) -> Verdict:
    """Decide from the sites' states, in roster order, `elapsed` seconds into the round."""
    done = tuple(status.site for status in statuses if status.state is SiteState.DONE)
    declined = [status for status in statuses if status.state is SiteState.DECLINED]
    pending = [status for status in statuses if status.state not in (SiteState.DONE, SiteState.DECLINED)]
    if declined and rules.on_decline == "stop":
        return Verdict(Action.STOP, f"stopped, because {_reasons(declined)}")
    if len(done) >= rules.quorum and (not pending or rules.is_past_deadline(elapsed)):
        return Verdict(Action.FOLD, _fold_line(done, [*declined, *pending]), done)
    return _below_quorum(statuses, rules, elapsed, Waiting(done, declined, pending))


@dataclass(frozen=True)
class Waiting:
    """The sites of a round that cannot go on yet, by what is to be expected of them."""

    done: tuple[str, ...]
    declined: Sequence[SiteStatus]
    pending: Sequence[SiteStatus]

    def line(self, quorum: int) -> str:
        """For whom the round waits."""
        awaited = _named([*self.pending, *self.declined])
        return f"waiting for {awaited} ({len(self.done)} of {quorum} needed are here)"


def _below_quorum(statuses: Sequence[SiteStatus], rules: Rules, elapsed: float, waiting: Waiting) -> Verdict:
    out_of_reach = len(statuses) - len(waiting.declined) < rules.quorum
    overdue = rules.is_past_deadline(elapsed) and len(waiting.done) < rules.quorum
    if rules.below_quorum == "stop" and (out_of_reach or overdue):
        lacking = _named([*waiting.pending, *waiting.declined])
        return Verdict(
            Action.STOP, f"stopped below the quorum: {len(waiting.done)} of {rules.quorum} replies; lacking {lacking}"
        )
    action = Action.PERSUADE if out_of_reach else Action.WAIT
    return Verdict(action, waiting.line(rules.quorum))


def _fold_line(done: Sequence[str], missing: Sequence[SiteStatus]) -> str:
    without = f", without {_named(missing)}" if missing else ""
    return f"{len(done)} replies{without}"


def _reasons(declined: Sequence[SiteStatus]) -> str:
    return ", ".join(f"{status.site} declined ({status.reason})" for status in declined)


def _named(statuses: Sequence[SiteStatus]) -> str:
    shown = ", ".join(_standing(status) for status in statuses[:_MOST_NAMES])
    more = len(statuses) - _MOST_NAMES
    return f"{shown} and {more} more" if more > 0 else shown


def _standing(status: SiteStatus) -> str:
    detail = f": {status.reason}" if status.reason and status.state is SiteState.DECLINED else ""
    return f"{status.site} ({status.state.value}{detail})"
