"""Lengths of time in words: round trips within the unit that is shown, and the places where units change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardround.engine.basics.durations import duration, estimated_duration

UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}


def seconds_of(text: str) -> float:
    """What a length of time in words amounts to."""
    words = text.split()
    return sum(float(number) * UNITS[unit] for number, unit in zip(words[::2], words[1::2], strict=True))


@given(st.floats(0, 1e7))
def test_a_measured_time_is_right_to_its_last_unit(seconds: float) -> None:
    assert abs(seconds_of(duration(seconds)) - seconds) <= (0.5 if seconds < 3599 else 60.5)


@given(st.floats(1, 1e7))
def test_an_estimate_is_right_to_a_twentieth(seconds: float) -> None:
    assert abs(seconds_of(estimated_duration(seconds)) - seconds) <= max(0.5, 0.35 * 90, 0.05 * seconds)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "1 s"), (89.4, "89 s"), (90, "2 min"), (7199, "120 min"), (7200, "2.0 h")]
)
def test_where_the_units_of_an_estimate_change(seconds: float, text: str) -> None:
    assert estimated_duration(seconds) == text


def test_what_is_not_known_is_not_shown() -> None:
    assert duration(None) == ""
