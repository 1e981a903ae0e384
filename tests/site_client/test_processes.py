"""The supervisor and its two processes, as an installation runs them."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.site_client.support import LOCAL_STEPS, ROUNDS, Site, a_study, build_site, write_cohort
from tests.site_client.test_private import open_to_others
from tests.support.certificates import CertificateFiles, write_certificates
from wardround.federation.event_log import read_entries
from wardround.federation.flower.link.link import Link, TlsFiles
from wardround.federation.payload import pack, unpack
from wardround.federation.protocol import Done, Ready, Reply, Stage, Working
from wardround.site_client import supervisor
from wardround.site_client.events import Event, Role, log_path
from wardround.site_client.processes import pid_path, read_pid, stopping

SECONDS = 120
COURIER_MODULES = """
import json, sys
import wardround.site_client.courier.process, wardround.site_client.courier.handler, wardround.site_client.cli
from wardround.federation.flower import settings
settings.ensure()
import wardround.federation.flower.node.node, wardround.federation.flower.node.session
print(json.dumps(sorted(sys.modules)))
"""


def _until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


@pytest.fixture
def tls(tmp_path: Path) -> CertificateFiles:
    return write_certificates(tmp_path / "tls")


@pytest.fixture
def site(tmp_path: Path, tls: CertificateFiles) -> Site:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    site = build_site(tmp_path / "site", address=f"127.0.0.1:{port}", ca_pem=tls.ca.read_text())
    write_cohort(site)
    return site


def _start(site: Site, *arguments: str, own_group: bool = False) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "wardround.site_client", *arguments, "--config", str(site.config)]
    group = 0 if own_group else None
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, process_group=group, umask=0)


@contextmanager
def _supervised(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    process = _start(site)
    try:
        _until(lambda: _pid(site, Role.COURIER) is not None and _pid(site, Role.WORKER) is not None, "no children")
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS)


def _pid(site: Site, role: Role) -> int | None:
    return read_pid(site.settings.work, role)


@pytest.fixture
def link(site: Site, tls: CertificateFiles) -> Iterator[Link]:
    files = TlsFiles(tls.ca, tls.certificate, tls.key)
    keys = site.invitation.roster.transport_keys()
    with Link(host="127.0.0.1", port=site.invitation.port, tls=files, sites=keys) as opened:
        yield opened


def _exchange(
    site: Site, link: Link, stage: Stage, round_number: int, base: bytes, cohort: str, accepted: str | None
) -> tuple[Reply, bytes]:
    task = site.task(stage, round_number, base, cohort, accepted=accepted)
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        answer = link.exchange("north", site.sealed(task, base), timeout=30)
        if answer is None:
            continue
        reply, update = site.open(answer)
        if not isinstance(reply, Working):
            return reply, update
    raise AssertionError("the site did not finish")


def _hello(site: Site, link: Link) -> Ready:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        answer = link.exchange("north", site.sealed(site.hello()), timeout=30)
        if answer is not None and isinstance(reply := site.open(answer)[0], Ready):
            return reply
        time.sleep(0.2)
    raise AssertionError("the site did not get ready")


def test_a_federation_of_one_gives_the_weights_of_the_local_run(site: Site, link: Link) -> None:
    """Over TLS, with two processes, the worker killed after the first round: bit for bit the uninterrupted training."""
    from wardround.engine.experiments import Workbench

    bench = Workbench.open(a_study(), site.settings.manifest, site.folder / "alone", device="cpu", threads=1)
    learner = bench.learner(ROUNDS * LOCAL_STEPS)
    model = pack({f"model/{name}": tensor.numpy() for name, tensor in learner.weights().items()})
    learner.train(bench.source(), 0, ROUNDS * LOCAL_STEPS)
    with _supervised(site):
        cohort, accepted = _hello(site, link).cohort, None
        for number in range(1, ROUNDS + 1):
            done, model = _exchange(site, link, Stage.TRAIN, number, model, cohort, accepted)
            assert isinstance(done, Done)
            accepted = done.work_key
            if number == 1:
                os.kill(_pid(site, Role.WORKER) or 0, signal.SIGKILL)
        worker = psutil.Process(_pid(site, Role.WORKER))
        assert worker.net_connections(kind="inet") == []
        assert len(worker.net_connections(kind="unix")) >= 1
        assert open_to_others(site.settings.work) == []
    arrays = unpack(model)
    for name, tensor in learner.weights().items():
        assert arrays[f"model/{name}"].tobytes() == tensor.numpy().tobytes(), name
    assert site.events(Role.SUPERVISOR).count(Event.CHILD_DIED) == 1
    assert Event.STATE_LOST not in site.events(Role.WORKER)


def test_a_killed_process_is_started_again_and_all_stop_together(site: Site) -> None:
    with _supervised(site) as supervisor:
        for role in (Role.COURIER, Role.WORKER):
            first = _pid(site, role)
            os.kill(first or 0, signal.SIGKILL)
            _until(lambda: _pid(site, role) not in (None, first), f"{role} did not come back")  # noqa: B023
        children = [psutil.Process(_pid(site, role)) for role in (Role.COURIER, Role.WORKER)]
        supervisor.send_signal(signal.SIGINT)
        assert supervisor.wait(SECONDS) == 0
    assert not any(child.is_running() for child in children)
    assert not list(site.settings.work.glob("*.pid"))


STOPPED_EARLY = """
import os, signal, sys
from wardround.site_client import cli, processes
write = processes.write_atomic

