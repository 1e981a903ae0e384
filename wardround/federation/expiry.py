"""When certificates end, in words: said 30, 14, 7 and 1 days before, and every day after."""

from __future__ import annotations

import datetime

WARNING_DAYS = (30, 14, 7, 1)


def expiry_stage(end: datetime.datetime, now: datetime.datetime) -> int | None:
    """The last warning that is due: days as in `WARNING_DAYS`, 0 or less for each day since the end, or None."""
    left = (end - now) / datetime.timedelta(days=1)
    if left <= 0:
        return int(left)
    return min((days for days in WARNING_DAYS if left <= days), default=None)


def expiry_sentence(name: str, end: datetime.datetime, now: datetime.datetime) -> str:
    """What to say of a certificate's end; empty when it is far away."""
    stage = expiry_stage(end, now)
    if stage is None:
        return ""
    if end <= now:
        return f"{name} expired at {end:%Y-%m-%d %H:%M} UTC"
    days = (end - now).days
    left = f"{days} day{'' if days == 1 else 's'}" if days else "less than a day"
    return f"{name} expires at {end:%Y-%m-%d %H:%M} UTC, in {left}"
