"""The HAProxy example: HAProxy takes it, and a federation works behind it while a crowd stands before it."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.federation.flower.world import World, echo, question, wait_until
from wardround.aggregator.settings import Limits
from wardround.simulation.processes import free_port

CONFIG = Path(__file__).parents[2] / "deploy" / "haproxy.cfg"
HAPROXY = shutil.which("haproxy") or ("/usr/sbin/haproxy" if Path("/usr/sbin/haproxy").exists() else None)
installed = pytest.mark.skipif(HAPROXY is None, reason="haproxy is not installed (Debian package haproxy)")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.create(tmp_path, "north")


def test_the_settings_in_its_head_are_settings() -> None:
    assert Limits.model_validate({"trusted_proxies": ("127.0.0.1",)}).trusted_proxies == ("127.0.0.1",)
    assert 'limits: {trusted_proxies: ["127.0.0.1"]}' in CONFIG.read_text()


@installed
def test_haproxy_takes_the_example() -> None:
    found = subprocess.run([str(HAPROXY), "-c", "-f", str(CONFIG)], capture_output=True, text=True, timeout=30)
    assert found.returncode == 0, found.stderr
    assert "WARNING" not in found.stderr


@contextmanager
def before(port: int, folder: Path) -> Iterator[int]:
    """HAProxy with the example, on a port of its own, before an aggregator's port."""
    outside = free_port()
    text = (
        CONFIG.read_text()
        .replace("[::]:9443 v4v6", f"127.0.0.1:{outside}")
        .replace("127.0.0.1:9444", f"127.0.0.1:{port}")
    )
    (folder / "haproxy.cfg").write_text(text)
    process = subprocess.Popen([str(HAPROXY), "-db", "-f", str(folder / "haproxy.cfg")])
    try:
        wait_until(lambda: _answers(outside), 10, "haproxy listens")
        yield outside
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@installed
def test_a_site_works_behind_haproxy_while_a_crowd_stands_before_it(world: World, tmp_path: Path) -> None:
    with world.link(proxies=["127.0.0.1"]) as link, before(link.port, tmp_path) as port:
        crowd = [
            socket.create_connection(("127.0.0.1", port), 5, source_address=(f"127.0.{number % 4 + 1}.9", 0))
            for number in range(160)
        ]
        with world.courier("north", port):
            assert link.exchange("north", question(b"x" * 200_000), 20) == echo(question(b"x" * 200_000))
        crowd[0].settimeout(8)
        started = time.monotonic()
        with contextlib.suppress(ConnectionResetError):
            assert crowd[0].recv(1) == b"", "who says nothing is gone after three seconds"
        assert time.monotonic() - started < 8
        for connection in crowd:
            connection.close()
    assert not world.said(None, "limited", "from 127.0.0.1"), "the proxy is not taken for a crowd"
