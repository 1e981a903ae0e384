"""A proxy that ends TLS, understands HTTP/1.1 and misbehaves on demand. For tests of what a network can do."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections import Counter
from pathlib import Path
from types import TracebackType

from tests.support.serving import Between


class FaultProxy(Between):
    """Passes requests and responses on, unless it is to misbehave.

    Args:
        upstream_port: port of the real server on 127.0.0.1.
        ca: PEM file of the authority that signed the real server's certificate.
        certificate: PEM file that the proxy shows to clients.
        key: PEM file of its private key.
        port: port to listen on; 0 lets the system choose (see `port`).
        delay: seconds by which every request is held back; may be changed at any time.
        upstream_name: host that the real server's certificate names.
    """

    def __init__(
        self,
        upstream_port: int,
        *,
        ca: Path,
        certificate: Path,
        key: Path,
        port: int = 0,
        delay: float = 0.0,
        upstream_name: str = "127.0.0.1",
    ) -> None:
        as_server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        as_server.load_cert_chain(certificate, key)
        super().__init__(upstream_port, port, as_server)
        self.delay = delay
        self._upstream_name = upstream_name
        self.requests: Counter[str] = Counter()
        self.injected: Counter[str] = Counter()
        self._faults: dict[str, int] = {}
        self._open = True
        self._flowing = threading.Event()
        self._flowing.set()
        self._to_server = ssl.create_default_context(cafile=str(ca))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop everything and stop."""
        self._flowing.set()
        super().__exit__(kind, error, trace)

    @property
    def address(self) -> str:
        """`host:port` for clients."""
        return f"127.0.0.1:{self.port}"

    def fail_once(self, path: str, status: int = 500) -> None:
        """Answer the next request for `path` with `status`; the server never sees it."""
        self._faults[path] = status

    def cut(self) -> None:
        """Drop every connection, and every new one, until `heal`."""
        self._open = False
        self._loop.call_soon_threadsafe(self._drop_all)

    def stall(self) -> None:
        """Keep connections open but pass nothing on, until `heal`: a line that died without saying so."""
        self._flowing.clear()

    def heal(self) -> None:
        """Behave again."""
        self._open = True
        self._flowing.set()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        self._writers.add(writer)
        upstream: asyncio.StreamWriter | None = None
        try:
            server_reader, upstream = await asyncio.open_connection(
                "127.0.0.1", self.upstream_port, ssl=self._to_server, server_hostname=self._upstream_name
            )
            self._writers.add(upstream)
            while await self._exchange(reader, writer, server_reader, upstream):
                pass
        except (OSError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.LimitOverrunError):
            writer.transport.abort()  # the client sees a cut line, as it would without a proxy
        except asyncio.CancelledError:
            writer.transport.abort()  # the proxy is stopping; nobody waits for this task's result
        finally:
            for end in (writer, upstream):
                if end is not None:
                    self._writers.discard(end)
                    end.close()

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        server_reader: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
    ) -> bool:
        """Pass one request and its response on. False when a side wants to close."""
        head, body = await _read_message(reader)
        path = head.split(b" ", 2)[1].decode("ascii")
        self.requests[path] += 1
        if self.delay:
            await asyncio.sleep(self.delay)
        if path in self._faults:
            self.injected[path] += 1
            await _write(writer, _bare_response(self._faults.pop(path)))
            return True
        await self._flow()
        await _write(upstream, head + body)
        head, body = await _read_message(server_reader)
        await self._flow()
        await _write(writer, head + body)
        return b"connection: close" not in head.lower()

    async def _flow(self) -> None:
        while not self._flowing.is_set():
            await asyncio.sleep(0.05)


async def _read_message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    return head, await reader.readexactly(length)


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    with contextlib.suppress(ConnectionResetError):  # the read that follows reports it
        await writer.drain()


def _bare_response(status: int) -> bytes:
    return f"HTTP/1.1 {status} Injected\r\ncontent-length: 0\r\n\r\n".encode("ascii")
