"""State carried from round to round: committed by name, rolled back otherwise, whatever is killed when."""

from __future__ import annotations

from pathlib import Path

import pytest

from wardround.site_client.worker.carried import CarriedState

ONE, TWO, THREE, FOUR = ("1" * 64, "2" * 64, "3" * 64, "4" * 64)


@pytest.fixture
def state(tmp_path: Path) -> CarriedState:
    return CarriedState(tmp_path / "state")


def test_there_is_none_at_first(state: CarriedState) -> None:
    settled = state.settle(None, ONE)
    assert (settled.committed, settled.rolled_back, settled.lost) == (None, (), False)
    assert state.committed(None) == {}


def test_an_accepted_state_is_committed_and_read_back(state: CarriedState) -> None:
    state.put_pending(ONE, {"optimizer": b"moments", "control": b"variate"})
    assert state.committed(ONE) == {}
    assert state.settle(ONE, TWO).committed == ONE
    assert state.committed(ONE) == {"optimizer": b"moments", "control": b"variate"}


def test_a_state_that_was_not_accepted_is_rolled_back(state: CarriedState) -> None:
    state.put_pending(ONE, {"optimizer": b"first"})
    state.settle(ONE, TWO)
    state.put_pending(TWO, {"optimizer": b"second"})
    settled = state.settle(ONE, THREE)
    assert settled.rolled_back == (TWO,)
    assert not settled.lost
    assert state.committed(ONE) == {"optimizer": b"first"}
    assert state.settle(TWO, FOUR).lost


def test_settling_twice_changes_nothing(state: CarriedState) -> None:
    state.put_pending(ONE, {"optimizer": b"first"})
    state.settle(ONE, TWO)
    again = state.settle(ONE, TWO)
    assert (again.committed, again.rolled_back, again.lost) == (None, (), False)
    assert state.committed(ONE) == {"optimizer": b"first"}


def test_the_state_of_the_work_at_hand_is_kept(state: CarriedState) -> None:
    state.put_pending(ONE, {"optimizer": b"first"})
    assert state.settle(None, ONE).rolled_back == ()


def rounds(state: CarriedState, count: int) -> list[str]:
    """Work keys of so many rounds, each of which was accepted."""
    keys = [f"{number:064x}" for number in range(1, count + 1)]
    for key, following in zip(keys, [*keys[1:], "f" * 64], strict=True):
        state.put_pending(key, {"optimizer": key.encode()})
        state.settle(key, following)
    return keys


@pytest.mark.parametrize("undone", [1, 2, 3])
def test_an_aggregator_that_is_set_back_finds_the_former_state(state: CarriedState, undone: int) -> None:
    *_, back = keys = rounds(state, 8)[:-undone]
    assert not state.settle(back, "e" * 64).lost
    assert state.committed(back) == {"optimizer": back.encode()}
    assert state.committed(keys[0]) == {}, "not everything is kept for ever"


def test_rounds_are_undone_again_after_others_have_taken_their_place(state: CarriedState) -> None:
    """What was accepted last counts as the newest, not what was computed last."""
    back = rounds(state, 6)[-4]
    for number in range(3):
        other = f"{number:x}" * 64
        state.settle(back, other)
        state.put_pending(other, {"optimizer": b"another model's"})
        assert not state.settle(other, "e" * 64).lost
        assert not state.settle(back, "e" * 64).lost


def test_work_that_is_done_again_leaves_its_new_state(state: CarriedState) -> None:
    """As after an undo that began with a fresh optimiser: the accepted reply goes with its own training."""
    state.put_pending(ONE, {"optimizer": b"first"})
    state.settle(ONE, TWO)
    state.settle(None, ONE)
    state.put_pending(ONE, {"optimizer": b"again"})
    assert state.settle(ONE, TWO).committed == ONE
    assert state.committed(ONE) == {"optimizer": b"again"}


def test_a_reply_that_can_still_be_handed_over_keeps_its_state(state: CarriedState) -> None:
    """After an undo of two rounds the site has the reply of the later one still, and need not compute it again."""
    state.put_pending(ONE, {"optimizer": b"first"})
    state.settle(ONE, TWO)
    state.put_pending(TWO, {"optimizer": b"second"})
    assert state.settle(None, ONE, {ONE, TWO}.__contains__).rolled_back == ()
    assert state.settle(TWO, THREE).committed == TWO
    assert state.committed(TWO) == {"optimizer": b"second"}


def test_a_state_that_was_never_here_is_reported_as_lost(state: CarriedState) -> None:
    assert state.settle(ONE, TWO).lost
    assert state.committed(ONE) == {}


def test_repeated_work_replaces_its_pending_state(state: CarriedState) -> None:
    state.put_pending(ONE, {"optimizer": b"old", "gone": b""})
    state.put_pending(ONE, {"optimizer": b"new"})
    state.settle(ONE, TWO)
    assert state.committed(ONE) == {"optimizer": b"new"}


def test_a_half_written_state_does_not_count(state: CarriedState) -> None:
    building = state.root / "pending" / f".{ONE}"
    building.mkdir(parents=True)
    (building / "optimizer.blob").write_bytes(b"half")
    assert state.settle(ONE, TWO).lost
    state.put_pending(ONE, {"optimizer": b"whole"})
    state.settle(ONE, TWO)
    assert state.committed(ONE) == {"optimizer": b"whole"}


@pytest.mark.parametrize("name", ["../escape", "", "Upper", "a/b"])
def test_names_that_are_no_names_are_refused(state: CarriedState, name: str) -> None:
    with pytest.raises(ValueError, match="names of carried state"):
        state.put_pending(ONE, {name: b""})
