"""A small proxy that connects (HTTP CONNECT), wants a password if it is told to, and refuses on demand."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading

from tests.support.listening import Listening, Peer


class ConnectProxy(Listening):
    """Listens on 127.0.0.1. Use it as a context manager.

    Args:
        user: who may use it, with `password`; None lets everybody.
        password: see `user`.
        answer: a status line with which every request is refused, instead of connecting.
    """

    def __init__(self, user: str | None = None, password: str = "", answer: bytes | None = None) -> None:
        super().__init__()
        self._wanted = None
        if user is not None:
            self._wanted = b"Basic " + base64.b64encode(f"{user}:{password}".encode())
        self._answer = answer
        self.connected: list[str] = []

    def _serve(self, client: socket.socket, source: Peer) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                received = client.recv(1)
                if not received:
                    return
                head += received
            lines = head.split(b"\r\n")
            refusal = self._refusal(lines)
            if refusal is not None:
                client.sendall(refusal + b"\r\ncontent-length: 0\r\n\r\n")
                return
            target = lines[0].split()[1].decode("ascii")
            host, _, port = target.rpartition(":")
            with socket.create_connection((host.strip("[]"), int(port)), 10) as server:
                self.connected.append(target)
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                other = threading.Thread(target=_pass_on, args=(server, client), daemon=True)
                other.start()
                _pass_on(client, server)
                other.join(5)

    def _refusal(self, lines: list[bytes]) -> bytes | None:
        if self._answer is not None:
            return self._answer
        given = dict(line.split(b": ", 1) for line in lines[1:] if b": " in line)
        offered = {name.lower(): value for name, value in given.items()}.get(b"proxy-authorization")
        return None if self._wanted in (None, offered) else b"HTTP/1.1 407 Proxy Authentication Required"


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)
