"""A socket that listens on 127.0.0.1 and serves each connection in a thread. For tests."""

from __future__ import annotations

import contextlib
import socket
import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

Peer = tuple[str, int]


class Listening(ABC):
    """Listens from when it is made; serves as a context manager. `port` is where."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = int(self._socket.getsockname()[1])

    def __enter__(self) -> Self:
        """Start to serve."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to accept."""
        self._socket.close()

    @abstractmethod
    def _serve(self, client: socket.socket, source: Peer) -> None:
        """One connection, until it ends."""

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the socket was closed: that is how it is told to stop
            while True:
                threading.Thread(target=self._serve, args=self._socket.accept(), daemon=True).start()
