"""Why a site does not do what it is asked, in one word."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator


class RefusalCode(StrEnum):
    """Why a site does not do what it is asked. The only words about a fault that ever leave a site.

    `OTHER` stands for a code of a later release, which this one does not know; no site of this release sends it.

    From `CASES_UNUSABLE` to `FILES_UNUSABLE` something at the site is out of order and may be mended there:
    `CASES_UNUSABLE` its table or files, `WORKER_FAILED` a worker that ends again and again, `DEVICE_FAULT` its
    accelerator, `OUT_OF_MEMORY` memory of device or machine, `FILES_UNUSABLE` a file system. `ACCOUNT_DAMAGED`: what
    the site has written down about the work done cannot be read. `BEYOND_AGREEMENT`: more work was asked for than the
    accepted plan and the site's allowance cover. `TEST_ALREADY_SCORED` and `TEST_TOO_EARLY`: test cases are scored for
    one model, after training. `PATIENTS_UNKNOWN`: the plan requires a column that tells patients apart.
    `TABLE_CONFLICT`: the table would move somebody into another set than when training began. `POLICY_UNREADABLE`: the
    policy file is not one, as while it is edited. `PART_FAILED`: a part of a package that is installed there fails.
    `STRATEGY_UNUSABLE`: the plan's strategy is not installed there, or with other parameters.
    """

    BAD_SIGNATURE = "bad_signature"
    NOT_FOR_THIS_SITE = "not_for_this_site"
    PROTOCOL = "protocol"
    MALFORMED = "malformed"
    PLAN_NOT_ACCEPTED = "plan_not_accepted"
    STUDY_NOT_ACCEPTED = "study_not_accepted"
    HORIZON_NOT_ACCEPTED = "horizon_not_accepted"
    ROSTER_NOT_ACCEPTED = "roster_not_accepted"
    POLICY = "policy"
    COHORT_TOO_SMALL = "cohort_too_small"
    COHORT_CHANGED = "cohort_changed"
    BAD_MODEL = "bad_model"
    TRAINING_DIVERGED = "training_diverged"
    REPLY_BLOCKED = "reply_blocked"
    DISK_FULL = "disk_full"
    INTERNAL = "internal"
    CASES_UNUSABLE = "cases_unusable"
    WORKER_FAILED = "worker_failed"
    DEVICE_FAULT = "device_fault"
    OUT_OF_MEMORY = "out_of_memory"
    FILES_UNUSABLE = "files_unusable"
    ACCOUNT_DAMAGED = "account_damaged"
    BEYOND_AGREEMENT = "beyond_agreement"
    TEST_ALREADY_SCORED = "test_already_scored"
    TEST_TOO_EARLY = "test_too_early"
    PATIENTS_UNKNOWN = "patients_unknown"
    TABLE_CONFLICT = "table_conflict"
    POLICY_UNREADABLE = "policy_unreadable"
    PART_FAILED = "part_failed"
    STRATEGY_UNUSABLE = "strategy_unusable"
    OTHER = "other"


_LATER_CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")


def _known_code(value: Any) -> Any:
    """A later release may have more codes: reading one as `other` keeps a federation of mixed releases alive."""
    if isinstance(value, str) and value not in RefusalCode.__members__.values() and _LATER_CODE.fullmatch(value):
        return RefusalCode.OTHER
    return value


AnyRefusalCode = Annotated[RefusalCode, BeforeValidator(_known_code)]
"""A refusal code as it is read from the wire."""
