"""However a run ends, its sites are told why; an aggregator that is merely stopped tells nobody."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.aggregator.bench import Bench, expected_models
from tests.aggregator.fakes import Weather, coordinator_key
from tests.aggregator.home import aggregator, make_home
from tests.aggregator.rounds.test_conclusion import conclusion
from wardround.aggregator.ending import Ends
from wardround.aggregator.journal import Event
from wardround.aggregator.rounds.conclusion import Conclusion
from wardround.aggregator.rounds.loop import RoundLoop
from wardround.aggregator.rounds.outcome import Outcome
from wardround.aggregator.rounds.records import Ended, RoundOrder
from wardround.aggregator.rounds.state import StateFolder
from wardround.aggregator.showing.status import describe_status, read_status
from wardround.engine.basics.problems import InputError
from wardround.federation.endings import EndReason, ending_line
from wardround.federation.protocol import CONCLUDE, RefusalCode, Stage, Task
from wardround.lab.processes import free_port

MOMENT = "2026-11-25T12:00:00+00:00"


def told(bench: Bench, reason: EndReason) -> Conclusion:
    """The end of the bench's run, to be told."""
    found = conclusion(bench) if bench.models() else None
    done = sum(result.stage is Stage.TRAIN for result in bench.state.results())
    assert found is not None
    return replace(found, ending=replace(found.ending, reason=reason, rounds=done))


def stopped_by_a_refusal(folder: Path) -> tuple[Bench, Outcome]:
    """One round, then a site declines."""
    bench = Bench(folder, rounds=3, on_decline="stop")
    site = bench.sites["north"]
    site.metric = lambda number: site.refusals.append(RefusalCode.POLICY) or 0.5 if number == 1 else 0.5  # type: ignore[func-returns-value]
    return bench, bench.run()


def stopped_below_the_quorum(folder: Path) -> tuple[Bench, Outcome]:
    """One round, then a site goes away."""
    bench = Bench(folder, rounds=3, deadline=50.0, below_quorum="stop")
    bench.link.away = lambda site, now: site == "north" and 4 < now < 200
    return bench, bench.run()


def ended_by_the_coordinator(folder: Path) -> tuple[Bench, Outcome]:
    """`aggregator end` while a round goes on."""
    bench = Bench(folder, rounds=3)

    def weather(site: str, now: float) -> Weather:
        if bench.models() and not bench.state.is_ended:
            bench.state.end(Ended(plan=bench.plan.digest, moment=MOMENT))
        return Weather()

    bench.link.weather = weather
    outcome = bench.run()
    bench.link.weather = lambda site, now: Weather()
    return bench, outcome


STOPS = {
    EndReason.DECLINED: stopped_by_a_refusal,
    EndReason.BELOW_QUORUM: stopped_below_the_quorum,
    EndReason.ENDED: ended_by_the_coordinator,
}


@pytest.mark.parametrize("reason", STOPS)
def test_a_run_that_was_stopped_is_told_and_may_be_taken_up_and_is_told_again_when_it_is_complete(
    tmp_path: Path, reason: EndReason
) -> None:
    bench, outcome = STOPS[reason](tmp_path)
    assert (outcome.complete, outcome.end) == (False, reason)
    done = len(bench.models())
    assert done in (1, 2)
    bench.link.away = lambda site, now: False
    for _ in range(2):
        assert told(bench, outcome.end).tell().sites == bench.names
    for site in bench.sites.values():
        assert [(task.round, task.end) for task in site.concluded] == [(done, reason)], "once"
    if reason is EndReason.ENDED:
        asked = [len(site.tasks) for site in bench.sites.values()]
        assert bench.run() == outcome
        assert [len(site.tasks) for site in bench.sites.values()] == asked
        assert told(bench, reason).tell().sites == bench.names
        bench.state.reopen()
    assert bench.run().complete
    assert bench.models() == expected_models(bench)
    conclusion(bench).tell()
    for site in bench.sites.values():
        assert [task.end for task in site.concluded] == [reason, EndReason.COMPLETE]


@pytest.mark.parametrize("reason", [reason for reason in EndReason if reason is not EndReason.COMPLETE])
def test_a_site_that_would_not_understand_it_is_not_told(tmp_path: Path, reason: EndReason) -> None:
    bench, _ = stopped_below_the_quorum(tmp_path)
    bench.sites["south"].features = (CONCLUDE,)
    bench.link.away = lambda site, now: False
    assert told(bench, reason).tell().sites == ("east", "north")
    assert bench.sites["south"].concluded == []


