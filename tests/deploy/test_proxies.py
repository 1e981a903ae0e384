"""The examples of a proxy before the port, and a federation that works behind one while a crowd stands before it.

HAProxy and nginx are run where they are installed. A stand-in that speaks the same two versions of the PROXY protocol
runs everywhere, so that the aggregator's side is always proved; and what the examples say is always read.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.federation.flower.world import World, echo, question, wait_until
from tests.support.checkout import CHECKOUT
from tests.support.header_proxy import HeaderProxy, binary, line
from wardround.aggregator.settings import Limits
from wardround.federation.flower.link.admission import GateLimits
from wardround.lab.processes import free_port

DEPLOY = CHECKOUT / "deploy"
HAPROXY_CONFIG, NGINX_CONFIG = DEPLOY / "haproxy.cfg", DEPLOY / "nginx-stream.conf"
STREAM_MODULES = [Path("/usr/lib/nginx/modules/ngx_stream_module.so")]


def installed(name: str) -> str | None:
    """A program's path, also where only administrators look for it."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


HAPROXY = installed("haproxy")
NGINX = installed("nginx") if all(module.exists() for module in STREAM_MODULES) else None

Before = Callable[[int, Path], AbstractContextManager[int]]


@contextmanager
def running(command: list[str], port: int) -> Iterator[int]:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers(port), 10, f"{command[0]} listens")
        yield port
    finally:
        process.terminate()
        process.wait(10)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextmanager
def haproxy(port: int, folder: Path) -> Iterator[int]:
    """HAProxy with the example, on a port of its own, before an aggregator's port."""
    outside = free_port()
    text = HAPROXY_CONFIG.read_text().replace("[::]:9443 v4v6", f"127.0.0.1:{outside}")
    (folder / "haproxy.cfg").write_text(text.replace("127.0.0.1:9444", f"127.0.0.1:{port}"))
    with running([str(HAPROXY), "-db", "-f", str(folder / "haproxy.cfg")], outside):
        yield outside


@contextmanager
def nginx(port: int, folder: Path) -> Iterator[int]:
    """The same with nginx."""
    outside = free_port()
    text = NGINX_CONFIG.read_text().replace("listen 9443", f"listen 127.0.0.1:{outside}")
    text = text.replace("        listen [::]:9443;\n", "").replace("127.0.0.1:9444", f"127.0.0.1:{port}")
    loads = "".join(f"load_module {module};\n" for module in STREAM_MODULES)
    head = f"daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/nginx.log notice;\n{loads}"
    (folder / "nginx.conf").write_text(head + text.replace("include /etc/nginx/modules-enabled/*.conf;", ""))
    with running([str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf")], outside):
        yield outside


@contextmanager
def line_proxy(port: int, _folder: Path) -> Iterator[int]:
    """A stand-in for nginx: it keeps no crowd away, and says for whom it connects in version 1."""
    with HeaderProxy(port, line) as proxy:
        yield proxy.port


@contextmanager
def binary_proxy(port: int, _folder: Path) -> Iterator[int]:
    """A stand-in for HAProxy: the same in version 2."""
    with HeaderProxy(port, binary) as proxy:
        yield proxy.port


STAND_INS: list[Before] = [line_proxy, binary_proxy]
REAL: list[Before] = [before for before, program in ((haproxy, HAPROXY), (nginx, NGINX)) if program is not None]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.create(tmp_path, "north")


@pytest.mark.parametrize("config", [HAPROXY_CONFIG, NGINX_CONFIG], ids=["haproxy", "nginx"])
def test_the_settings_in_their_heads_are_settings(config: Path) -> None:
    assert Limits.model_validate({"trusted_proxies": ("127.0.0.1",)}).trusted_proxies == ("127.0.0.1",)
    assert '#   limits: {trusted_proxies: ["127.0.0.1"]}' in config.read_text()
    assert '#   listen: "127.0.0.1:9444"' in config.read_text()


SAYS = {
    HAPROXY_CONFIG: {
        "passes TCP on": r"^\s*mode tcp$",
        "says for whom": r"^\s*server aggregator 127\.0\.0\.1:9444 send-proxy-v2$",
        "both kinds of address": r"^\s*bind \[::\]:9443 v4v6$",
        "seconds to begin TLS": r"^\s*tcp-request inspect-delay (\d+)s$",
        "seconds of silence": r"^\s*timeout (?:client|server) (\d+)s$",
        "connections of a network": r"sc0_conn_cur gt (\d+)",
    },
    NGINX_CONFIG: {
        "passes TCP on": r"^stream \{$",
        "says for whom": r"^\s*proxy_protocol on;$",
        "both kinds of address": r"^\s*listen 9443;\n\s*listen \[::\]:9443;$",
        "seconds to begin TLS": r"^\s*preread_timeout (\d+)s;$",
        "seconds of silence": r"^\s*proxy_timeout (\d+)s;$",
        "connections of a network": r"^\s*limit_conn networks (\d+);$",
    },
}


@pytest.mark.parametrize("config", SAYS, ids=["haproxy", "nginx"])
def test_the_examples_say_what_the_aggregator_needs(config: Path) -> None:
    """A proxy must be no stricter in its times than the link is, and must not end TLS."""
    text = "\n".join(row for row in config.read_text().splitlines() if not row.lstrip().startswith("#"))
    found = {what: re.findall(pattern, text, re.MULTILINE) for what, pattern in SAYS[config].items()}
    assert all(found.values()), found
    limits = GateLimits()
    assert {float(number) for number in found["seconds to begin TLS"]} == {limits.handshake_seconds}
    assert all(float(number) > limits.body_seconds for number in found["seconds of silence"])
    assert all(int(number) >= 8 * limits.connections_per_site for number in found["connections of a network"])
    assert not re.search(r"\b(crt|ssl_certificate|ssl_certificate_key)\b", text)


@pytest.mark.parametrize("before", STAND_INS + REAL)
def test_a_site_works_behind_a_proxy_while_a_crowd_stands_before_it(
    world: World, tmp_path: Path, before: Before
) -> None:
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
    assert world.said(None, "limited", "from 127.0.1.0/24") == (before in STAND_INS), "the crowd is named, or kept away"
    assert not world.said(None, "limited", "from 127.0.0"), "the proxy is not taken for a crowd"


@pytest.mark.parametrize("before", STAND_INS + REAL)
def test_what_is_no_tls_is_dropped_by_a_real_proxy_and_else_named(world: World, tmp_path: Path, before: Before) -> None:
    with (
        world.link(proxies=["127.0.0.1"]) as link,
        before(link.port, tmp_path) as port,
        socket.create_connection(("127.0.0.1", port), 5, source_address=("127.0.9.9", 0)) as plain,
    ):
        plain.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert b"HTTP" not in plain.recv(100)
    named = world.said(None, "refused", "tls handshake failed, from 127.0.9.0/24")
    assert named == (before in STAND_INS)
