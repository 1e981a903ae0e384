"""A fault has a name of its own, passes or not, and neither stays for ever nor is tried in a tight loop."""

from __future__ import annotations

import errno
import random
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.site_client.asking import CANARIES, ask, ready, refusal, until
from tests.site_client.support import FakeEngine, Site, base_model, build_site, courier_of, working_site
from wardround.engine.basics.backoff import Backoff
from wardround.engine.basics.files import require_space
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.parts import PartFault
from wardround.federation.protocol import Done, RefusalCode, Refused, Stage, Working
from wardround.site_client import supervisor
from wardround.site_client.agreement.agreement import Refusal
from wardround.site_client.between import faults
from wardround.site_client.between.health import STARTS_WITHOUT_WORK, Health, HealthFile
from wardround.site_client.events import Event, EventLog, Role
from wardround.site_client.processes import FRESH_PROCESS, StopRequest
from wardround.site_client.worker.process import run_worker


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


class AcceleratorError(RuntimeError):
    """Named as torch's."""


def _no_space() -> Exception:
    try:
        require_space(Path("/"), 2**70, "a test")
    except InputError as error:
        return error
    raise AssertionError


NAMES = [
    (OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"), RefusalCode.OUT_OF_MEMORY),
    (RuntimeError("CUDA error: out of memory"), RefusalCode.OUT_OF_MEMORY),
    (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), "out_of_memory"),
    (MemoryError(), RefusalCode.OUT_OF_MEMORY),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), RefusalCode.OUT_OF_MEMORY),
    (AcceleratorError("CUDA error: an illegal memory access was encountered"), RefusalCode.DEVICE_FAULT),
    (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), RefusalCode.DEVICE_FAULT),
    (RuntimeError("CUDA error: uncorrectable ECC error encountered"), RefusalCode.DEVICE_FAULT),
    (RuntimeError("CUDA error: device-side assert triggered"), RefusalCode.DEVICE_FAULT),
    (RuntimeError("No CUDA GPUs are available"), RefusalCode.DEVICE_FAULT),
    (RuntimeError("CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`"), RefusalCode.DEVICE_FAULT),
    (OSError(errno.EBUSY, "Device or resource busy"), RefusalCode.FILES_UNUSABLE),
    (OSError(errno.EIO, "Input/output error"), RefusalCode.FILES_UNUSABLE),
    (OSError(errno.ESTALE, "Stale file handle"), RefusalCode.FILES_UNUSABLE),
    (FileNotFoundError(errno.ENOENT, "No such file"), RefusalCode.FILES_UNUSABLE),
    (OSError(errno.ENOSPC, "No space left"), RefusalCode.DISK_FULL),
    (OSError(errno.EDQUOT, "Quota exceeded"), RefusalCode.DISK_FULL),
    (_no_space(), RefusalCode.DISK_FULL),
    (InputError.one("the image cannot be read"), RefusalCode.CASES_UNUSABLE),
    (InputError([]), RefusalCode.CASES_UNUSABLE),
    (InputError([PartFault("a loss fails"), Problem("an image cannot be read")]), RefusalCode.CASES_UNUSABLE),
    (InputError([PartFault("a loss fails")]), RefusalCode.PART_FAILED),
    (Refusal(RefusalCode.TRAINING_DIVERGED, "it did"), RefusalCode.TRAINING_DIVERGED),
    (ValueError("a defect"), RefusalCode.INTERNAL),
]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    built = build_site(tmp_path / "site")
    built.config.write_text(built.config.read_text().replace("answer_seconds: 3", "answer_seconds: 0.3"))
    return built


@pytest.mark.parametrize(("error", "code"), NAMES, ids=lambda value: str(value)[:40])
def test_each_fault_has_its_own_name(error: Exception, code: RefusalCode) -> None:
    assert faults.code_of(error) is RefusalCode(code)


@pytest.mark.parametrize("code", list(RefusalCode))
def test_a_fault_that_may_pass_is_tried_later_each_time_and_never_at_the_same_moment(code: RefusalCode) -> None:
    rng = random.Random(1)
    waits = [faults.retry(code, failures, rng).seconds for failures in range(1, 40)]
    if waits[0] is None:
        assert set(waits) == {None}
        assert not faults.is_of_the_process(code)
        return
    known = [wait for wait in waits if wait is not None]
    assert len(known) == len(waits)
    if max(known) > 0:
        assert min(known) >= 0.5 * faults.PAUSES.first
        assert max(known[10:]) > 60 * faults.PAUSES.first
        assert max(known) <= 1.5 * faults.PAUSES.longest
        assert len(set(known)) == len(known)


def test_nothing_works_on_a_device_after_its_fault_and_three_failures_are_enough() -> None:
    assert faults.needs_a_fresh_process(RefusalCode.DEVICE_FAULT, 1)
    assert not faults.needs_a_fresh_process(RefusalCode.OUT_OF_MEMORY, 2)
    assert faults.needs_a_fresh_process(RefusalCode.OUT_OF_MEMORY, 3)


