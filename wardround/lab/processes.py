"""Programs as child processes: started with a log, asked to stop by their own id, never left behind."""

from __future__ import annotations

import contextlib
import random
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.children import child_environment, module_command, thread_limits
from wardround.engine.basics.problems import InputError

__all__ = ["Machine", "Program", "free_port", "module_command", "run_to_end"]

_GRACE_SECONDS = 30.0
_LAST_LINES = 15
_LISTENING_PORTS = range(20_000, 32_000)


@dataclass(frozen=True)
class Machine:
    """What every child process is given of this machine: CPU threads."""

    threads: int = 1

    def environment(self) -> Mapping[str, str]:
        """The parent's environment with the number of threads for every numerical library; output is not held back."""
        return {**child_environment(), **thread_limits(self.threads), "PYTHONUNBUFFERED": "1"}


def run_to_end(command: Sequence[str], machine: Machine, purpose: str) -> str:
    """Run a short command and return what it printed. Raises `InputError` with its last words if it fails."""
    done = subprocess.run(command, env=machine.environment(), capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise _failed(purpose, done.returncode, done.stdout + done.stderr)
    return done.stdout


class Program:
    """One child process. Its output goes to `log`, or to the parent's terminal where `log` is None."""

    def __init__(self, name: str, command: Sequence[str], machine: Machine, log: Path | None) -> None:
        self.name, self.log = name, log
        with contextlib.ExitStack() as stack:
            output = None
            if log is not None:
                log.parent.mkdir(parents=True, exist_ok=True)
                output = stack.enter_context(log.open("ab"))
            self._process = subprocess.Popen(
                command,
                env=machine.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output else None,
            )

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, or None while the program runs."""
        return self._process.poll()

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end; the exit code. Raises `subprocess.TimeoutExpired`."""
        return self._process.wait(timeout)

    def finish(self) -> None:
        """Wait for the end. Raises `InputError` with the log's last lines unless the exit code is 0."""
        code = self.wait()
        if code != 0:
            raise _failed(self.name, code, self.log.read_text(errors="replace") if self.log else "", self.log)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if the program still runs."""
        if self.exit_code is None:
            self._process.send_signal(number)

    def stop(self, grace: float = _GRACE_SECONDS) -> None:
        """Ask the program to stop with SIGTERM; after `grace` seconds end it with SIGKILL."""
        self.send(signal.SIGTERM)
        try:
            self.wait(grace)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            self.wait()


def free_port() -> int:
    """A TCP port on the loopback interface that nobody listens on at this moment.

    It lies below the ports that the system gives to outgoing connections: one of those could be taken by any client of
    this machine before the caller listens on it.
    """
    for port in random.SystemRandom().sample(_LISTENING_PORTS, len(_LISTENING_PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise InputError.one("no port is free", expected=f"one of {_LISTENING_PORTS.start} to {_LISTENING_PORTS.stop - 1}")


def _failed(purpose: str, code: int, output: str, log: Path | None = None) -> InputError:
    last = " / ".join(output.strip().splitlines()[-_LAST_LINES:])
    return InputError.one(f"{purpose} failed with exit code {code}", where=str(log or ""), remedy=f"It said: {last}")
