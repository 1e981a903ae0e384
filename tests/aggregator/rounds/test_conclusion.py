"""The end of a run, as sites and people learn it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.aggregator.bench import Bench
from tests.aggregator.fakes import FakeClock, coordinator_key
from wardround.aggregator.rounds.conclusion import Conclusion, Ending
from wardround.aggregator.rounds.records import Told
from wardround.aggregator.showing.models import Outputs
from wardround.aggregator.showing.participation import RunSummary, part_line, parts_of
from wardround.aggregator.showing.tensorboard import Scalars
from wardround.federation.envelope import Envelope
from wardround.federation.protocol import Ready, RefusalCode


class HastyClock(FakeClock):
    """A clock on which each look takes a second."""

    def now(self) -> float:
        """One second more."""
        self.time += 1.0
        return self.time


def conclusion(bench: Bench, cohorts: Mapping[str, Ready] | None = None) -> Conclusion:
    """The end of the bench's run."""
    ending = Ending(bench.plan, bench.roster, coordinator_key(), bench.rounds, bench.models()[-1])
    loop = bench.loop()
    return Conclusion(ending, bench.state, bench.link, loop.journal, HastyClock(), cohorts or {}, 0.0, pause=0.01)


@pytest.mark.parametrize("restarted", [False, True])
def test_every_site_is_told_once_that_the_run_is_complete(tmp_path: Path, restarted: bool) -> None:
    bench = Bench(tmp_path, rounds=2)
    loop = bench.loop()
    assert loop.run().complete
    assert conclusion(bench, {} if restarted else loop.cohorts).tell() == Told(
        plan=bench.plan.digest, sites=bench.names
    )
    conclusion(bench).tell()
    for site in bench.sites.values():
        assert [(task.round, task.base) for task in site.concluded] == [(2, bench.models()[-1])]
    assert len(bench.journal("site_told")) == 3


def test_a_site_that_is_away_is_told_when_the_aggregator_is_started_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rounds=1)
    assert bench.run().complete
    bench.link.away = lambda site, now: site == "north"
    assert conclusion(bench).tell().sites == ("east", "south")
    bench.link.away = lambda site, now: False
    assert conclusion(bench).tell().sites == bench.names
    assert len(bench.sites["east"].concluded) == 1


@pytest.mark.parametrize("why", ["an earlier release", "refuses", "a forger", "silent"])
def test_a_site_that_cannot_be_told_does_not_keep_the_run_from_ending(tmp_path: Path, why: str) -> None:
    bench = Bench(tmp_path, rounds=1)
    assert bench.run().complete
    site = bench.sites["north"]
    if why == "an earlier release":
        site.features = ()
    elif why == "refuses":
        site.refusals = [RefusalCode.POLICY] * 2  # the hello, and the end
    elif why == "a forger":
        bench.link.tamper = lambda name, envelope: Envelope(envelope.body, bytes(64)) if name == "north" else envelope
    else:
        bench.link.exchange = lambda name, envelope, timeout: None  # type: ignore[method-assign]
    told = conclusion(bench).tell().sites
    assert "north" not in told
    assert not site.concluded


@pytest.mark.parametrize("code", [RefusalCode.CASES_UNUSABLE, RefusalCode.COHORT_CHANGED, RefusalCode.WORKER_FAILED])
def test_a_site_that_cannot_work_is_told_of_the_end_all_the_same(tmp_path: Path, code: RefusalCode) -> None:
    bench = Bench(tmp_path, rounds=1)
    assert bench.run().complete
    site = bench.sites["north"]
    site.refusals = [code]
    assert conclusion(bench).tell().sites == bench.names
    assert [task.round for task in site.concluded] == [1]


def test_the_end_says_who_took_part_in_how_many_rounds(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "state", quorum=2, deadline=30.0, rounds=3)
    bench.link.away = lambda site, now: site == "south" and now < 40
    outcome = bench.run()
    parts = parts_of(bench.state.results(), bench.names)
    assert [part_line(part) for part in parts] == [
        "east: 3 of 3 rounds",
        "north: 3 of 3 rounds",
        f"south: 2 of 3 rounds, offline in {parts[2].missed[0].round}",
    ]
    outputs = Outputs(
        tmp_path, bench.plan, bench.study, bench.names, bench.state.arrays, Scalars(tmp_path / "tensorboard")
    )
    summary = outputs.summarise(bench.state.results(), complete=outcome.complete)
    assert RunSummary.model_validate(json.loads((tmp_path / "summary.json").read_text())) == summary
    assert (summary.complete, summary.rounds) == (True, 3)


def test_a_site_that_has_left_keeps_its_part(tmp_path: Path) -> None:
    bench = Bench(tmp_path, rounds=2)
    assert bench.run().complete
    lines = [part_line(part) for part in parts_of(bench.state.results(), ("east", "west"))]
    assert lines == [
        "east: 2 of 2 rounds",
        "west: 0 of 0 rounds",
        "north: 2 of 2 rounds",
        "south: 2 of 2 rounds",
    ]
