"""What the site's processes have in common: one of a kind per work folder, and a clean end on a signal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from types import FrameType

from wardround.engine.basics.files import write_atomic
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.signals import unmasked
from wardround.engine.cli.runner import ExitCode
from wardround.site_client.between.two_users import work_folder
from wardround.site_client.events import Role

FRESH_PROCESS = int(ExitCode.MACHINE)
"""Exit code of a worker that cannot go on in this process, after a fault of its device or three failures in a row."""


@contextmanager
def only_one(work: Path, role: Role) -> Iterator[None]:
    """Hold the work folder's lock for a role, and its pid file. Raises `InputError` when another process holds it."""
    work_folder(work)
    with (work / f"{role.value}.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError.one(
                f"another {role.value} works in this folder",
                where=str(work),
                got=f"process {read_pid(work, role) or 'unknown'}",
                remedy="Stop that one first, or give this site its own `work` folder in site.yaml",
            ) from None
        try:
            with contextlib.suppress(OSError):  # on a full disk the process must be there to say that it is full
                write_atomic(pid_path(work, role), f"{os.getpid()}\n".encode())
            yield
        finally:
            forget_pid(work, role, os.getpid())


def pid_path(work: Path, role: Role) -> Path:
    """File with the process id of a role, present while it runs."""
    return work / f"{role.value}.pid"


def read_pid(work: Path, role: Role) -> int | None:
    """The process id in a role's pid file, if that process is alive."""
    pid = _written_pid(work, role)
    if pid is None:
        return None
    try:
        os.kill(pid, 0)
    except PermissionError:
        return pid  # somebody else's, and alive
    except OSError:
        return None
    return pid


def forget_pid(work: Path, role: Role, pid: int) -> None:
    """Remove a role's pid file if it names this process, which has ended: one that was killed leaves its file."""
    if _written_pid(work, role) == pid:
        pid_path(work, role).unlink(missing_ok=True)


def _written_pid(work: Path, role: Role) -> int | None:
    try:
        pid = int(pid_path(work, role).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return pid if pid > 0 else None


class StopRequest(threading.Event):
    """Set when the process should end. A signal may also cut off a block whose work can be lost without harm."""

    def __init__(self) -> None:
        super().__init__()
        self._interrupts = self._requested = False
        self._bell: SimpleQueue[None] = SimpleQueue()

    def request(self) -> None:
        """Take a signal, in the main thread: ask to end, and cut off an `interruptible` block.

        No lock is taken here: the signal may come while the main thread holds the event's own, in `wait`. `obey` sets
        the event, in another thread.
        """
        self._requested = True
        self._bell.put(None)
        if self._interrupts:
            raise KeyboardInterrupt

    def obey(self) -> None:
        """Wait for a request, then set the event. Runs in a thread of its own."""
        self._bell.get()
        self.set()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """While the block runs, a signal ends it by `KeyboardInterrupt`, whatever became of that on its way."""
        self._interrupts = True
        try:
            if self._requested or self.is_set():
                raise KeyboardInterrupt
            with unmasked(lambda: self._requested):
                yield
        finally:
            self._interrupts = False


@contextmanager
def on_duty(work: Path, role: Role, *, follow_parent: bool = False) -> Iterator[StopRequest]:
    """Be the only process of a role in a work folder, until the request that is yielded.

    Signals are taken before the first trace of the process lies in the folder, and until the last has gone.
    """
    with stopping(follow_parent=follow_parent) as stop, only_one(work, role):
        yield stop


@contextmanager
def stopping(*, follow_parent: bool) -> Iterator[StopRequest]:
    """A request to stop that SIGTERM and SIGINT make; with `follow_parent` also the end of standard input.

    A supervisor gives its children a pipe as standard input and never writes to it: when the supervisor is gone,
    however it went, the pipe ends and the children stop.
    """
    stop = StopRequest()

    def request(number: int, frame: FrameType | None) -> None:
        stop.request()

    threading.Thread(target=stop.obey, daemon=True).start()
    before = {number: signal.signal(number, request) for number in (signal.SIGTERM, signal.SIGINT)}
    if follow_parent:
        threading.Thread(target=_follow_parent, daemon=True).start()
    try:
        yield stop
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _follow_parent() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        continue
    os.kill(os.getpid(), signal.SIGTERM)
