"""A disk that is full for a while, at any durable write of courier or worker: it is said, and nothing is lost."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path

import pytest

from tests.site_client.support import ROUNDS, FakeEngine, Site, build_site, working_site
from tests.site_client.test_damage import _tasks, undisturbed
from wardround.federation.protocol import Done, Missing, RefusalCode, Refused, Task
from wardround.site_client.courier.handler import Courier
from wardround.site_client.worker import shared_state

__all__ = ["undisturbed"]
WRITES_IN_VAIN = 3


class FullDisk:
    """Durable writes fail from one on, so many times."""

    def __init__(self, first: int) -> None:
        self._first, self._count, self._lock = first, 0, threading.Lock()
        self._fsync = os.fsync

    def __call__(self, handle: int) -> None:
        """Instead of `os.fsync`."""
        with self._lock:
            self._count += 1
            is_full = self._first <= self._count < self._first + WRITES_IN_VAIN
        if is_full:
            raise OSError(errno.ENOSPC, "No space left on device")
        self._fsync(handle)


@pytest.fixture(autouse=True)
def quick_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that notices at once that it is to end."""
    monkeypatch.setattr(shared_state, "_IDLE_SECONDS", 0.02)


def _patiently(site: Site, courier: Courier, task: Task, base: bytes) -> tuple[bytes, set[RefusalCode]]:
    """Ask as an aggregator does, also after refusals; the update, and the codes that came."""
    send, codes, deadline = b"", set[RefusalCode](), time.monotonic() + 30
    while time.monotonic() < deadline:
        reply, update = site.open(courier.handle(site.sealed(task, send)))
        send = base if isinstance(reply, Missing) else b""
        if isinstance(reply, Done):
            return update, codes
        if isinstance(reply, Refused):
            codes.add(reply.code)
    raise AssertionError("it was never done")


EVERY = range(1, 175)
SOME = {1, 4, 8, 13, 19, 26, 34, 43, 53, 71, 97, 131}


@pytest.mark.parametrize(
    "first", [place if place in SOME else pytest.param(place, marks=pytest.mark.slow) for place in EVERY]
)
def test_a_disk_that_is_full_for_a_while_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, undisturbed: list[bytes], first: int
) -> None:
    site = build_site(tmp_path / "site")
    site.config.write_text(site.config.read_text().replace("answer_seconds: 3", "answer_seconds: 0.3"))
    monkeypatch.setattr(os, "fsync", FullDisk(first))
    with working_site(site, FakeEngine()) as courier:
        courier.sweep()
        results = [_patiently(site, courier, task, base) for task, base in _tasks(site)]
    assert [update for update, _ in results] == undisturbed
    assert set[RefusalCode]().union(*(codes for _, codes in results)) <= {RefusalCode.DISK_FULL}
    assert len(results) == ROUNDS + 1
