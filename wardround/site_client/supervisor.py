"""Starts courier and worker, starts again what has died, and stops both together."""

from __future__ import annotations

import random
import shlex
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wardround.engine.basics.backoff import Backoff
from wardround.engine.basics.children import child_environment, module_command
from wardround.engine.basics.loudness import passed_on
from wardround.engine.basics.printable import say
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.runner import ExitCode
from wardround.federation.identities import TRANSPORT_FILE
from wardround.site_client.agreement.readiness import require_ready
from wardround.site_client.agreement.settings import SiteSettings, load_settings
from wardround.site_client.events import Event, EventLog, Role
from wardround.site_client.processes import forget_pid, on_duty
from wardround.site_client.setup.beside import require_startable, settings_or_all_beside
from wardround.site_client.status import standing_line

_BEFORE_A_START = Backoff(first=0.5, longest=30.0)
_GOOD_RUN_SECONDS = 60.0
_LOOK_EVERY = 0.2
_GRACE_SECONDS = 20.0
_QUIET: Mapping[str, str] = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"}


@dataclass
class _Child:
    """One supervised process: when it began, and when it may begin again."""

    role: Role
    work: Path
    command: Sequence[str]
    environment: Mapping[str, str]
    draws: random.Random = field(default_factory=random.Random)
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    quick_ends: int = 0
    pause: float = 0.0
    due: float = 0.0

    def start(self) -> int:
        """Start it; its standard input is a pipe that ends with this process, and Ctrl-C reaches this process alone."""
        self.process = subprocess.Popen(
            self.command, env=dict(self.environment), stdin=subprocess.PIPE, start_new_session=True
        )
        self.began = time.monotonic()
        return self.process.pid

    def died(self) -> int | None:
        """Its exit code if it has just ended; the time of its next start is then set, later after each quick end."""
        code = None if self.process is None else self.process.poll()
        if code is None:
            return None
        now = time.monotonic()
        self.quick_ends = 1 if now - self.began >= _GOOD_RUN_SECONDS else self.quick_ends + 1
        self.pause = _BEFORE_A_START.varied(self.quick_ends, self.draws)
        self.due = now + self.pause
        self.close()
        return code

    def is_due(self) -> bool:
        """Whether it should be started now."""
        return self.process is None and time.monotonic() >= self.due

    def close(self) -> None:
        """Forget the ended process, and remove the pid file that it left if it was killed."""
        if self.process is None:
            return
        if self.process.stdin is not None:
            self.process.stdin.close()
        forget_pid(self.work, self.role, self.process.pid)
        self.process = None


class Supervisor:
    """Keeps the courier and the worker of one site alive."""

    def __init__(self, config: Path, settings: SiteSettings, log: EventLog) -> None:
        self._config, self._settings, self._log = config, settings, log
        self._versions = self._look()
        self._children = self._make_children()

    def run(self, stop: threading.Event) -> None:
        """Supervise until `stop` is set, then end both children.

        Raises:
            InputError: a child ends because something is missing that people must put right, such as the agreement.
        """
        try:
            while not stop.is_set():
                self._restart_when_settings_change()
                for child in self._children:
                    self._tend(child)
                stop.wait(_LOOK_EVERY)
        finally:
            self._end_all()

    def _tend(self, child: _Child) -> None:
        code = child.died()
        if code == ExitCode.BAD_INPUT:
            require_ready(self._settings)  # what the child has said once would be said for ever
        if code is not None:
            pause = round(child.pause, 1)
            self._log.record_fault(Event.CHILD_DIED, name=child.role.value, code=code, pause=pause)
        if child.is_due():
            self._log.record_fault(Event.CHILD_STARTED, name=child.role.value, pid=child.start())

    def _restart_when_settings_change(self) -> None:
        versions = self._look()
        if versions == self._versions:
            return
        self._versions = versions
        try:
            self._settings = self._changed_settings()
        except InputError as error:
            self._log.record_fault(Event.SETTINGS_REJECTED, reason=str(error))
            return
        self._log.record_fault(Event.SETTINGS_CHANGED)
        self._end_all()
        self._children = self._make_children()

    def _changed_settings(self) -> SiteSettings:
        settings = load_settings(self._config)
        if settings.work != self._settings.work:
            raise InputError.one(
                "another work folder needs a new start",
                where=settings.place("work"),
                remedy="Stop the site client, then start it again",
            )
        require_ready(settings)
        return settings

    def _make_children(self) -> tuple[_Child, ...]:
        settings = self._settings
        return tuple(
            _Child(role, settings.work, _command(role, self._config), _environment(role, settings))
            for role in (Role.WORKER, Role.COURIER)
        )

    def _look(self) -> tuple[int, ...]:
        watched = (self._config, self._settings.accepted, self._settings.keys / TRANSPORT_FILE)
        return tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in watched)

    def _end_all(self) -> None:
        running = [child.process for child in self._children if child.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + _GRACE_SECONDS
        for process in running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for child in self._children:
            child.close()


def supervise(config: Path) -> int:
    """Run the site until SIGTERM or Ctrl-C.

    Raises:
        InputError: nothing was accepted, or something else is missing; another supervisor works in the same folder.
    """
    settings = settings_or_all_beside(config)
    require_startable(settings)
    with on_duty(settings.work, Role.SUPERVISOR) as stop:
        log = EventLog(settings.work, Role.SUPERVISOR)
        log.record_fault(Event.STARTED)
        log.record_fault(Event.STANDING, detail=standing_line(settings))
        Supervisor(config, settings, log).run(stop)
        log.record_fault(Event.STOPPED)
        say(f"To go on: site-client --config {shlex.quote(str(config))}")
    return ExitCode.OK


def _command(role: Role, config: Path) -> tuple[str, ...]:
    words = (role.value, "--config", config.resolve(), "--follow-parent", *passed_on())
    return module_command("wardround.site_client", *words)


def _environment(role: Role, settings: SiteSettings) -> dict[str, str]:
    environment = {**child_environment(), **_QUIET}
    if role is Role.WORKER and settings.threads is not None:
        threads = str(settings.threads)
        environment |= {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
    return environment
