"""What a failure at the site is called, whether it may pass, and how long to wait before the next try."""

from __future__ import annotations

import random
from dataclasses import dataclass

from wardround.engine.basics.backoff import Backoff
from wardround.engine.basics.blame import all_of_parts
from wardround.engine.basics.faults import FULL, is_of_the_device, is_out_of_memory
from wardround.engine.basics.files import DiskFullError
from wardround.engine.basics.problems import InputError
from wardround.federation.protocol import RefusalCode
from wardround.site_client.agreement.agreement import Refusal

TRIES_PER_PROCESS = 3
"""So many failures in a row, and the worker asks for a fresh process."""
PAUSES = Backoff(first=5.0, longest=600.0, spread=(0.5, 1.5))

_AT_ONCE = frozenset(
    {
        RefusalCode.DISK_FULL,
        RefusalCode.COHORT_CHANGED,
        RefusalCode.COHORT_TOO_SMALL,
        RefusalCode.POLICY,
        RefusalCode.POLICY_UNREADABLE,
    }
)
"""Found out in no time, so that the aggregator's own patience is enough: tried again whenever it asks."""
_AFTER_A_PAUSE = frozenset(
    {
        RefusalCode.OUT_OF_MEMORY,
        RefusalCode.DEVICE_FAULT,
        RefusalCode.FILES_UNUSABLE,
        RefusalCode.CASES_UNUSABLE,
        RefusalCode.PATIENTS_UNKNOWN,
        RefusalCode.TABLE_CONFLICT,
        RefusalCode.PART_FAILED,
        RefusalCode.STRATEGY_UNUSABLE,
        RefusalCode.INTERNAL,
    }
)
_OF_THE_TABLE = frozenset({RefusalCode.CASES_UNUSABLE, RefusalCode.PATIENTS_UNKNOWN, RefusalCode.TABLE_CONFLICT})
_OF_THE_PROCESS = _AFTER_A_PAUSE - _OF_THE_TABLE
"""What a fresh process may mend."""


@dataclass(frozen=True)
class Retry:
    """When a fault may be tried again: in `seconds`, or never while the process lives (None)."""

    seconds: float | None


def code_of(error: BaseException) -> RefusalCode:
    """The word for a failure of the worker or the courier."""
    if isinstance(error, Refusal):
        return error.code
    if isinstance(error, DiskFullError) or (isinstance(error, OSError) and error.errno in FULL):
        return RefusalCode.DISK_FULL
    if all_of_parts(error):
        return RefusalCode.PART_FAILED
    if isinstance(error, InputError):
        return RefusalCode.CASES_UNUSABLE
    if is_out_of_memory(error):
        return RefusalCode.OUT_OF_MEMORY
    if isinstance(error, OSError):
        return RefusalCode.FILES_UNUSABLE
    return RefusalCode.DEVICE_FAULT if is_of_the_device(error) else RefusalCode.INTERNAL


def is_of_the_process(code: RefusalCode) -> bool:
    """Whether a fresh process may mend a fault, so that it counts among the failures in a row."""
    return code in _OF_THE_PROCESS


def needs_a_fresh_process(code: RefusalCode, in_a_row: int) -> bool:
    """Whether the worker should end: nothing works on a device after its fault, and three failures are enough."""
    return code is RefusalCode.DEVICE_FAULT or in_a_row >= TRIES_PER_PROCESS


def retry(code: RefusalCode, failures: int, rng: random.Random) -> Retry:
    """When to try again after so many failures in a row: later each time, by half to one and a half of the pause."""
    if code in _AT_ONCE:
        return Retry(0.0)
    if code not in _AFTER_A_PAUSE:
        return Retry(None)
    return Retry(PAUSES.varied(failures, rng))