def write_then_stop(path, content):
    write(path, content)
    if path.suffix == ".pid":
        os.kill(os.getpid(), signal.SIGTERM)

processes.write_atomic = write_then_stop
sys.exit(cli.main())
"""


@pytest.mark.parametrize("role", ["courier", "worker"])
def test_a_process_that_is_stopped_as_soon_as_its_pid_is_written_leaves_no_pid(site: Site, role: str) -> None:
    command = [sys.executable, "-c", STOPPED_EARLY, role, "--config", str(site.config)]
    answer = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    assert answer.returncode == 0, answer.stderr.decode()
    assert not list(site.settings.work.glob("*.pid"))


@pytest.mark.parametrize("whose", ["its own", "another's", "nobody's"])
def test_the_supervisor_removes_the_pid_file_of_a_child_that_was_killed(site: Site, whose: str) -> None:
    """And no other: by then the role's next process, started by somebody else, may have written its own."""
    work = site.settings.work
    work.mkdir()
    child = supervisor._Child(Role.WORKER, work, ["sleep", "60"], dict(os.environ))
    pid = child.start()
    written = {"its own": pid, "another's": os.getpid(), "nobody's": "x"}[whose]
    pid_path(work, Role.WORKER).write_text(f"{written}\n")
    os.kill(pid, signal.SIGKILL)
    _until(lambda: child.died() == -signal.SIGKILL, "it lives")
    assert pid_path(work, Role.WORKER).exists() == (whose != "its own")


def test_ctrl_c_while_the_processes_start_shows_no_traceback(site: Site) -> None:
    """A terminal sends it to the whole foreground group."""
    process = _start(site, own_group=True)
    _until(lambda: Event.CHILD_STARTED in site.events(Role.SUPERVISOR), "no child was started")
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert b"Traceback" not in said
    assert not list(site.settings.work.glob("*.pid"))


def test_a_signal_is_taken_at_any_moment_of_a_wait() -> None:
    with stopping(follow_parent=False) as stop:
        with stop._cond:  # as `wait` holds it between two of its steps
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(SECONDS)


def _cut_off(raised: list[str]) -> None:
    with stopping(follow_parent=False) as stop, stop.interruptible():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except KeyboardInterrupt:
            raised.append("the interruption")
            raise RuntimeError("a class could not be made") from None


def test_a_signal_that_became_another_error_is_no_fault_of_the_work() -> None:
    raised: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        _cut_off(raised)
    assert raised == ["the interruption"]


def test_a_second_supervisor_is_refused(site: Site) -> None:
    with _supervised(site):
        second = _start(site)
        _, said = second.communicate(timeout=SECONDS)
        assert second.returncode == 2
        assert b"another supervisor works in this folder" in said
        assert b"Traceback" not in said


