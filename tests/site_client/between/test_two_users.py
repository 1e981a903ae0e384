"""Courier and worker as two users hand each other work through the folder, and see nothing else of each other."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.users import COURIER, GROUP, WORKER, may
from wardround.engine.basics.problems import InputError
from wardround.federation.envelope import Envelope
from wardround.federation.identities import SiteKeys
from wardround.federation.protocol import RefusalCode
from wardround.site_client.agreement.rotation import read_rotations, rotate_keys
from wardround.site_client.agreement.settings import SiteSettings
from wardround.site_client.between.folders import Outbox, Results, Tasks, WorkResult
from wardround.site_client.between.health import HealthFile
from wardround.site_client.between.socket import Ask, Fault, WorkerReport, ask_worker, listening, socket_path
from wardround.site_client.between.two_users import FOR_TWO, is_for_two, require_overview, work_folder
from wardround.site_client.events import Event, EventLog, Role
from wardround.site_client.processes import only_one

KEY = "a" * 64
TASK = Envelope(b"body", b"signature", b"weights")
RESULT = WorkResult(update="b" * 64, train_cases=9, loss=0.5, metrics={}, seconds=1.0)
FAULT = Fault(code=RefusalCode.DEVICE_FAULT, correlation="0" * 16)

only_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as other users")


@pytest.fixture
def work() -> Iterator[Path]:
    """A work folder for two users, in a place that both can reach."""
    place = Path(tempfile.mkdtemp(prefix="two-users-"))
    place.chmod(0o755)
    folder = place / "work"
    folder.mkdir()
    os.chown(folder, 0, GROUP)
    folder.chmod(FOR_TWO)
    yield folder
    shutil.rmtree(place)


@only_root
def test_tasks_go_one_way_and_results_the_other(work: Path) -> None:
    tasks, results = Tasks(work / "tasks"), Results(work / "results")
    assert may(COURIER, lambda: tasks.put(KEY, TASK))
    assert may(WORKER, lambda: _same(tasks.get(KEY), TASK))
    assert may(WORKER, lambda: results.put(KEY, RESULT, b"update"))
    assert may(COURIER, lambda: _same(results.get(KEY), RESULT))
    assert may(COURIER, lambda: _gone(results.remove(KEY), work / "results" / KEY))
    assert may(WORKER, lambda: _gone(tasks.remove(KEY), work / "tasks" / KEY))


@only_root
def test_either_may_come_first(work: Path) -> None:
    """Folders and locks are made by whoever needs them first, and the other one uses them."""
    assert may(WORKER, lambda: _log(work, Role.WORKER))
    assert may(COURIER, lambda: _log(work, Role.COURIER))
    assert may(COURIER, lambda: Results(work / "results").remove(KEY))
    assert stat.S_IMODE(work.stat().st_mode) == FOR_TWO


@only_root
def test_what_is_not_handed_over_is_closed(work: Path) -> None:
    assert may(WORKER, lambda: _log(work, Role.WORKER))
    assert may(COURIER, lambda: Outbox(work / "outbox").put(KEY, TASK))
    assert may(COURIER, lambda: Tasks(work / "tasks").put(KEY, TASK))
    log, outbox, base = work / "events" / "worker.jsonl", work / "outbox", work / "tasks" / KEY / "base.safetensors"
    assert not may(COURIER, log.read_bytes)
    assert not may(COURIER, log.unlink)
    assert not may(WORKER, lambda: list(outbox.iterdir()))
    assert not may(WORKER, lambda: outbox.rename(work / "gone"))
    assert not may(WORKER, lambda: base.write_bytes(b"others"))


@only_root
def test_the_courier_hears_of_the_worker(work: Path) -> None:
    """By its socket, which the group may use, and by the record of its health."""
    told = WorkerReport(readiness="preparing")
    assert may(WORKER, lambda: HealthFile(work).failed(FAULT))
    assert may(COURIER, lambda: _same(HealthFile(work).trouble(), FAULT))
    with listening(socket_path(work), lambda ask: told) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        assert may(COURIER, lambda: _same(ask_worker(socket_path(work), Ask(do="status")), told))
        assert stat.S_IMODE(socket_path(work).stat().st_mode) == 0o660
        server.shutdown()


@only_root
def test_a_folder_that_is_not_meant_for_two_is_closed(work: Path) -> None:
    for mode in (0o2770, 0o770, 0o3775, 0o777):
        work.chmod(mode)
        assert not is_for_two(work)
        assert stat.S_IMODE(work_folder(work).stat().st_mode) & 0o077 == 0
        assert not may(WORKER, lambda: list(work.iterdir()))


@only_root
def test_who_sees_one_half_is_sent_to_root(work: Path) -> None:
    def ask() -> None:
        with pytest.raises(InputError, match="`sudo`"):
            require_overview(work)

    assert may(WORKER, ask)
    require_overview(work)


@only_root
def test_root_makes_keys_for_the_couriers_user(work: Path) -> None:
    """Twice: root reads what it gave away, and the courier opens what root has made."""
    site, keys = work.parent, work.parent / "keys"
    keys.mkdir(mode=0o700)
    SiteKeys.create(keys)
    for path in (keys, *keys.iterdir()):
        os.chown(path, COURIER, COURIER)
    settings = SiteSettings.model_validate({"schema": 1, "name": "north", "manifest": site / "data.csv", "keys": keys})
    before = SiteKeys.load(keys).signing_public
    for number in (1, 2):
        rotate_keys(settings)
        assert may(COURIER, lambda: SiteKeys.load(keys))
        assert may(COURIER, lambda: read_rotations(keys))
        assert len(read_rotations(keys).rotations) == number
    assert SiteKeys.load(keys).signing_public != before
    assert {path.stat().st_uid for path in keys.rglob("*")} == {COURIER}
    assert (site / "north-new-keys.pub").stat().st_uid == 0


def _log(work: Path, role: Role) -> None:
    with only_one(work, role):
        EventLog(work, role).record(Event.STARTED)


def _same(found: object, expected: object) -> None:
    assert found == expected


def _gone(removed: bool, path: Path) -> None:
    assert removed
    assert not path.exists()
