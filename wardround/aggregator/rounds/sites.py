"""How each site stands in a round."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SiteState(StrEnum):
    """WORKING and LATE sites may still reply, LATE ones after the deadline. OFFLINE ones are not heard at present.

    TROUBLE: the site is there but cannot work at present, and is asked again. DECLINED is final for the round: the
    site refused, or its reply cannot be used. DONE: its reply is in the inbox.
    """

    WORKING = "working"
    LATE = "late"
    OFFLINE = "offline"
    TROUBLE = "trouble"
    DECLINED = "declined"
    DONE = "done"


@dataclass(frozen=True)
class SiteStatus:
    """One site at one moment.

    Attributes:
        site: its name.
        state: how it stands.
        since: the clock's seconds when it came into this state.
        phase: what it says that it is doing.
        step: how far it is, of `steps`.
        seconds_left: its own estimate, made at `heard`.
        reason: why it declined, or what last went wrong.
        heard: the clock's seconds of its last answer.
        ready: the clock's seconds when it first said in this round that its cases are ready.
        preparing: those when it began to say that it prepares them, until it is ready.
        troubled: seconds that it was in trouble in this round, before `since`.
    """

    site: str
    state: SiteState
    since: float
    phase: str = ""
    step: int = 0
    steps: int = 0
    seconds_left: float | None = None
    reason: str = ""
    heard: float | None = None
    ready: float | None = None
    preparing: float | None = None
    troubled: float = 0.0

    @property
    def is_preparing(self) -> bool:
        """Whether it still prepares its cases."""
        return self.state is SiteState.WORKING and self.phase == "preparing"

    def trouble_until(self, now: float) -> float:
        """Seconds that it was in trouble in this round."""
        return self.troubled + (now - self.since if self.state is SiteState.TROUBLE else 0.0)
