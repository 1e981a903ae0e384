"""What stands between a client and a server in tests: it listens on 127.0.0.1, in a thread of its own."""

from __future__ import annotations

import asyncio
import ssl
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Between(ABC):
    """A server that each connection is given to, and that drops them all when told. Use it as a context manager.

    Args:
        upstream_port: port of the real server on 127.0.0.1; may be changed at any time.
        port: port to listen on; 0 lets the system choose (see `port`).
        tls: how to speak TLS with clients, if at all.
    """

    def __init__(self, upstream_port: int, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.upstream_port = upstream_port
        self.port = port
        self._tls = tls
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__, daemon=True)

    def __enter__(self) -> Self:
        """Start to listen."""
        self._thread.start()
        if not self._ready.wait(10):
            raise RuntimeError("the proxy did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop everything and stop."""
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    @abstractmethod
    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until it ends."""

    def _drop_all(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        server = await asyncio.start_server(self._client, "127.0.0.1", self.port, ssl=self._tls)
        self.port = int(server.sockets[0].getsockname()[1])
        self._ready.set()
        await self._stopping.wait()
        server.close()
        self._drop_all()
        running = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
