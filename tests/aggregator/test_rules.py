"""The rules as a table."""

from __future__ import annotations

from typing import Literal

import pytest

from wardround.aggregator.rounds.rules import Action, Rules, judge
from wardround.aggregator.rounds.sites import SiteState, SiteStatus

LETTERS = {
    "D": SiteState.DONE,
    "W": SiteState.WORKING,
    "L": SiteState.LATE,
    "O": SiteState.OFFLINE,
    "N": SiteState.DECLINED,
}


def statuses(word: str) -> list[SiteStatus]:
    """A site per letter."""
    return [SiteStatus(f"site-{n}", LETTERS[letter], 0.0, reason="policy") for n, letter in enumerate(word)]


def verdict_of(
    word: str,
    quorum: int,
    elapsed: float,
    below: Literal["wait", "stop"] = "wait",
    decline: Literal["stop", "continue"] = "continue",
    deadline: float | None = 100.0,
) -> Action:
    """The action for sites in these states."""
    return judge(statuses(word), Rules(quorum, deadline, below, decline), elapsed).action


@pytest.mark.parametrize(
    ("word", "quorum", "elapsed", "action"),
    [
        ("DDD", 3, 0, Action.FOLD),
        ("DDD", 1, 0, Action.FOLD),
        ("DDW", 2, 99, Action.WAIT),
        ("DDL", 2, 100, Action.FOLD),
        ("DDO", 2, 100, Action.FOLD),
        ("DLL", 2, 1e6, Action.WAIT),
        ("OOO", 3, 1e6, Action.WAIT),
        ("DDN", 2, 0, Action.FOLD),
        ("DWN", 2, 0, Action.WAIT),
        ("DNN", 2, 0, Action.PERSUADE),
        ("DDN", 3, 0, Action.PERSUADE),
        ("NNN", 1, 0, Action.PERSUADE),
    ],
)
def test_waiting_rules(word: str, quorum: int, elapsed: float, action: Action) -> None:
    assert verdict_of(word, quorum, elapsed) is action


@pytest.mark.parametrize(
    ("word", "quorum", "elapsed", "action"),
    [
        ("DLL", 2, 99, Action.WAIT),
        ("DLL", 2, 100, Action.STOP),
        ("DDL", 2, 100, Action.FOLD),
        ("DWN", 2, 0, Action.WAIT),
        ("DNN", 2, 0, Action.STOP),
    ],
)
def test_stopping_rules(word: str, quorum: int, elapsed: float, action: Action) -> None:
    assert verdict_of(word, quorum, elapsed, below="stop") is action


def test_a_refusal_can_stop_everything_even_with_a_quorum() -> None:
    assert verdict_of("DDN", 1, 0, decline="stop") is Action.STOP


def test_without_a_deadline_time_changes_nothing() -> None:
    assert verdict_of("DDO", 1, 1e9, below="stop", deadline=None) is Action.WAIT


def test_a_fold_names_the_sites_in_order() -> None:
    assert judge(statuses("DLD"), Rules(2, 1.0, "wait", "continue"), 2.0).sites == ("site-0", "site-2")


def test_a_long_list_of_awaited_sites_is_cut() -> None:
    line = judge(statuses("W" * 30), Rules(30, None, "wait", "continue"), 0.0).line
    assert "site-0 (working), site-1 (working)" in line
    assert "and 22 more" in line
