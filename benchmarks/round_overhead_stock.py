"""An empty round with stock Flower: one `flower-superlink`, three `flower-supernode`, `flwr run`, all as installed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

APP = Path(__file__).parent / "empty_round_app"
_PATIENCE_SECONDS = 480.0


def stock_rounds(rounds: int, sites: int, folder: Path) -> list[float]:
    """Seconds of each round of one run. Raises RuntimeError, with the logs' place, when the run does not finish."""
    shutil.rmtree(folder, ignore_errors=True)
    home, report = folder / "home", folder / "seconds.json"
    home.mkdir(parents=True)
    app = shutil.copytree(APP, folder / "app")
    port = _free_port()
    (home / "config.toml").write_text(
        f'[superlink]\ndefault = "bench"\n\n[superlink.bench]\naddress = "127.0.0.1:{port}"\ninsecure = true\n'
    )
    with ExitStack() as stack:
        link = ["flower-superlink", "--insecure", "--host", "127.0.0.1", "--port", str(port)]
        stack.enter_context(_process([*link, "--disable-runtime-dependency-installation"], home, "link"))
        _wait_for_port(port)
        for site in range(sites):
            own = ["--host", "127.0.0.1", "--port", str(_free_port())]
            command = ["flower-supernode", "--insecure", "--superlink", f"127.0.0.1:{port}", *own]
            stack.enter_context(_process(command, home, f"site{site}"))
        config = f'num-rounds={rounds} sites={sites} report="{report}"'
        run = ["flwr", "run", str(app), "bench", "--run-config", config]
        with _process(run, home, "run") as started:
            started.wait(60)
        _wait_for_file(report, folder)
    return [float(seconds) for seconds in json.loads(report.read_text())]


@contextmanager
def _process(command: list[str], home: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run one of Flower's programs in a process group of its own, and end the whole group afterwards."""
    binaries = Path(sys.executable).parent
    private = {"FLWR_HOME": str(home), "FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}
    environment = {**os.environ, **private, "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}"}
    environment.pop("FLWR_PRIVATE_MAX_ARRAY_CHUNK_SIZE", None)
    with (home / f"{name}.log").open("wb") as log:
        started = subprocess.Popen(
            [str(binaries / command[0]), *command[1:]],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            yield started
        finally:
            _end_group(started)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for number, patience in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
    process.wait(5)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"flower-superlink did not listen on port {port} within 60 s")


def _wait_for_file(report: Path, folder: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not report.exists() or not report.read_text():
        if time.monotonic() > deadline:
            raise RuntimeError(f"the run did not finish within {_PATIENCE_SECONDS:.0f} s; see the logs in {folder}")
        time.sleep(0.2)
