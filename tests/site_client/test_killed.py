"""A worker that is killed at any boundary resumes by itself, and its update has the same bytes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.site_client.support import FakeEngine, Site, base_model, build_site, courier_of, working_site
from wardround.federation.protocol import Done, Missing, Refused, Stage
from wardround.site_client.between.folders import Results
from wardround.site_client.events import Event, Role

SECONDS = 60


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return build_site(tmp_path / "site")


@contextmanager
def _worker(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "tests.site_client.worker_main", str(site.config)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _wait_for(site: Site, event: Event, count: int) -> None:
    deadline = time.monotonic() + SECONDS
    while site.events(Role.WORKER).count(event) < count:
        assert time.monotonic() < deadline, f"{event} did not happen {count} times"
        time.sleep(0.01)


def _finish(site: Site) -> tuple[Done, bytes]:
    courier, base = courier_of(site), base_model()
    task = site.task(Stage.TRAIN, 1, base, FakeEngine().cohort.digest)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        reply, update = site.open(courier.handle(site.sealed(task)))
        assert not isinstance(reply, Missing | Refused), reply
        if isinstance(reply, Done):
            return reply, update
    raise AssertionError("the work was not finished")


def _begin(site: Site) -> None:
    """Bring the first round's task without waiting for it."""
    quick = site.config.read_text()
    site.config.write_text(quick.replace("answer_seconds: 3", "answer_seconds: 0"))
    base = base_model()
    courier_of(site).handle(site.sealed(site.task(Stage.TRAIN, 1, base, FakeEngine().cohort.digest), base))
    site.config.write_text(quick)


def _undisturbed(folder: Path) -> tuple[Done, bytes]:
    site, engine, base = build_site(folder), FakeEngine(), base_model()
    with working_site(site, engine) as courier:
        task = site.task(Stage.TRAIN, 1, base, engine.cohort.digest)
        reply, update = site.open(courier.handle(site.sealed(task, base)))
    assert isinstance(reply, Done)
    return reply, update


@pytest.mark.parametrize(
    ("event", "count"),
    [
        (Event.TASK_CLAIMED, 1),
        (Event.EVALUATION_DONE, 1),
        (Event.CHECKPOINT_SAVED, 2),
        (Event.CHECKPOINT_SAVED, 4),
        (Event.RESULT_WRITTEN, 1),
    ],
)
def test_killed_work_is_resumed_and_gives_the_same_update(site: Site, tmp_path: Path, event: Event, count: int) -> None:
    _begin(site)
    with _worker(site) as process:
        _wait_for(site, event, count)
        process.send_signal(signal.SIGKILL)
    with _worker(site):
        done, update = _finish(site)
    expected, expected_update = _undisturbed(tmp_path / "undisturbed")
    assert update == expected_update
    assert (done.update, done.metrics, done.loss) == (expected.update, expected.metrics, expected.loss)
    evaluations = site.events(Role.WORKER).count(Event.EVALUATION_DONE)
    assert evaluations == 1 if event is not Event.TASK_CLAIMED else evaluations <= 2


def test_unfinished_work_goes_on_without_being_asked(site: Site) -> None:
    _begin(site)
    with _worker(site):
        _wait_for(site, Event.CHECKPOINT_SAVED, 1)
    with _worker(site):
        _wait_for(site, Event.RESULT_WRITTEN, 1)
    results = Results(site.settings.work / "results")
    assert len(list(results.root.iterdir())) == 1


def test_a_worker_that_is_told_to_stop_ends_with_its_progress_saved(site: Site) -> None:
    _begin(site)
    with _worker(site) as process:
        _wait_for(site, Event.CHECKPOINT_SAVED, 1)
        process.terminate()
        assert process.wait(SECONDS) == 0
    assert site.events(Role.WORKER)[-1] == Event.STOPPED
    assert Event.TASK_FAILED not in site.events(Role.WORKER)
    assert not (site.settings.work / "worker.pid").exists()
