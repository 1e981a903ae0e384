"""How a connection ends on which a request was refused: the answer goes at once, and what still comes is thrown away.

A socket that is closed while bytes of its peer lie unread resets the connection, and the peer may lose the answer that
was sent to it. So the link reads on for a while, holds nothing of it, and closes when the peer has sent all that it
announced, has gone, or has had enough of time and room.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11

from wardround.federation.flower.link.admission import GateLimits


class PartingTransport(asyncio.Transport):
    """A connection that closes as a peer needs it that is still sending. Only what HTTP/1.1 uses of it is there.

    Args:
        transport: the connection itself.
        http: what has been understood of the request.
        limits: how long and how much a refused peer may go on sending.
    """

    def __init__(self, transport: asyncio.Transport, http: h11.Connection, limits: GateLimits) -> None:
        super().__init__()
        self._transport = transport
        self._http = http
        self._room = limits.refused_bytes
        self._seconds = limits.refused_seconds
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_parting(self) -> bool:
        """Whether the last answer was given and the rest of the request is being thrown away."""
        return self._timer is not None

    def close(self) -> None:
        """Close the connection: now if the whole request is here, else when it has come."""
        if self.is_parting or self._transport.is_closing():
            return
        if self._has_everything():
            self._transport.close()
            return
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._transport.abort)
        self._transport.resume_reading()

    def throw_away(self, data: bytes) -> None:
        """Take note of what a refused peer still sends, and hold none of it."""
        self._room -= len(data)
        if self._http.their_state is h11.SEND_BODY:
            self._http.receive_data(data)
        if self._room < 0:
            self._transport.abort()
        elif self._has_everything():
            self._transport.close()

    def gone(self) -> None:
        """The connection is closed."""
        if self._timer is not None:
            self._timer.cancel()

    def _has_everything(self) -> bool:
        """Whether the request has come to its end; one that was not understood has none."""
        try:
            while self._http.their_state is h11.SEND_BODY and self._http.next_event() is not h11.NEED_DATA:
                pass
        except h11.RemoteProtocolError:
            return False
        return self._http.their_state not in (h11.SEND_BODY, h11.ERROR)

    # -- what the connection itself does

    def abort(self) -> None:
        """Drop the connection now."""
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether nothing more can be answered."""
        return self.is_parting or self._transport.is_closing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send."""
        self._transport.write(data)

    def pause_reading(self) -> None:
        """Leave what comes where it is."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take what comes."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the connection."""
        return self._transport.get_extra_info(name, default)
