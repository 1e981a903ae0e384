"""What each refusal of a site means for a round, and how it is told to people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from wardround.engine.basics.canonical import sha256_hex
from wardround.engine.basics.printable import printable
from wardround.federation.differences import Terms, differences
from wardround.federation.protocol import AcceptedTerms, RefusalCode, Refused

_MOST_LINES, _LONGEST_LINE = 6, 120


class Bearing(StrEnum):
    """PASSING: asked again at once, and no more than that. TROUBLE: something there must be mended. DECLINED: final."""

    PASSING = "passing"
    TROUBLE = "trouble"
    DECLINED = "declined"


@dataclass(frozen=True)
class Meaning:
    """What a code means, and what people read."""

    bearing: Bearing
    words: str


def _declined(words: str) -> Meaning:
    return Meaning(Bearing.DECLINED, words)


def _trouble(words: str) -> Meaning:
    return Meaning(Bearing.TROUBLE, words)


MEANINGS: Mapping[RefusalCode, Meaning] = {
    RefusalCode.BAD_SIGNATURE: _declined("it does not trust this coordinator's signature"),
    RefusalCode.NOT_FOR_THIS_SITE: _declined("it goes by another name"),
    RefusalCode.PROTOCOL: _declined("its release speaks another protocol"),
    RefusalCode.MALFORMED: _declined("its release cannot read the task"),
    RefusalCode.PLAN_NOT_ACCEPTED: _declined("it has not accepted this plan"),
    RefusalCode.STUDY_NOT_ACCEPTED: _declined("it has accepted another study"),
    RefusalCode.HORIZON_NOT_ACCEPTED: _declined("it has accepted other rounds or steps"),
    RefusalCode.ROSTER_NOT_ACCEPTED: _declined("it has accepted another roster"),
    RefusalCode.POLICY: _declined("its policy forbids it"),
    RefusalCode.COHORT_TOO_SMALL: _declined("it has fewer cases than its policy asks for"),
    RefusalCode.TRAINING_DIVERGED: _declined("its training diverged"),
    RefusalCode.REPLY_BLOCKED: _declined("its own guard stopped the reply"),
    RefusalCode.BEYOND_AGREEMENT: _declined("more work was asked for than it has agreed to"),
    RefusalCode.TEST_ALREADY_SCORED: _declined("its test cases were scored already"),
    RefusalCode.TEST_TOO_EARLY: _declined("its test cases are scored after training only"),
    RefusalCode.COHORT_CHANGED: Meaning(Bearing.PASSING, "its cases have changed"),
    RefusalCode.BAD_MODEL: Meaning(Bearing.PASSING, "the model has not arrived whole"),
    RefusalCode.CASES_UNUSABLE: _trouble("its cases cannot be used"),
    RefusalCode.PATIENTS_UNKNOWN: _trouble("its table has no PatientID column, which the plan requires"),
    RefusalCode.TABLE_CONFLICT: _trouble("its table puts somebody into another set than when training began"),
    RefusalCode.POLICY_UNREADABLE: _trouble("its policy file cannot be read"),
    RefusalCode.PART_FAILED: _trouble("a package that is installed there fails, which its log names"),
    RefusalCode.STRATEGY_UNUSABLE: _trouble("the plan's strategy is not installed there, or in another release"),
    RefusalCode.DISK_FULL: _trouble("its disk is full"),
    RefusalCode.WORKER_FAILED: _trouble("its worker fails again and again"),
    RefusalCode.DEVICE_FAULT: _trouble("its accelerator is at fault"),
    RefusalCode.OUT_OF_MEMORY: _trouble("it has run out of memory"),
    RefusalCode.FILES_UNUSABLE: _trouble("its file system cannot be used"),
    RefusalCode.ACCOUNT_DAMAGED: _trouble("its record of the work done cannot be read"),
    RefusalCode.INTERNAL: _trouble("a fault in its software"),
    RefusalCode.OTHER: _trouble("for a reason that this release does not know"),
}


def reason_of(refused: Refused, offered: Terms | None = None) -> str:
    """A refusal in plain words, with the code and the id under which the site's own log has the true reason.

    Where the site says what it has accepted, the words say in what the `offered` terms differ.
    """
    lines = _differing(refused.accepted, offered) if refused.accepted is not None and offered is not None else ()
    told = f": {'; '.join(lines)}" if lines else ""
    return f"{MEANINGS[refused.code].words}{told} ({refused.code.value}, id {refused.correlation})"


def without_id(reason: str) -> str:
    """A reason without the id, which is another one each time."""
    return reason.rpartition(", id ")[0] + ")" if ", id " in reason else reason


def _differing(accepted: AcceptedTerms, offered: Terms) -> tuple[str, ...]:
    """The differences, few and short; none where what was sent is not what it says that it is."""
    is_whole = accepted.study is not None and sha256_hex(accepted.study.encode()) == accepted.plan.study
    held = Terms(accepted.plan, accepted.study if is_whole else None, names=accepted.names)
    try:
        lines = differences(held, offered)
    except (ValueError, TypeError, AttributeError, RecursionError):  # signed, and yet no study
        return ()
    more = (f"and {len(lines) - _MOST_LINES} more",) if len(lines) > _MOST_LINES else ()
    return (*(shortened(printable(line), _LONGEST_LINE) for line in lines[:_MOST_LINES]), *more)


def shortened(text: str, most: int) -> str:
    """A text of at most so many characters, with a mark where it was cut."""
    return text if len(text) <= most else f"{text[: most - 3]}..."
