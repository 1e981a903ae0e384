"""A line that is cut after every so many bytes or seconds. It passes bytes on unread, and counts them."""

from __future__ import annotations

import asyncio
import threading

from tests.support.serving import Between

_BLOCK = 16 * 1024


class CuttingProxy(Between):
    """Passes on what comes until it is to cut.

    Args:
        upstream_port: port of the real server; may be changed at any time.
        every: bytes, in both directions together, after which all connections are cut; None for never.
        bytes_per_second: speed of the line, None for no limit.
        every_seconds: seconds after which all connections are cut, again and again; None for never.

    `shut_after` makes the next cut last until `open` is called; `spoil_after` changes a byte that passes.
    """

    def __init__(
        self,
        upstream_port: int,
        every: float | None = None,
        bytes_per_second: float | None = None,
        every_seconds: float | None = None,
    ) -> None:
        super().__init__(upstream_port)
        self.passed = 0
        self.cuts = 0
        self.shut = threading.Event()
        self._every = every
        self._speed = bytes_per_second
        self._period = every_seconds
        self._left = every
        self._shut_after: float | None = None
        self._spoil_after: float | None = None
        self.spoilt = 0

    def shut_after(self, count: float) -> None:
        """Cut the line after `count` more bytes, and keep it cut until `open`."""
        self._shut_after = self.passed + count

    def spoil_after(self, count: float) -> None:
        """Change one byte after `count` more of them."""
        self._spoil_after = self.passed + count

    def open(self) -> None:
        """Let connections through again."""
        self._shut_after = None
        self.shut.clear()

    async def _serve(self) -> None:
        if self._period is not None:
            asyncio.create_task(self._cut_in_time(self._period))  # noqa: RUF006  (`all_tasks` in the base ends it)
        await super()._serve()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.shut.is_set():
            writer.transport.abort()
            return
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.upstream_port)
        except OSError:
            writer.transport.abort()
            return
        ends = {writer, server_writer}
        self._writers |= ends
        try:
            await asyncio.gather(self._pass_on(reader, server_writer), self._pass_on(server_reader, writer))
        except (OSError, asyncio.CancelledError):
            pass  # one side is gone, and so is the other; or the proxy is stopping, and nobody waits for this task
        finally:
            self._writers -= ends
            for end in ends:
                end.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(_BLOCK):
            if self._speed is not None:
                await asyncio.sleep(len(block) / self._speed)
            room = self._room()
            writer.write(self._spoil(block[: int(min(room, len(block)))]))
            self._count(int(min(room, len(block))))
            if len(block) >= room:
                self._cut()
                return
            await writer.drain()
        writer.transport.abort()

    def _spoil(self, block: bytes) -> bytes:
        if self._spoil_after is None or self.passed < self._spoil_after or not block:
            return block
        self._spoil_after, self.spoilt = None, self.spoilt + 1
        return block[:-1] + bytes([block[-1] ^ 1])

    async def _cut_in_time(self, period: float) -> None:
        while True:
            await asyncio.sleep(period)
            if self._writers:
                self._cut()

    def _room(self) -> float:
        ends = [self._left, None if self._shut_after is None else self._shut_after - self.passed]
        return min([max(0.0, end) for end in ends if end is not None], default=float("inf"))

    def _count(self, count: int) -> None:
        self.passed += count
        if self._left is not None:
            self._left -= count

    def _cut(self) -> None:
        self.cuts += 1
        self._left = self._every
        if self._shut_after is not None and self.passed >= int(self._shut_after):
            self.shut.set()
        self._drop_all()
