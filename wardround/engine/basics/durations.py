"""Lengths of time in words: what was measured in two units, and what is only an estimate in one."""

from __future__ import annotations

_MINUTE, _HOUR = 60, 3600


def duration(seconds: float | None) -> str:
    """A measured time in at most two units, such as `3 min 05 s`; an empty text where it is not known."""
    if seconds is None:
        return ""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"


def estimated_duration(seconds: float) -> str:
    """An estimate in one unit, such as `40 s`, `12 min` or `3.4 h`; never less than a second."""
    # A unit is kept for a little longer than it takes to fill the next one: "100 min" says more than "1.7 h".
    if seconds < 1.5 * _MINUTE:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / _MINUTE)} min" if seconds < 2 * _HOUR else f"{seconds / _HOUR:.1f} h"
