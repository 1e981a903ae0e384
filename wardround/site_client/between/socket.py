"""How the courier talks to the worker: one line of JSON each way over a unix socket in the work folder.

The socket's mode decides who may talk: one user, or two that share the work folder. No tensor, path or case name
crosses it: work keys, counts, phases, codes.
"""

from __future__ import annotations

import os
import socket
import socketserver
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.problems import InputError
from wardround.federation.protocol import Count, Digest, RefusalCode, WireModel
from wardround.site_client.between.two_users import is_for_two

Phase = Literal["queued", "preparing", "evaluating", "training", "packing"]
_MAX_LINE = 64 * 1024
_LONGEST_PATH = 100
_ANSWER_SECONDS = 5.0
_OPEN_TO_OWNER, _OPEN_TO_GROUP = 0o177, 0o117


class Ask(WireModel):
    """From the courier: how are you (`status`), begin this work (`start`), how is it (`wait` up to `seconds`)."""

    do: Literal["status", "start", "wait"]
    work_key: Digest | None = None
    seconds: Annotated[float, Field(ge=0, le=5)] = 0.0


class CohortReport(WireModel):
    """The cohort's name by content, and its counts."""

    digest: Digest
    train_cases: Count
    validation_cases: Count
    test_cases: Count


class Fault(WireModel):
    """Why something cannot be done; the reason stands in the worker's log beside the same correlation."""

    code: RefusalCode
    correlation: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class WorkReport(WireModel):
    """How a piece of work stands."""

    state: Literal["unknown", "running", "finished", "refused"]
    phase: Phase = "queued"
    step: Count = 0
    steps: Count = 0
    seconds_left: Annotated[float, Field(ge=0)] | None = None
    fault: Fault | None = None


class WorkerReport(WireModel):
    """From the worker: how it is, and how the work that was asked about stands."""

    readiness: Literal["preparing", "ready", "broken"]
    cohort: CohortReport | None = None
    fault: Fault | None = None
    work: WorkReport | None = None


class WorkerUnreachableError(Exception):
    """Nobody answers on the worker's socket: it is starting, or it has died and starts again."""


def socket_path(work: Path) -> Path:
    """Where the worker listens."""
    return work / "worker.sock"


def ask_worker(path: Path, ask: Ask) -> WorkerReport:
    """Ask the worker once. Raises `WorkerUnreachableError` when nobody answers, or not in words of this protocol."""
    try:
        with _reachable(path) as name, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_ANSWER_SECONDS + ask.seconds)
            connection.connect(name)
            connection.sendall(canonical_model(ask) + b"\n")
            with connection.makefile("rb") as stream:
                return WorkerReport.model_validate_json(stream.readline(_MAX_LINE))
    except (OSError, ValidationError) as error:
        raise WorkerUnreachableError(type(error).__name__) from error


AskWorker = Callable[[Ask], WorkerReport]


def worker_at(work: Path) -> AskWorker:
    """Asks the worker of this work folder."""
    path = socket_path(work)
    return lambda ask: ask_worker(path, ask)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    answer: Callable[[Ask], WorkerReport]


class _Handler(socketserver.StreamRequestHandler):
    timeout = _ANSWER_SECONDS

    def handle(self) -> None:
        """Answer one line; one that is not a question ends the connection."""
        assert isinstance(self.server, _Server)
        try:
            ask = Ask.model_validate_json(self.rfile.readline(_MAX_LINE))
            self.wfile.write(canonical_model(self.server.answer(ask)) + b"\n")
        except (ValidationError, OSError):
            return


@contextmanager
def listening(path: Path, answer: Callable[[Ask], WorkerReport]) -> Iterator[socketserver.BaseServer]:
    """A server on the worker's socket, closed to others from the start; call its `serve_forever` in a thread."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with _reachable(path) as name:
        before = os.umask(_OPEN_TO_GROUP if is_for_two(path.parent) else _OPEN_TO_OWNER)
        try:
            server = _Server(name, _Handler)
        finally:
            os.umask(before)
    server.answer = answer
    try:
        yield server
    finally:
        server.server_close()
        path.unlink(missing_ok=True)


@contextmanager
def _reachable(path: Path) -> Iterator[str]:
    """A name for the socket that is short enough for the kernel: at most 107 bytes may be given."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    if not Path("/proc/self/fd").exists():
        raise InputError.one(
            "the work folder's path is too long for a unix socket", where=str(path), remedy="Choose a shorter `work`"
        )
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
