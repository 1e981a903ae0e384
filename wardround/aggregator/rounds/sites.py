"""How each site stands in a round."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class SiteState(StrEnum):
    """WORKING and LATE sites may still reply, LATE ones after the deadline. OFFLINE ones are not heard at present.

    DECLINED is final for the round: the site refused, or its reply cannot be used. DONE: its reply is in the inbox.
    """

    WORKING = "working"
    LATE = "late"
    OFFLINE = "offline"
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
