"""From round to round, and from one table to the next, the former network is gone before another is made."""

from __future__ import annotations

import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

from tests.site_client.asking import ready, until
from tests.site_client.support import FakeEngine, Site, base_model, build_site, courier_of, write_cohort
from tests.support.alive import networks_alive
from wardround.engine.networks import build_network
from wardround.federation.protocol import Done, Stage
from wardround.site_client.events import EventLog, Role
from wardround.site_client.processes import StopRequest
from wardround.site_client.worker.engine import HaltedError, TrainingJob, WarmEngine, Watch
from wardround.site_client.worker.process import run_worker


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return build_site(tmp_path / "site")


def _jobs(engine: WarmEngine, checkpoint: Path) -> list[TrainingJob]:
    model = {name: tensor.numpy() for name, tensor in build_network(engine._bench.study).state_dict().items()}
    return [TrainingJob(model, {}, start, start + 1, checkpoint, f"round {start}", 60.0) for start in range(3)]


@pytest.mark.parametrize("halted", [False, True])
def test_a_rounds_learner_is_gone_before_the_next(site: Site, tmp_path: Path, halted: bool) -> None:
    write_cohort(site)
    engine = WarmEngine.open(site.settings, site.agreement)
    watch = Watch(lambda step, loss: None, lambda step: None, lambda: halted)
    with networks_alive() as counts:
        for job in _jobs(engine, tmp_path / "checkpoint"):
            try:
                engine.train(job, watch)
            except HaltedError:
                assert halted
    assert counts == [0, 0, 0]


class _Superseded(FakeEngine):
    """Its table changes as soon as it is asked to work."""

    def is_current(self) -> bool:
        return False


def test_an_engine_is_gone_before_the_next_is_opened(site: Site) -> None:
    """The first is superseded when a task comes; the second does the work."""
    opened: list[weakref.ref[Any]] = []
    alive: list[int] = []

    def open_next(*_: Any) -> FakeEngine:
        alive.append(sum(engine() is not None for engine in opened))
        engine = FakeEngine() if opened else _Superseded()
        opened.append(weakref.ref(engine))
        return engine

    stop, base = StopRequest(), base_model()
    log = EventLog(site.settings.work, Role.WORKER)
    worker = threading.Thread(target=run_worker, args=(site.settings, site.agreement, log, stop, open_next))
    gc.collect()
    gc.disable()
    worker.start()
    try:
        courier = courier_of(site, stop)
        task = site.task(Stage.TRAIN, 1, base, ready(site, courier).cohort)
        until(site, courier, task, base, Done)
    finally:
        gc.enable()
        stop.set()
        worker.join(20)
    assert alive == [0, 0]
