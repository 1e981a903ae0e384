"""A TCP proxy that says for whom it connects (PROXY protocol, version 1 or 2), as HAProxy and nginx do. For tests."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import struct
import threading
from collections.abc import Callable

from tests.support.listening import Listening, Peer

MAGIC = b"\r\n\r\n\x00\r\nQUIT\n"


def line(source: Peer, target: Peer = ("127.0.0.1", 9443)) -> bytes:
    """A header of version 1."""
    version = ipaddress.ip_address(source[0]).version
    end = target[0] if version == 4 else "::1"
    return f"PROXY TCP{version} {source[0]} {end} {source[1]} {target[1]}\r\n".encode()


def binary(source: Peer, target: Peer = ("127.0.0.1", 9443), more: bytes = b"", command: int = 0x21) -> bytes:
    """A header of version 2."""
    address = ipaddress.ip_address(source[0])
    family, nowhere = (0x11, b"\0" * 4) if address.version == 4 else (0x21, b"\0" * 16)
    rest = address.packed + nowhere + struct.pack("!HH", source[1], target[1]) + more
    return MAGIC + bytes([command, family]) + struct.pack("!H", len(rest)) + rest


class HeaderProxy(Listening):
    """Listens on 127.0.0.1 and passes everything on to another port, a header first. Use it as a context manager."""

    def __init__(self, upstream_port: int, header: Callable[[Peer], bytes]) -> None:
        super().__init__()
        self._upstream_port = upstream_port
        self._header = header

    def _serve(self, client: socket.socket, source: Peer) -> None:
        with (
            client,
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self._upstream_port)) as server,
        ):
            server.sendall(self._header(source))
            other = threading.Thread(target=pass_on, args=(server, client), daemon=True)
            other.start()
            pass_on(client, server)
            other.join()


def pass_on(source: socket.socket, target: socket.socket) -> None:
    """Pass bytes on until either end is gone."""
    with contextlib.suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