@contextmanager
def _worker_that_may_end(site: Site, engine: FakeEngine) -> Iterator[Callable[[], int]]:
    """A worker in a thread; call what is given to wait for its exit code."""
    stop, codes = StopRequest(), list[int]()
    log = EventLog(site.settings.work, Role.WORKER)

    def work() -> None:
        codes.append(run_worker(site.settings, site.agreement, log, stop, lambda *_: engine))

    thread = threading.Thread(target=work)

    def ended() -> int:
        thread.join(30)
        return codes[0]

    thread.start()
    try:
        yield ended
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of hundredths of a second."""
    monkeypatch.setattr(faults, "PAUSES", Backoff(0.02, 0.05))


@pytest.mark.usefixtures("hasty")
def test_one_transient_error_is_not_remembered(site: Site) -> None:
    engine, base = FakeEngine(error=OutOfMemoryError("CUDA out of memory")), base_model()
    with working_site(site, engine) as courier:
        task = site.task(Stage.TRAIN, 1, base, ready(site, courier).cohort)
        assert refusal(site, courier, site.sealed(task, base)) is RefusalCode.OUT_OF_MEMORY
        engine.error = None
        time.sleep(0.1)
        assert isinstance(until(site, courier, task, b"", Done), Done)
    assert HealthFile(site.settings.work).read() == Health()


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("error", "code", "tries"),
    [
        (RuntimeError("CUDA error: an illegal memory access was encountered"), RefusalCode.DEVICE_FAULT, 1),
        (OutOfMemoryError("CUDA out of memory"), RefusalCode.OUT_OF_MEMORY, 3),
        (ValueError("a defect"), RefusalCode.INTERNAL, 3),
    ],
)
def test_a_worker_that_cannot_go_on_asks_for_a_fresh_process_and_the_aggregator_hears_why(
    site: Site, error: Exception, code: RefusalCode, tries: int
) -> None:
    engine, base = FakeEngine(error=error), base_model()
    courier = courier_of(site)
    task = site.task(Stage.TRAIN, 1, base, engine.cohort.digest)
    with _worker_that_may_end(site, engine) as ended:
        ready(site, courier)
        for _ in range(60):
            reply, _ = ask(site, courier, task, base)
            if Event.FRESH_PROCESS in site.events(Role.WORKER):
                break
            assert isinstance(reply, Working | Refused)
            time.sleep(0.05)
        assert ended() == FRESH_PROCESS
    assert sum(call.startswith("train") for call in engine.calls) == tries
    for question in (site.hello(), task):
        reply, _ = ask(site, courier, question)
        assert isinstance(reply, Refused)
        assert reply.code is code
    engine.error = None
    with working_site(site, engine) as courier:
        assert isinstance(until(site, courier, task, b"", Done), Done), "a fresh process resumes it by itself"
    assert HealthFile(site.settings.work).read() == Health()


def test_a_worker_that_dies_again_and_again_is_reported(site: Site) -> None:
    health, courier, base = HealthFile(site.settings.work), courier_of(site), base_model()
    task = site.task(Stage.TRAIN, 1, base, "c" * 64)
    for _ in range(STARTS_WITHOUT_WORK):
        assert isinstance(ask(site, courier, site.hello())[0], Working)
        health.started()
    assert refusal(site, courier, site.sealed(site.hello())) is RefusalCode.WORKER_FAILED
    assert refusal(site, courier, site.sealed(task, base)) is RefusalCode.WORKER_FAILED
    health.well()
    assert isinstance(ask(site, courier, task)[0], Working)


def test_a_worker_that_is_never_started_is_reported(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    courier = courier_of(site)
    assert isinstance(ask(site, courier, site.hello())[0], Working)
    monkeypatch.setattr("wardround.site_client.courier.handler._LONGEST_ABSENCE", 0.0)
    assert refusal(site, courier, site.sealed(site.hello())) is RefusalCode.WORKER_FAILED


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError.one(f"the image cannot be read: {CANARIES[1]}"), RefusalCode.CASES_UNUSABLE),
        (OSError(errno.EIO, "Input/output error", CANARIES[1]), RefusalCode.FILES_UNUSABLE),
        (_no_space(), RefusalCode.DISK_FULL),
    ],
)
def test_a_site_whose_cases_cannot_be_used_says_so_also_while_it_tries_again(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: Exception, code: RefusalCode
) -> None:
    """Reading every case may take long: all that time the site must not say that it gets ready."""
    monkeypatch.setattr("wardround.site_client.worker.process._BEFORE_ANOTHER_TRY", Backoff(0.01, 0.01))
    tries, gate = [0], threading.Event()

    def fail(*_: object) -> FakeEngine:
        tries[0] += 1
        if tries[0] > 1:
            gate.wait(20)
        raise error

    stop, log = StopRequest(), EventLog(site.settings.work, Role.WORKER)
    thread = threading.Thread(target=run_worker, args=(site.settings, site.agreement, log, stop, fail))
    thread.start()
    try:
        courier, base = courier_of(site), base_model()
        reply = until(site, courier, site.hello(), b"", Refused)
        deadline = time.monotonic() + 20
        while tries[0] < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        for question, payload in ((site.hello(), b""), (site.task(Stage.TRAIN, 1, base, "c" * 64), base)):
            envelope = courier.handle(site.sealed(question, payload))
            reply, _ = site.open(envelope)
            assert isinstance(reply, Refused), "while it is tried again"
            assert reply.code is code
            assert CANARIES[1].encode() not in envelope.body
        assert site.events(Role.COURIER).count(Event.TASK_REFUSED) == 1, "asked three times, told once"
    finally:
        stop.set()
        gate.set()
        thread.join(20)
    assert not thread.is_alive()


def test_the_supervisor_starts_a_worker_that_asks_for_it_and_waits_longer_each_time(site: Site) -> None:
    child = supervisor._Child(Role.WORKER, site.settings.work, ["sh", "-c", f"exit {FRESH_PROCESS}"], {})
    pauses = []
    for _ in range(3):
        child.start()
        assert isinstance(child.process, subprocess.Popen)
        child.process.wait(20)
        assert child.died() == FRESH_PROCESS
        pauses.append(child.pause)
    assert pauses == sorted(set(pauses))
