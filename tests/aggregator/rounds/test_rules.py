"""The rules as a table, and over all ways in which three sites can stand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import Literal

import pytest

from wardround.aggregator.rounds.rules import Action, Muster, Rules, judge, verdict_on
from wardround.aggregator.rounds.sites import SiteState, SiteStatus

LETTERS = {
    "D": SiteState.DONE,
    "W": SiteState.WORKING,
    "L": SiteState.LATE,
    "O": SiteState.OFFLINE,
    "T": SiteState.TROUBLE,
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
        ("DDT", 2, 0, Action.WAIT),
        ("DDT", 2, 100, Action.FOLD),
        ("DDT", 2, 3600, Action.FOLD),
        ("DDT", 3, 3599, Action.WAIT),
        ("DDT", 3, 3600, Action.PERSUADE),
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
        ("DTT", 2, 99, Action.WAIT),
        ("DTT", 2, 100, Action.STOP),
        ("DDT", 2, 100, Action.FOLD),
    ],
)
def test_stopping_rules(word: str, quorum: int, elapsed: float, action: Action) -> None:
    assert verdict_of(word, quorum, elapsed, below="stop") is action


def test_a_refusal_can_stop_everything_even_with_a_quorum() -> None:
    assert verdict_of("DDN", 1, 0, decline="stop") is Action.STOP


def test_trouble_that_lasts_counts_as_declining() -> None:
    assert verdict_of("DDT", 1, 3599, decline="stop", deadline=None) is Action.WAIT
    assert verdict_of("DDT", 1, 3600, decline="stop", deadline=None) is Action.STOP
    assert verdict_of("DDT", 1, 3600, deadline=None) is Action.FOLD
    assert verdict_of("DTT", 2, 3600, below="stop", deadline=None) is Action.STOP
    spells = [SiteStatus("north", SiteState.TROUBLE, 5000.0, reason="disk", troubled=3500.0)]
    rules = Rules(1, None, "stop", "continue")
    assert [judge(spells, rules, elapsed).action for elapsed in (5099.0, 5100.0)] == [Action.WAIT, Action.STOP]


def test_without_a_deadline_time_changes_nothing() -> None:
    assert verdict_of("DDO", 1, 1e9, below="stop", deadline=None) is Action.WAIT


def test_a_fold_names_the_sites_in_order() -> None:
    assert judge(statuses("DLD"), Rules(2, 1.0, "wait", "continue"), 2.0).sites == ("site-0", "site-2")


def test_a_long_list_of_awaited_sites_is_cut() -> None:
    line = judge(statuses("W" * 30), Rules(30, None, "wait", "continue"), 0.0).line
    assert "site-0 (working), site-1 (working)" in line
    assert "and 22 more" in line


T_READY, T_NOW, LONGEST_PREPARATION = 10.0, 1000.0, 900.0
STANDINGS: dict[str, Callable[[float], SiteStatus]] = {
    "done long ago": lambda now: SiteStatus("", SiteState.DONE, 20.0, ready=T_READY),
    "done just now": lambda now: SiteStatus("", SiteState.DONE, now - 1.0, ready=T_READY),
    "working": lambda now: SiteStatus("", SiteState.WORKING, 5.0, ready=T_READY),
    "ready just now": lambda now: SiteStatus("", SiteState.WORKING, 5.0, ready=now - 1.0),
    "not ready": lambda now: SiteStatus("", SiteState.WORKING, 5.0),
    "preparing": lambda now: SiteStatus("", SiteState.WORKING, 5.0, phase="preparing", preparing=now - 1.0),
    "preparing for long": lambda now: SiteStatus(
        "", SiteState.WORKING, 5.0, phase="preparing", preparing=now - LONGEST_PREPARATION
    ),
    "offline": lambda now: SiteStatus("", SiteState.OFFLINE, 5.0),
    "in trouble": lambda now: SiteStatus("", SiteState.TROUBLE, now - 1.0, reason="disk"),
    "in trouble for long": lambda now: SiteStatus("", SiteState.TROUBLE, now - 9.0, reason="disk", troubled=4000.0),
    "declined": lambda now: SiteStatus("", SiteState.DECLINED, 5.0, reason="policy"),
}
RULES = [
    Rules(quorum, deadline, below, decline, grace=30.0, preparing=LONGEST_PREPARATION)
    for quorum, deadline, below, decline in product((1, 2, 3), (None, 100.0), ("wait", "stop"), ("continue", "stop"))
]


def musters(now: float) -> Iterator[Muster]:
    """Every way in which three sites can stand, under all rules."""
    for words in product(STANDINGS, repeat=3):
        statuses = [replace(STANDINGS[word](now), site=f"site-{n}") for n, word in enumerate(words)]
        yield from (Muster(statuses, rules, 0.0, 0.0, now) for rules in RULES)


@pytest.mark.parametrize("now", [T_NOW, 1e9])
def test_whatever_the_sites_do_a_round_goes_on_stops_or_says_for_whom_it_waits(now: float) -> None:
    seen = set()
    for muster in musters(now):
        verdict, rules = verdict_on(muster), muster.rules
        seen.add(verdict.action)
        missing = [status.site for status in (*muster.pending, *muster.lost)]
        if verdict.action is Action.FOLD:
            assert verdict.sites == muster.done
            assert len(muster.done) >= rules.quorum
            assert all(site in verdict.line for site in missing)
        else:
            assert any(site in verdict.line for site in missing), verdict
        assert verdict.action is action_by_hand(muster)
    assert seen == set(Action)


def action_by_hand(muster: Muster) -> Action:
    """The rules once more, in other words and without their helpers."""
    rules, now = muster.rules, muster.now
    states = {status.site: status for status in muster.statuses}
    lost = {
        name
        for name, status in states.items()
        if status.state is SiteState.DECLINED
        or (status.state is SiteState.TROUBLE and status.troubled > 3600)
        or (status.phase == "preparing" and status.preparing == now - LONGEST_PREPARATION)
    }
    done = {name for name, status in states.items() if status.state is SiteState.DONE}
    open_ones = {name: status for name, status in states.items() if name not in lost | done}
    someone_ready = any(status.ready is not None for status in states.values())
    someone_prepares = any(status.phase == "preparing" for status in open_ones.values())
    over = rules.deadline is not None and (someone_ready or not someone_prepares)
    fresh = {name for name, status in open_ones.items() if status.ready == now - 1.0}
    # A site that was ready just now is the first where no other was, and then everybody's time begins with it.
    if someone_ready and all(status.ready in (None, now - 1.0) for status in states.values()):
        over = False
    waited_for = set(open_ones) if not over else fresh
    if lost and rules.on_decline == "stop":
        return Action.STOP
    if len(done) >= rules.quorum:
        times = sorted(states[name].since for name in done)
        settled = now - times[rules.quorum - 1] >= rules.grace
        return Action.FOLD if not open_ones or (not waited_for and settled) else Action.WAIT
    hopeless = len(done) + len(open_ones) < rules.quorum
    preparing = {name for name, status in open_ones.items() if status.phase == "preparing"}
    if rules.below_quorum == "stop" and (hopeless or len(done) + len(waited_for | preparing) < rules.quorum):
        return Action.STOP
    return Action.PERSUADE if hopeless else Action.WAIT


def test_with_a_deadline_a_quorum_never_waits_for_ever() -> None:
    for muster in musters(1e9):
        settled = [replace(status, ready=T_READY if status.ready else None) for status in muster.statuses]
        late = replace(muster, statuses=settled, now=2e9)
        if late.rules.deadline is not None and len(late.done) >= late.rules.quorum:
            assert verdict_on(late).action in (Action.FOLD, Action.STOP)


def test_time_only_brings_a_round_nearer_to_its_end() -> None:
    for muster in musters(T_NOW):
        later = replace(muster, now=T_NOW + 50_000.0)
        if verdict_on(muster).action is Action.FOLD and verdict_on(later).action is not Action.FOLD:
            assert later.lost
            assert later.rules.on_decline == "stop"


def test_after_a_restart_sites_have_the_grace_to_come_back_before_the_run_is_stopped() -> None:
    rules = Rules(2, 100.0, "stop", "continue", grace=30.0)
    sites = statuses("DO")
    assert judge(sites, rules, 1000.0, opened=990.0).action is Action.WAIT
    assert judge(sites, rules, 1020.0, opened=990.0).action is Action.STOP