def test_a_killed_supervisor_takes_its_children_along(site: Site) -> None:
    with _supervised(site) as supervisor:
        children = [psutil.Process(_pid(site, role)) for role in (Role.COURIER, Role.WORKER)]
        supervisor.kill()
        _until(lambda: not any(child.is_running() for child in children), "orphans are left")


def test_new_settings_start_the_processes_again_unless_they_are_wrong(site: Site) -> None:
    work = site.settings.work

    def happened(event: Event) -> bool:
        return any(entry.event == event for entry in read_entries(log_path(work, Role.SUPERVISOR)))

    with _supervised(site):
        first = read_pid(work, Role.COURIER)
        site.config.write_text(site.config.read_text() + "checkpoint_seconds: 5\n")
        _until(lambda: read_pid(work, Role.COURIER) not in (None, first), "the courier kept its settings")
        assert happened(Event.SETTINGS_CHANGED)
        second = read_pid(work, Role.COURIER)
        site.config.write_text(site.config.read_text() + "checkpoint_secnds: 5\n")
        _until(lambda: happened(Event.SETTINGS_REJECTED), "wrong settings went unnoticed")
        assert read_pid(work, Role.COURIER) == second


def test_the_courier_needs_an_accepted_invitation(site: Site) -> None:
    site.settings.accepted.unlink()
    process = _start(site, "courier")
    _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 2
    assert b"site-client accept" in said


def test_the_health_service_follows_the_connection(site: Site, link: Link) -> None:
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    site.config.write_text(site.config.read_text() + f"health_port: {port}\n")

    def serving() -> bool:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
            except grpc.RpcError:
                return False
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    process = _start(site, "courier")
    try:
        _until(serving, "the courier did not connect")
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS)


def test_the_courier_imports_neither_torch_nor_what_reads_images() -> None:
    answer = subprocess.run([sys.executable, "-c", COURIER_MODULES], capture_output=True, check=True)
    loaded = set(json.loads(answer.stdout.splitlines()[-1]))
    heavy = {"torch", "monai", "SimpleITK", "matplotlib", "pandas", "PIL", "tifffile", "sklearn"}
    assert loaded & heavy == set()
    assert not any(name.startswith(("wardround.engine.imaging", "wardround.engine.cohort")) for name in loaded)


def test_a_check_imports_torch_for_the_trial_of_the_parts_alone(site: Site) -> None:
    """Everything else that it looks at is told without torch, and all of it without the transport."""
    program = (
        "import sys; from wardround.site_client.setup import preflight; from pathlib import Path;"
        "preflight.tried = lambda study: (print('torch' in sys.modules), [])[1];"
        f"preflight.check_site(Path({str(site.config)!r}), online=True);"
        "print('torch' in sys.modules or 'flwr' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert answer.stdout.split() == [b"False", b"False"]


def test_the_supervisor_and_a_worker_before_its_engine_import_no_transport() -> None:
    site = "wardround.site_client"
    program = f"import sys, {site}.supervisor, {site}.worker.process; print('flwr' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert answer.stdout.strip() == b"False"


STAND_INS = ("json", "torch", "numpy", "pydantic", "cryptography", "flwr", "typer", "secrets", "wardround")


def _plant(folder: Path, marker: Path) -> None:
    """Files named like libraries, each of which would leave a mark if it were imported."""
    for name in STAND_INS:
        (folder / f"{name}.py").write_text(f"open({str(marker)!r}, 'a').write({name!r} + '\\n')\nraise SystemExit(9)\n")


def test_no_file_of_the_working_folder_stands_in_for_a_library(site: Site, tmp_path: Path) -> None:
    """The console script, its courier and its worker, started in a folder full of files with the names of libraries."""
    marker, trap = tmp_path / "marker", tmp_path / "trap"
    trap.mkdir()
    for folder in (trap, site.folder):
        _plant(folder, marker)
    script = str(Path(sys.executable).with_name("site-client"))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([script, "--config", str(site.config)], cwd=trap, env=environment)
    try:
        for role, event in ((Role.COURIER, Event.STARTED), (Role.WORKER, Event.COHORT_OPENED)):
            _until(lambda role=role, event=event: event in site.events(role), f"{role} {event}")  # type: ignore[misc]
    finally:
        process.terminate()
        process.wait(timeout=SECONDS)
    assert not marker.exists(), marker.read_text()
