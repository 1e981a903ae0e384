"""A request to stop is never lost, wherever in the program it arrives."""

from __future__ import annotations

import os
import signal
import weakref
from collections.abc import Callable

import pytest

from wardround.engine.basics.signals import halting, interrupts

NUMBERS = [signal.SIGTERM, signal.SIGINT]


class _Thing:
    """Something that can be watched while it goes."""


def _send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


def _in_a_callback(number: signal.Signals) -> None:
    """Send a signal where Python ignores what is raised, as it does while it imports modules."""
    thing = _Thing()
    watch = weakref.ref(thing, lambda _: _send(number))
    del thing
    assert watch() is None


def _in_a_finalizer(number: signal.Signals) -> None:
    class Last:
        def __del__(self) -> None:
            _send(number)

    Last()


def _heard_after(lose: Callable[[signal.Signals], None], number: signal.Signals, heard: list[bool]) -> None:
    with interrupts():
        lose(number)
        with halting() as halt:
            heard.append(halt())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("lose", [_in_a_callback, _in_a_finalizer])
def test_a_signal_that_python_ignored_is_heard_when_it_is_asked_for(
    number: signal.Signals, lose: Callable[[signal.Signals], None]
) -> None:
    heard: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        _heard_after(lose, number, heard)
    assert heard == [True]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("number", NUMBERS)
def test_whoever_waits_can_ask_for_a_signal_that_was_lost(number: signal.Signals) -> None:
    with interrupts() as interrupted:
        assert not interrupted()
        _in_a_finalizer(number)
        assert interrupted()


def _while_a_class_is_made(number: signal.Signals) -> None:
    """Send a signal where Python makes another error of what is raised, as while modules are imported."""

    class Named:
        def __set_name__(self, owner: type, name: str) -> None:
            _send(number)

    class Owner:
        attribute = Named()


def _in_work_that_tells_of_its_own_fault(number: signal.Signals) -> None:
    try:
        _send(number)
    except BaseException:
        raise ValueError("the work failed") from None


TRANSLATORS = [_while_a_class_is_made, _in_work_that_tells_of_its_own_fault]


def _interrupted_in(work: Callable[[signal.Signals], None], number: signal.Signals) -> None:
    with interrupts():
        work(number)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("work", TRANSLATORS)
def test_a_signal_that_became_another_error_is_an_interruption(
    number: signal.Signals, work: Callable[[signal.Signals], None]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        _interrupted_in(work, number)


def _failing() -> None:
    with interrupts():
        raise ValueError("a fault of its own")


def test_a_fault_without_a_signal_stays_what_it_is() -> None:
    with pytest.raises(ValueError, match="a fault of its own"):
        _failing()


def _too_late(number: signal.Signals, reached: list[str]) -> None:
    with interrupts():
        with halting() as halt:
            assert not halt()
            _send(number)
            reached.append("the end of the block")
        reached.append("beyond")


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_after_the_last_question_interrupts(number: signal.Signals) -> None:
    reached: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        _too_late(number, reached)
    assert reached == ["the end of the block"]


class _Halted(KeyboardInterrupt):
    """An interruption that tells more."""


def _halted(number: signal.Signals, raised: BaseException) -> None:
    with halting() as halt:
        _send(number)
        if halt():
            raise raised


@pytest.mark.parametrize("number", NUMBERS)
def test_an_interruption_of_the_blocks_own_goes_first(number: signal.Signals) -> None:
    with pytest.raises(_Halted):
        _halted(number, _Halted())


@pytest.mark.parametrize("number", NUMBERS)
def test_an_error_of_a_block_that_is_to_halt_is_an_interruption(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt):
        _halted(number, ValueError("not in time"))


def _failing_on_the_way_out(number: signal.Signals) -> None:
    with interrupts():
        try:
            _halted(number, _Halted())
        finally:
            raise ValueError("nor can it be put away")


@pytest.mark.parametrize("number", NUMBERS)
def test_an_error_on_the_way_out_of_an_interruption_is_one(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt):
        _failing_on_the_way_out(number)


def _impatient() -> None:
    with halting():
        _send(signal.SIGTERM)
        _send(signal.SIGINT)
        pytest.fail("it waited")


def test_a_second_signal_does_not_wait() -> None:
    with pytest.raises(KeyboardInterrupt):
        _impatient()


def test_the_handlers_that_were_there_come_back() -> None:
    before = [signal.getsignal(number) for number in NUMBERS]
    with interrupts(), halting():
        assert [signal.getsignal(number) for number in NUMBERS] != before
    assert [signal.getsignal(number) for number in NUMBERS] == before
