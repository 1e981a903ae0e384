"""A coordinator cannot fill a site's disk, and what a kill left is swept."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.site_client.asking import ready, refusal, until
from tests.site_client.support import FakeEngine, Site, base_model, build_site, courier_of, working_site
from wardround.engine.basics.files import Rotation
from wardround.federation.event_log import read_entries
from wardround.federation.payload import pack
from wardround.federation.protocol import Done, RefusalCode, Stage
from wardround.site_client.between.folders import entries
from wardround.site_client.events import Event, EventLog, Role, log_path

COHORT = FakeEngine().cohort.digest


@pytest.fixture
def site(tmp_path: Path) -> Site:
    built = build_site(tmp_path / "site")
    built.config.write_text(built.config.read_text().replace("answer_seconds: 3", "answer_seconds: 0.3"))
    return built


def _allow(site: Site, line: str, instead: str) -> None:
    policy = site.settings.policy
    policy.write_text(policy.read_text().replace(line, instead))


def _names(site: Site, folder: str) -> set[str]:
    root = site.settings.work / folder
    return {path.name for path in root.iterdir()} if root.exists() else set()


def test_a_model_that_does_not_fit_does_not_stay(site: Site) -> None:
    bad = pack({"model/weight": np.zeros((2, 3), np.float32), "model/count": np.array(7)})
    with working_site(site, FakeEngine()) as courier:
        ready(site, courier)
        task = site.task(Stage.TRAIN, 1, bad, COHORT)
        for _ in range(3):
            assert refusal(site, courier, site.sealed(task, bad)) is RefusalCode.BAD_MODEL
            assert _names(site, "tasks") == set()
    assert site.events(Role.COURIER).count(Event.TASK_PULLED) == 1, "refused again without being written again"


def test_what_is_beyond_the_agreement_is_never_written(site: Site) -> None:
    _allow(site, "allowance: 3", "allowance: 0")
    with working_site(site, FakeEngine()) as courier:
        ready(site, courier)
        first = site.task(Stage.TRAIN, 1, base_model(1), COHORT)
        until(site, courier, first, base_model(1), Done)
        for value in range(2, 6):
            task = site.task(Stage.TRAIN, 1, base_model(value), COHORT)
            assert refusal(site, courier, site.sealed(task, base_model(value))) is RefusalCode.BEYOND_AGREEMENT
    assert _names(site, "tasks") == {first.work_key}


def test_other_work_of_the_same_round_replaces_it(site: Site) -> None:
    with working_site(site, FakeEngine()) as courier:
        ready(site, courier)
        for value in (1, 2, 3):
            task = site.task(Stage.TRAIN, 1, base_model(value), COHORT)
            until(site, courier, task, base_model(value), Done)
            for folder in ("tasks", "outbox", "results"):
                assert _names(site, folder) == {task.work_key}, folder


def test_tasks_have_a_budget(site: Site) -> None:
    """Tasks of far rounds would pile up: the oldest makes room. One that is too large by itself is refused unread."""
    _allow(site, "task_megabytes: 8192", "task_megabytes: 1")
    base = pack({"model/weight": np.zeros(100_000, np.float32)})
    courier = courier_of(site)
    for number in (3, 2, 1):
        courier.handle(site.sealed(site.task(Stage.TRAIN, number, base, COHORT), base))
        kept = sum(path.stat().st_size for path in (site.settings.work / "tasks").rglob("*.safetensors"))
        assert kept <= 10**6
    assert len(_names(site, "tasks")) == 2
    large = pack({"model/weight": np.zeros(300_000, np.float32)})
    before = _names(site, "tasks")
    task = site.task(Stage.EVALUATE, 3, large, COHORT)
    assert refusal(site, courier, site.sealed(task, large)) is RefusalCode.DISK_FULL
    assert "the task's model has 1.2 MB, and policy.yaml lets tasks take 1 MB" in site.log_text(Role.COURIER)
    assert str(task.work_key) not in _names(site, "tasks") | before


def test_half_written_entries_are_swept_at_the_start(site: Site) -> None:
    work = site.settings.work
    base = base_model()
    task = site.task(Stage.TRAIN, 1, base, COHORT)
    site_courier = courier_of(site)
    site_courier.handle(site.sealed(task, base))
    left = [
        work / "tasks" / ("a" * 64) / "base.safetensors",
        work / "outbox" / ("b" * 64) / "update.safetensors",
        work / "tasks" / str(task.work_key) / f".body.json.{'0' * 12}.tmp",
        work / "results" / ("c" * 64) / "update.safetensors",
        work / "scratch" / ("d" * 64) / f".checkpoint.safetensors.{'0' * 12}.tmp",
        work / "state" / "pending" / ("." + "e" * 64) / "optimizer.blob",
    ]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    site_courier.sweep()
    engine = FakeEngine()
    with working_site(site, engine) as courier:
        assert isinstance(until(site, courier, task, b"", Done), Done)
    assert not [path for path in left if path.exists()]
    assert entries(work / "tasks") == (task.work_key,)


def test_logs_rotate_and_are_read_as_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wardround.federation.event_log.ROTATION", Rotation(limit=2000, kept=3))
    log = EventLog(site.settings.work, Role.COURIER)
    for number in range(100):
        log.record(Event.MESSAGE_PULLED, number=number)
    files = [path for path in (site.settings.work / "events").iterdir() if path.name.startswith("courier")]
    assert len(files) == 4
    assert all(path.stat().st_size < 2200 for path in files)
    numbers = [entry.facts["number"] for entry in read_entries(log_path(site.settings.work, Role.COURIER))]
    assert numbers == list(range(100 - len(numbers), 100))


@pytest.mark.parametrize("first", [("status",), ("log",), ("check", "--offline")])
def test_what_a_site_command_makes_is_its_users_alone(tmp_path: Path, first: tuple[str, ...]) -> None:
    """Whatever the umask, and whichever command came first."""
    site = build_site(tmp_path / "site")
    site.settings.work.mkdir(mode=0o777)
    site.settings.work.chmod(0o777)
    code = (
        "import os, sys; os.umask(0)\n"
        "from wardround.site_client import cli, supervisor\n"
        "from wardround.site_client.events import Event, EventLog, Role\n"
        "from wardround.site_client.agreement.settings import load_settings\n"
        "from wardround.site_client.processes import only_one\n"
        "from pathlib import Path\n"
        "cli.main()\n"
        "settings = load_settings(Path(sys.argv[-1]))\n"
        "with only_one(settings.work, Role.WORKER):\n"
        "    EventLog(settings.work, Role.WORKER).record(Event.STARTED)\n"
    )
    command = [sys.executable, "-c", code, *first, "--config", str(site.config)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    made = [site.settings.work, *site.settings.work.rglob("*")]
    assert len(made) > 2
    for path in made:
        mode = stat.S_IMODE(os.lstat(path).st_mode)
        assert mode & 0o077 == 0, f"{path} {mode:o}"
