"""`status` and `log`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.site_client.support import FakeEngine, Site, base_model, build_site, working_site
from wardround.engine.cli.runner import ExitCode, run
from wardround.federation.endings import EndReason, ending_line
from wardround.federation.event_log import read_entries
from wardround.federation.flower.events import NodeEvent
from wardround.federation.protocol import Stage
from wardround.site_client.agreement.account import Account
from wardround.site_client.cli import app
from wardround.site_client.courier.process import _Listener
from wardround.site_client.events import Event, EventLog, Role, log_path
from wardround.site_client.status import read_status, standing_line


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return build_site(tmp_path / "site")


def _worked(site: Site) -> None:
    engine, base = FakeEngine(), base_model()
    with working_site(site, engine) as courier:
        courier.handle(site.sealed(site.task(Stage.TRAIN, 1, base, engine.cohort.digest), base))


def test_status_without_anything_running(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["status", "--config", str(site.config)]) == ExitCode.OK
    said = capsys.readouterr().out
    assert said.count("not running") == 3
    assert "3 rounds of 4 steps" in said


def test_status_while_the_worker_runs(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    engine, base = FakeEngine(), base_model()
    with working_site(site, engine) as courier:
        courier.handle(site.sealed(site.task(Stage.TRAIN, 1, base, engine.cohort.digest), base))
        run(app, ["status", "--config", str(site.config)])
    said = capsys.readouterr().out
    assert "worker is ready" in said
    assert "task: train round 1, finished" in said
    assert "until the aggregator has accepted them: 1" in said


def test_status_tells_how_much_of_the_time_went_into_validating(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the work that was released for the accepted plan; other lines of the log are another plan's."""
    account = Account(site.settings.work / "account", site.agreement.plan)
    log = EventLog(site.settings.work, Role.WORKER)
    for number in (1, 2):
        task = site.task(Stage.TRAIN, number, base_model(number), "c" * 64)
        account.take(task, 0)
        account.release(task, str(number) * 64, 0)
        log.record(Event.RESULT_WRITTEN, work_key=task.work_key, stage="train", seconds=90, validating=9.0 * number)
    log.record(Event.RESULT_WRITTEN, work_key="d" * 64, stage="train", seconds=9999.0, validating=1.0)
    log.record(Event.RESULT_WRITTEN, work_key=task.work_key, stage="train", seconds=60.0)  # an older release's line
    run(app, ["status", "--config", str(site.config)])
    assert "time for it: 4.0 min, 11% of it validating" in capsys.readouterr().out


def test_status_for_programs(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    engine, base = FakeEngine(), base_model()
    with working_site(site, engine) as courier:
        courier.handle(site.sealed(site.task(Stage.TRAIN, 1, base, engine.cohort.digest), base))
        capsys.readouterr()
        assert run(app, ["status", "--json", "--config", str(site.config)]) == ExitCode.OK
        found = json.loads(capsys.readouterr().out)
    assert (found["site"], found["state"], found["rounds"], found["replies_kept"]) == ("north", "working", 3, 1)
    assert found["task"] == {
        "stage": "train",
        "round": 1,
        "state": "finished",
        "phase": "",
        "step": 0,
        "steps": 0,
        "seconds_left": None,
    }
    assert found["done"]["steps"] == 4
    assert found["readiness"] == "ready"


@pytest.mark.parametrize("reason", [EndReason.COMPLETE, EndReason.ENDED])
def test_status_after_the_end_says_what_came_of_it(
    site: Site, reason: EndReason, capsys: pytest.CaptureFixture[str]
) -> None:
    engine, base = FakeEngine(), base_model()
    with working_site(site, engine) as courier:
        task = site.task(Stage.TRAIN, 3, base, engine.cohort.digest)
        courier.handle(site.sealed(task, base))
        end = site.hello().model_copy(update={"stage": Stage.CONCLUDE, "round": 3, "end": reason})
        courier.handle(site.sealed(end))
    capsys.readouterr()
    run(app, ["status", "--config", str(site.config)])
    said = capsys.readouterr().out
    assert said.splitlines()[0] == f"site north: {ending_line(reason)} (after 3 rounds); waiting for what comes next"
    assert f"model: {site.settings.work / 'model'}, after round 2" in said
    assert f"report: {site.settings.work / 'report.html'}" in said
    assert ("replies kept" in said) is (reason is not EndReason.COMPLETE)
    assert standing_line(site.settings).startswith(ending_line(reason))
    assert read_status(site.settings).state == reason.value


def test_a_start_says_where_it_goes_on(site: Site) -> None:
    assert standing_line(site.settings) == "begins: blobs, 3 rounds; nothing was done for it yet"
    engine, base = FakeEngine(), base_model()
    with working_site(site, engine) as courier:
        courier.handle(site.sealed(site.task(Stage.TRAIN, 2, base, engine.cohort.digest), base))
    assert standing_line(site.settings) == "goes on with train round 2 of 3"


def test_after_the_end_the_aggregators_absence_is_no_fault(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    over = False
    log = EventLog(site.settings.work, Role.COURIER)
    hear = _Listener("aggregator:9092", log, lambda serving: None, lambda: over).hear
    hear(NodeEvent("disconnected", detail="refused"))
    assert "connection lost" in capsys.readouterr().out
    over = True
    for detail in ("cut", "refused", "refused"):
        hear(NodeEvent("connecting"))
        hear(NodeEvent("disconnected", detail=detail))
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "to be expected at the end of a run" in said
    hear(NodeEvent("connected"))
    hear(NodeEvent("disconnected", detail="cut"))
    assert "to be expected" in capsys.readouterr().out


def test_the_report_is_written_when_it_is_asked_for(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["report", "--config", str(site.config)]) == ExitCode.OK
    assert [Path(line).is_file() for line in capsys.readouterr().out.splitlines()] == [True, True]


def test_status_before_anything_was_accepted(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.settings.accepted.unlink()
    run(app, ["status", "--config", str(site.config)])
    assert "nothing yet" in capsys.readouterr().out


def test_the_log_of_all_processes_in_order_of_time(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    _worked(site)
    capsys.readouterr()
    assert run(app, ["log", "--config", str(site.config), "--json"]) == ExitCode.OK
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [entry["time"] for entry in entries] == sorted(entry["time"] for entry in entries)
    assert {entry["role"] for entry in entries} == {"courier", "worker"}
    run(app, ["log", "--config", str(site.config)])
    said = capsys.readouterr().out
    assert "task: train round 1" in said
    assert "finished train round 1" in said


def test_a_line_that_a_crash_cut_off_is_left_out(tmp_path: Path) -> None:
    log = EventLog(tmp_path, Role.WORKER)
    log.record(Event.STARTED)
    with log.path.open("a") as file:
        file.write('{"time": "2026-')
    assert [entry.event for entry in read_entries(log_path(tmp_path, Role.WORKER))] == ["started"]


def test_the_terminal_shows_the_last_line_of_a_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    reason = "Traceback (most recent call last):\n  File x\nValueError: odd"
    EventLog(tmp_path, Role.WORKER).record(Event.TASK_FAILED, code="internal", reason=reason)
    assert capsys.readouterr().out.rstrip().endswith("failed internal: ValueError: odd (id ?)")