def ends_of(bench: Bench, loop: RoundLoop) -> Ends:
    """What tells the ends of a bench's run."""
    coordination = SimpleNamespace(plan=bench.plan, roster=bench.roster, key=coordinator_key())
    return Ends(cast(Any, coordination), loop, bench.link)


FAULTS: list[BaseException] = [
    InputError.one("a file is damaged"),
    OSError(errno.ENOSPC, "No space left on device"),
    ZeroDivisionError("a defect"),
]


@pytest.mark.parametrize("fault", FAULTS, ids=["input", "disk", "defect"])
@pytest.mark.parametrize("full", [False, True])
def test_a_fault_at_the_aggregator_is_told_even_when_its_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException, full: bool
) -> None:
    bench, _ = stopped_below_the_quorum(tmp_path)
    bench.link.away = lambda site, now: False
    loop = bench.loop()
    loop.clock.now = lambda: 1000.0  # type: ignore[method-assign]
    if full:
        error = OSError(errno.ENOSPC, "No space left on device")
        monkeypatch.setattr(StateFolder, "tell", lambda *_: (_ for _ in ()).throw(error))
    with pytest.raises(type(fault)), ends_of(bench, loop).told_of_a_fault():
        raise fault
    for site in bench.sites.values():
        assert [task.end for task in site.concluded] == [EndReason.FAULT]


@pytest.mark.parametrize("silent", [KeyboardInterrupt(), SystemExit(1)])
def test_an_aggregator_that_is_merely_stopped_tells_nobody(tmp_path: Path, silent: BaseException) -> None:
    bench, _ = stopped_below_the_quorum(tmp_path)
    with pytest.raises(type(silent)), ends_of(bench, bench.loop()).told_of_a_fault():
        raise silent
    assert all(site.concluded == [] for site in bench.sites.values())


def test_every_reason_has_words_and_one_of_a_later_release_is_read() -> None:
    assert len({ending_line(reason) for reason in EndReason}) == len(EndReason)
    task = Task(site="north", plan="0" * 64, stage=Stage.CONCLUDE, round=1, ask="0" * 32, end=EndReason.FAULT)
    later = task.model_dump(mode="json") | {"end": "eclipse"}
    assert Task.model_validate(later).end is EndReason.OTHER
    assert "end" not in task.model_copy(update={"end": EndReason.COMPLETE}).model_dump(mode="json")


def test_a_run_is_ended_and_taken_up_again_by_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_home(tmp_path, free_port())
    ran: list[Path] = []
    monkeypatch.setattr("wardround.aggregator.run.run_federation", ran.append)
    assert "there is no run yet" in aggregator("end", "--yes", "--config", config).err
    state = StateFolder(tmp_path / "state")
    from wardround.aggregator.coordination import load_coordination

    found = load_coordination(config)
    state.pin(found.plan, found.study, found.roster)
    order = RoundOrder(round=1, stage=Stage.TRAIN, base="0" * 64, state="0" * 64, sites=found.roster.names)
    state.round(1).begin(order)
    assert "was not ended" in aggregator("reopen", "--config", config).err
    outcome = aggregator("end", "--config", config)
    assert (outcome.code, "--yes" in outcome.out, state.is_ended) == (2, True, False)
    with state.locked():
        assert "the aggregator that runs tells the sites" in aggregator("end", "--yes", "--config", config).out
        assert "another aggregator runs" in aggregator("reopen", "--config", config).err
    assert (ran, state.is_ended) == ([], True)
    assert aggregator("end", "--yes", "--config", config).code == 0
    assert ran == [config]
    assert aggregator("reopen", "--config", config).code == 0
    assert not state.is_ended


def test_status_says_that_and_why_a_run_has_ended(tmp_path: Path) -> None:
    config = make_home(tmp_path, free_port(), names=("east", "north", "south"))
    bench, outcome = stopped_below_the_quorum(tmp_path / "state")
    bench.link.away = lambda site, now: False
    journal = bench.loop().journal
    assert read_status(config).ended == ""
    journal.record(Event.RUN_STOPPED, detail=outcome.line)
    told(bench, outcome.end).tell()
    lines = describe_status(read_status(config))
    assert any("stopped below the quorum" in line and "know of the end: east, north, south" in line for line in lines)
    journal.record(Event.RUN_RESUMED, rounds=1)
    assert read_status(config).ended == ""
