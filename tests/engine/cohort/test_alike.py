"""One patient under several names: which names may be one, and which are not."""

from __future__ import annotations

import pytest

from wardround.engine.cohort.alike import plain_form


@pytest.mark.parametrize(
    "names",
    [
        ("p-01", "P-01", "p_01", "p1", "p 001", "P.1", "p#01"),
        ("7", "007", "7.0", "7,00"),
        ("Müller-3", "muller 03", "MU\u0308LLER3"),
        ("A-1-2", "a01_02", "a1/2"),
        ("ab-c", "ABC"),
        ("\uff301", "p1"),
    ],
    ids=lambda names: names[0],
)
def test_names_that_may_be_one(names: tuple[str, ...]) -> None:
    assert len({plain_form(name) for name in names}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("1-12", "11-2"), ("p1", "p10"), ("p1", "q1"), ("1-2", "12"), ("p-1-a", "p-1-b"), ("7.5", "7"), ("100", "1")],
)
def test_names_that_are_two(one: str, other: str) -> None:
    assert plain_form(one) != plain_form(other)
