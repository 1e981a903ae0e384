"""PROXY protocol, versions 1 and 2: who is behind a trusted proxy; nobody else can say such a thing."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import ssl
from collections.abc import Callable

import pytest

from tests.federation.flower.world import World, wait_until
from tests.support.header_proxy import MAGIC, binary, line
from wardround.federation.flower.link.admission import GateLimits
from wardround.federation.flower.link.proxy_header import (
    FIXED_BYTES,
    Proxies,
    ProxyHeaderError,
    read_source,
    receive_source,
    rest_bytes,
)
from wardround.federation.flower.node.probe import client_context, probe

SOURCES = ["203.0.113.9", "2001:db8::9"]


def header(source: str, port: int = 4711, more: bytes = b"", command: int = 0x21) -> bytes:
    return binary((source, port), more=more, command=command)


def text(source: str, port: int = 4711) -> bytes:
    return line((source, port))


def read(whole: bytes) -> tuple[str, int] | None:
    return read_source(whole[:FIXED_BYTES], whole[FIXED_BYTES:])


class Line:
    """Gives bytes as they are asked for, and notes what is left."""

    def __init__(self, coming: bytes) -> None:
        self.left = coming

    async def receive(self, count: int) -> bytes:
        given, self.left = self.left[:count], self.left[count:]
        if len(given) < count:
            raise ProxyHeaderError("cut short")
        return given


def received(coming: bytes) -> tuple[tuple[str, int] | None, bytes]:
    """What is said of the source, and what follows the header."""
    whole = Line(coming)
    return asyncio.run(receive_source(whole.receive)), whole.left


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("header_of", [header, text])
@pytest.mark.parametrize("follows", [b"", b"\x16\x03\x01", b"\r\n", b"PROXY UNKNOWN\r\n"])
def test_a_header_in_either_version_is_read_and_not_a_byte_more(
    source: str, header_of: Callable[[str], bytes], follows: bytes
) -> None:
    assert received(header_of(source) + follows) == ((source, 4711), follows)


@pytest.mark.parametrize("speaks", [b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN ff:: x 99999 1\r\n", MAGIC + b"\x20\0\0\0"])
def test_a_proxy_that_speaks_for_itself_names_nobody(speaks: bytes) -> None:
    assert received(speaks + b"\x16") == (None, b"\x16")


@pytest.mark.parametrize(
    "words",
    [
        b"PROXY\r\n",
        b"PROXY TCP4\r\n",
        b"PROXY TCP4 203.0.113.9 127.0.0.1 1\r\n",
        b"PROXY TCP4 203.0.113.9 127.0.0.1 1 2 3\r\n",
        b"PROXY TCP4 2001:db8::9 ::1 1 2\r\n",
        b"PROXY TCP6 203.0.113.9 127.0.0.1 1 2\r\n",
        b"PROXY TCP5 203.0.113.9 127.0.0.1 1 2\r\n",
        b"PROXY TCP4 203.0.113.999 127.0.0.1 1 2\r\n",
        b"PROXY TCP4  203.0.113.9 127.0.0.1 1 2\r\n",
        b"PROXY TCP4 203.0.113.9 127.0.0.1 65536 2\r\n",
        b"PROXY TCP4 203.0.113.9 127.0.0.1 -1 2\r\n",
        b"PROXY TCP4 203.0.113.9 127.0.0.1 01 2\r\n",
        "PROXY TCP4 203.0.113.9 127.0.0.1 ١ 2\r\n".encode(),
        b"PROXY TCP4 203.0.113.9 127.0.0.1 1 2\n",
        b"PROXY TCP4 203.0.113.9 127.0.0.1 1 2",
        b"PROXY TCP4 " + b"1" * 200 + b"\r\n",
        b"proxy TCP4 203.0.113.9 127.0.0.1 1 2\r\n",
        b"\xff" * 200,
    ],
)
def test_what_is_no_line_of_version_1_is_refused(words: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        received(words)


@pytest.mark.parametrize("source", ["203.0.113.9", "2001:db8::9"])
@pytest.mark.parametrize("more", [b"", b"\x04\x00\x03abc"])
def test_the_source_is_read(source: str, more: bytes) -> None:
    whole = header(source, more=more)
    assert rest_bytes(whole[:FIXED_BYTES]) == len(whole) - FIXED_BYTES
    assert read(whole) == (source, 4711)


def test_a_proxy_may_speak_for_itself() -> None:
    assert read(header("203.0.113.9", command=0x20)) is None
    assert read(MAGIC + b"\x20\x00\x00\x00") is None


@pytest.mark.parametrize("seed", range(30))
def test_no_bytes_break_the_parser(seed: int) -> None:
    draw = random.Random(seed)
    whole = bytearray(header(draw.choice(["203.0.113.9", "2001:db8::9"])))
    for _ in range(draw.randint(1, 4)):
        whole[draw.randrange(len(whole))] = draw.randrange(256)
    words = bytearray(text(draw.choice(SOURCES)))
    words[draw.randrange(len(words))] = draw.randrange(256)
    for content in (bytes(whole), bytes(whole)[: draw.randrange(len(whole))], draw.randbytes(40), bytes(words)):
        with contextlib.suppress(ProxyHeaderError):
            read(content)
        with contextlib.suppress(ProxyHeaderError):
            received(content)


@pytest.mark.parametrize(
    "whole",
    [
        b"",
        b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n",
        bytes.fromhex("160301020001000000000000000000000000"),
        header("203.0.113.9")[:-1],
        header("203.0.113.9") + b"x",
        header("203.0.113.9", command=0x22),
        header("203.0.113.9", command=0x11),
        MAGIC + b"\x21\x31\x00\x0c" + b"\0" * 12,
        MAGIC + b"\x21\x11\xff\xff",
        MAGIC + b"\x21\x21\x00\x0c" + b"\0" * 12,
    ],
)
def test_what_is_no_header_is_refused(whole: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        read(whole)


def test_which_addresses_are_proxies() -> None:
    proxies = Proxies.of(["10.0.0.7", "2001:db8::/32"])
    assert all(address in proxies for address in ("10.0.0.7", "2001:db8::5"))
    assert not any(address in proxies for address in ("10.0.0.8", "::1", "", "x"))


def shake_hands(world: World, port: int, source: str, first: bytes) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5, (source, 0)) as raw:
        raw.sendall(first)
        with client_context(world.ca).wrap_socket(raw, server_hostname="127.0.0.1") as wrapped:
            return wrapped.version() is not None
    return False


def test_only_a_trusted_proxy_may_say_for_whom_it_speaks_and_it_must(world: World) -> None:
    limits = GateLimits(handshake_seconds=1.0)
    with world.link(proxies=["127.0.7.7"], limits=limits) as link:
        assert shake_hands(world, link.port, "127.0.7.7", header("203.0.113.9"))
        assert shake_hands(world, link.port, "127.0.7.7", text("203.0.113.9"))
        assert not shake_hands(world, link.port, "127.0.7.7", b"")
        assert shake_hands(world, link.port, "127.0.8.8", b"")
        assert not shake_hands(world, link.port, "127.0.8.8", header("203.0.113.9"))
        assert not shake_hands(world, link.port, "127.0.8.8", text("203.0.113.9"))
        assert probe(f"127.0.0.1:{link.port}", world.ca).healthy
    assert world.said(None, "limited", "the proxy 127.0.7.7 sent")


def test_a_crowd_behind_a_proxy_counts_by_its_own_addresses(world: World) -> None:
    limits = GateLimits(strangers_per_source=2)
    with world.link(proxies=["127.0.0.1"], limits=limits) as link, contextlib.ExitStack() as stack:
        held = []
        for number in range(6):
            raw = stack.enter_context(socket.create_connection(("127.0.0.1", link.port), 5))
            raw.sendall(header(f"203.0.113.{number}"))
            held.append(raw)
        wait_until(lambda: world.said(None, "limited", "203.0.113.0/24"), 5, "the network is named")
        lone = stack.enter_context(socket.create_connection(("127.0.0.1", link.port), 5))
        lone.sendall(header("198.51.100.1"))
        with client_context(world.ca).wrap_socket(lone, server_hostname="127.0.0.1") as wrapped:
            assert isinstance(wrapped, ssl.SSLSocket)
            assert wrapped.version() is not None
