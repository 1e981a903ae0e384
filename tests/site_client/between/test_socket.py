"""The courier's line to the worker: a unix socket that only the owner can use."""

from __future__ import annotations

import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wardround.site_client.between.socket import (
    Ask,
    WorkerReport,
    WorkerUnreachableError,
    WorkReport,
    ask_worker,
    listening,
    socket_path,
)


@contextmanager
def _answering(path: Path) -> Iterator[list[Ask]]:
    asked: list[Ask] = []

    def answer(ask: Ask) -> WorkerReport:
        asked.append(ask)
        return WorkerReport(readiness="ready", work=WorkReport(state="running", phase="training", step=3, steps=9))

    with listening(path, answer) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield asked
        server.shutdown()


def test_a_question_is_answered(tmp_path: Path) -> None:
    path = socket_path(tmp_path)
    with _answering(path) as asked:
        report = ask_worker(path, Ask(do="start", work_key="a" * 64))
    assert asked == [Ask(do="start", work_key="a" * 64)]
    assert report.work is not None
    assert (report.work.phase, report.work.step) == ("training", 3)


def test_only_the_owner_can_use_it(tmp_path: Path) -> None:
    path = socket_path(tmp_path)
    with _answering(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_long_folder_works_too(tmp_path: Path) -> None:
    path = socket_path(tmp_path / ("long" * 40))
    with _answering(path):
        assert ask_worker(path, Ask(do="status")).readiness == "ready"


def test_a_socket_that_a_killed_worker_left_is_replaced(tmp_path: Path) -> None:
    path = socket_path(tmp_path)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with _answering(path):
        assert ask_worker(path, Ask(do="status")).readiness == "ready"


def test_nobody_there_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(WorkerUnreachableError):
        ask_worker(socket_path(tmp_path), Ask(do="status"))


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b'{"do": "format"}\n', b"\xff\n"])
def test_what_is_no_question_is_not_answered(tmp_path: Path, line: bytes) -> None:
    path = socket_path(tmp_path)
    with _answering(path) as asked, socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        connection.connect(str(path))
        connection.sendall(line)
        assert connection.recv(100) == b""
        assert asked == []
