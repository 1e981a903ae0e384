"""The gatherer with real threads, over a link in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.aggregator.bench import Bench, Silence, expected_models
from tests.aggregator.fakes import FakeLink
from wardround.aggregator.journal import Journal
from wardround.aggregator.rounds.inbox import Inbox
from wardround.aggregator.rounds.loop import Outcome, RoundLoop
from wardround.aggregator.rounds.patience import Patience
from wardround.aggregator.rounds.sites import SiteState
from wardround.aggregator.rounds.switchboard import Exchange, Switchboard, SystemClock
from wardround.federation.envelope import Envelope

BRISK = Patience(pause=0.0, first_retry=0.01, last_retry=0.05)


def threaded(bench: Bench, link: Exchange, interrupted: Callable[[], bool] = lambda: False) -> RoundLoop:
    """The bench's loop, with threads and true time."""
    loop = bench.loop()
    switchboard = Switchboard(link, bench.names, SystemClock(), interrupted)
    run_plan = type(loop.run_plan)(**{**vars(loop.run_plan), "patience": BRISK})
    journal = Journal(bench.state.journal_path, bench.said.append)
    return RoundLoop(run_plan, bench.state, switchboard, journal, SystemClock(), Silence())


def play(loop: RoundLoop) -> Outcome:
    """Run with the site's threads started."""
    assert isinstance(loop.gatherer, Switchboard)
    with loop.gatherer:
        return loop.run()


@pytest.mark.timeout(60)
def test_an_interruption_that_was_lost_where_it_was_raised_still_ends_the_wait(tmp_path: Path) -> None:
    class Silent(FakeLink):
        def exchange(self, site: str, envelope: Envelope, timeout: float) -> Envelope | None:
            time.sleep(min(timeout, 0.2))
            return None

    bench = Bench(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        play(threaded(bench, Silent(bench.link.sites, bench.link.clock), lambda: True))


def test_threads_give_the_same_models(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert play(threaded(bench, bench.link)).complete
    assert bench.models() == expected_models(bench)


def test_a_fault_in_a_sites_thread_ends_the_run_with_that_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(inbox: Inbox, envelope: Envelope) -> None:
        raise OSError(28, "No space left on device")

    bench = Bench(tmp_path)
    monkeypatch.setattr(Inbox, "put", full)
    with pytest.raises(OSError, match="No space left"):
        play(threaded(bench, bench.link))
    monkeypatch.undo()
    assert play(threaded(bench, bench.link)).complete
    assert bench.models() == expected_models(bench)


class Stalling(FakeLink):
    """Holds the first exchange that carries a model to north until it is let go; north is not heard meanwhile."""

    def __init__(self, inner: FakeLink) -> None:
        super().__init__(inner.sites, inner.clock)
        self.let_go = threading.Event()
        self.held = threading.Event()

    def seconds_since_seen(self, site: str) -> float | None:
        """A long time for north while it is held."""
        return 100.0 if site == "north" and self.held.is_set() and not self.let_go.is_set() else 0.0

    def exchange(self, site: str, envelope: Envelope, timeout: float) -> Envelope | None:
        """Deliver, then hold the answer back."""
        answer = super().exchange(site, envelope, timeout)
        if site == "north" and envelope.payload and not self.held.is_set():
            self.held.set()
            self.let_go.wait(30)
        return answer


def test_a_site_that_falls_silent_during_an_exchange_is_offline_and_comes_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path, names=("north", "south"), rounds=1)
    link = Stalling(bench.link)
    loop = threaded(bench, link)
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(play(loop)))
    thread.start()
    link.held.wait(30)
    while _state(loop, "north") is not SiteState.OFFLINE:
        time.sleep(0.01)
    link.let_go.set()
    thread.join(60)
    assert [outcome.complete for outcome in outcomes] == [True]
    assert bench.models() == expected_models(bench)


def _state(loop: RoundLoop, site: str) -> SiteState | None:
    gathering = loop.gathering
    return gathering.conversations[site].status.state if gathering and site in gathering.conversations else None


def test_an_answer_that_comes_after_its_round_changes_nothing(tmp_path: Path) -> None:
    bench = Bench(tmp_path, names=("north", "south"), rounds=2, quorum=1, deadline=0.5)
    link = Stalling(bench.link)
    loop = threaded(bench, link)
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(play(loop)))
    thread.start()
    while len(loop.results) < 1 and thread.is_alive():
        time.sleep(0.01)
    link.let_go.set()
    thread.join(60)
    assert [outcome.complete for outcome in outcomes] == [True]
    first = bench.state.results()[0]
    assert [site.site for site in first.sites] == ["south"]
    assert [absence.site for absence in first.absent] == ["north"]
    assert not (tmp_path / "rounds" / "0001" / "inbox" / "north" / "reply").exists()


def test_a_hundred_sites_have_a_thread_each_and_give_the_same_model(tmp_path: Path) -> None:
    names = tuple(f"site-{number:03d}" for number in range(100))
    bench = Bench(tmp_path, names=names, rounds=1, final=False)
    assert play(threaded(bench, bench.link)).complete
    assert bench.models() == expected_models(bench)[:-1]
