"""How a run ends, in one word on the wire and in plain words at both ends."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator


class EndReason(StrEnum):
    """Why a run has ended. All but a complete one may be taken up again; `OTHER` is a word of a later release."""

    COMPLETE = "complete"
    ENDED = "ended"
    DECLINED = "declined"
    BELOW_QUORUM = "below_quorum"
    FAULT = "fault"
    OTHER = "other"


def _known(value: Any) -> Any:
    return EndReason.OTHER if isinstance(value, str) and value not in EndReason.__members__.values() else value


AnyEndReason = Annotated[EndReason, BeforeValidator(_known)]
"""A reason as it is read from the wire."""

_WORDS: Mapping[EndReason, str] = {
    EndReason.COMPLETE: "the run is complete",
    EndReason.ENDED: "the run has ended: the coordinator has ended it",
    EndReason.DECLINED: "the run has ended: a site declined, and by the coordinator's rules that stops it",
    EndReason.BELOW_QUORUM: "the run has ended: too few sites could take part in time",
    EndReason.FAULT: "the run has ended: a fault at the aggregator, which the coordinator must mend",
    EndReason.OTHER: "the run has ended: for a reason that this release does not know",
}


def ending_line(reason: EndReason) -> str:
    """What people read of it."""
    return _WORDS[reason]
