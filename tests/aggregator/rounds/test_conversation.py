"""How one site stands in the course of a round, moment by moment: what the screen and `status` show of it."""

from __future__ import annotations

from pathlib import Path

from tests.aggregator.bench import Bench
from tests.aggregator.fakes import SteppedGatherer, Weather
from tests.aggregator.test_waiting import Answer, bench_key, instead, preparing, refusal, troubled
from wardround.aggregator.rounds.gathering import Gathering
from wardround.aggregator.rounds.rules import Verdict
from wardround.aggregator.rounds.sites import SiteState, SiteStatus
from wardround.federation.envelope import Envelope
from wardround.federation.protocol import RefusalCode, Stage
from wardround.federation.sealing import open_task


def watched(bench: Bench, site: str) -> list[tuple[float, SiteStatus]]:
    """Run one round to its end; how a site stood after each moment at which it was looked at."""
    seen: list[tuple[float, SiteStatus]] = []

    class Watching(SteppedGatherer):
        def gather(self, gathering: Gathering) -> Verdict:
            judge = gathering.judge

            def judged(now: float) -> Verdict:
                verdict = judge(now)
                seen.append((now, gathering.conversations[site].status))
                return verdict

            gathering.judge = judged  # type: ignore[method-assign]
            return super().gather(gathering)

    loop = bench.loop()
    gatherer = Watching(bench.link, bench.clock, bench.seed, bench.limit)
    assert type(loop)(loop.run_plan, loop.state, gatherer, loop.journal, bench.clock, loop.showcase).run().complete
    return seen


def test_a_site_that_goes_away_is_offline_since_then(tmp_path: Path) -> None:
    """The screen says for how long; so the moment counts, and it does not move while the site is away."""
    bench = Bench(tmp_path, rounds=1, final=False, away=lambda site, now: site == "north" and 2 <= now < 50)
    seen = watched(bench, "north")
    away = [(now, status) for now, status in seen if status.state is SiteState.OFFLINE and now >= 2]
    assert len(away) > 10
    assert len({status.since for _, status in away}) == 1
    assert 2 <= away[0][1].since <= away[0][0]


def test_a_reason_is_shown_while_the_trouble_lasts_and_no_longer(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rounds=1, final=False)
    troubled(bench, "north", RefusalCode.DISK_FULL, until=100.0)
    seen = watched(bench, "north")
    during = [status for _, status in seen if status.state is SiteState.TROUBLE]
    assert during
    assert all("disk" in status.reason for status in during)
    assert seen[-1][1].state is SiteState.DONE
    assert seen[-1][1].reason == ""


def test_a_site_that_declined_is_asked_again_and_works_when_it_agrees(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rounds=1, final=False)

    def answer(envelope: Envelope, own: Answer) -> Envelope:
        is_work = open_task(envelope, bench_key()).stage is Stage.TRAIN
        declines = is_work and bench.clock.time < 300
        return refusal("north", envelope, RefusalCode.COHORT_TOO_SMALL) if declines else own(envelope)

    instead(bench, "north", answer)
    states = [status.state for _, status in watched(bench, "north")]
    order = [state for place, state in enumerate(states) if place == 0 or states[place - 1] is not state]
    assert order[-4:] == [SiteState.WORKING, SiteState.DECLINED, SiteState.WORKING, SiteState.DONE]


def test_a_site_that_prepares_after_trouble_is_in_trouble_until_it_works(tmp_path: Path) -> None:
    """Cases are prepared before what went wrong is tried again; so the reason stays on the screen until then."""
    bench = Bench(tmp_path, rounds=1, final=False)
    preparing(bench, "north", until=200.0)
    troubled(bench, "north", RefusalCode.DISK_FULL, until=100.0)
    during = [status for now, status in watched(bench, "north") if 150 <= now < 200]
    assert {status.phase for status in during} == {"preparing"}
    assert {status.state for status in during} == {SiteState.TROUBLE}
    assert all("disk" in status.reason for status in during)


def test_one_lost_answer_of_a_site_that_prepares_is_not_shown_once_it_is_heard_again(tmp_path: Path) -> None:
    lost: list[float] = []

    def weather(site: str, now: float) -> Weather:
        loses = site == "north" and now >= 50 and not lost
        lost.extend([now] if loses else [])
        return Weather(arrives=False) if loses else Weather()

    bench = Bench(tmp_path, rounds=1, final=False, weather=weather)
    preparing(bench, "north", until=200.0)
    seen = watched(bench, "north")
    assert lost
    assert any(status.reason == "no answer" for _, status in seen)
    assert {status.reason for now, status in seen if 150 <= now < 200} == {""}
