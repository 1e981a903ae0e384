"""The link's only socket: accepts TLS connections under the gate's limits and speaks HTTP/1.1 on them (uvicorn's)."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
import ssl
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from wardround.federation.flower.events import Announcer
from wardround.federation.flower.link.admission import Admission, GateLimits, Peer, plain_address, source_of
from wardround.federation.flower.link.binding import listen
from wardround.federation.flower.link.parting import PartingTransport
from wardround.federation.flower.link.proxy_header import Proxies, ProxyHeaderError, receive_source

_SHUTDOWN_SECONDS = 2.0
_BAD_REQUEST = 400
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_RELIEF_SECONDS = 0.2
_HANDLES = 8192
"""Open files and connections: a hundred sites have up to 16 connections each, and every transfer has files."""


class GuardedProtocol(H11Protocol):
    """HTTP/1.1 that gives a peer a fixed time for its headers, counts its connection, and parts as `parting` says."""

    transport: PartingTransport

    def __init__(
        self, config: Config, state: ServerState, admission: Admission, limits: GateLimits, peer: Peer
    ) -> None:
        super().__init__(config, state, {})
        self._admission = admission
        self._peer = peer
        self._limits = limits
        self._header_seconds = limits.first_request_seconds
        self._later_seconds = limits.header_seconds
        self._header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The TLS handshake is done: wait for headers."""
        super().connection_made(PartingTransport(transport, self.conn, self._limits))
        self.client = self._peer
        self._expect_headers()
        self._admission.opened(self._peer, transport)

    def data_received(self, data: bytes) -> None:
        """More bytes: headers that drip in are timed from their first byte."""
        if self.transport.is_parting:
            self.transport.throw_away(data)
            return
        super().data_received(data)
        if self.conn.their_state is h11.IDLE:
            self._expect_headers()
        else:
            self._stop_timer()
            self._header_seconds = self._later_seconds

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, with an answer that has a length: nobody has to wait for the connection's end."""
        headers = [(b"content-length", b"0"), (b"connection", b"close")]
        for event in (h11.Response(status_code=_BAD_REQUEST, headers=headers), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer is gone."""
        self._stop_timer()
        self.transport.gone()
        self._admission.release(self._peer)
        super().connection_lost(exc)

    def _expect_headers(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self._header_seconds, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None


class Listener:
    """Runs an ASGI application on one TLS socket in a thread of its own.

    Args:
        host: address to bind; an IPv6 address works too.
        port: port to bind; 0 lets the system choose.
        tls: server side context.
        limits: times and sizes.
        admission: the connection counters.
        announcer: takes limits that were hit.
        proxies: TCP proxies before the port, which must say for whom they connect.
    """

    def __init__(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext,
        limits: GateLimits,
        admission: Admission,
        announcer: Announcer,
        proxies: Proxies,
    ) -> None:
        self._address = (host, port)
        self._tls = tls
        self._limits = limits
        self._admission = admission
        self._announcer = announcer
        self._proxies = proxies
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="wardround-link", daemon=True)
        self._state = ServerState()
        self._stopping = asyncio.Event()
        self._running = threading.Event()
        self.port = port

    def start(self, application: Callable[..., Any]) -> None:
        """Bind and serve. Raises `InputError` when the address cannot be listened on."""
        self._socket = listen(*self._address)
        _allow_handles(_HANDLES)
        self.port = int(self._socket.getsockname()[1])
        config = Config(
            cast(Any, application),
            http=GuardedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=int(self._limits.idle_seconds),
        )
        config.load()
        self._factory = partial(GuardedProtocol, config, self._state, self._admission, self._limits)
        self._thread.start()
        self._running.wait()

    def stop(self) -> None:
        """Close the socket and every connection. Returns when the thread is gone."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    def use(self, tls: ssl.SSLContext) -> None:
        """Speak TLS with this context on connections that come from now on; those that are open stay."""
        self._tls = tls

    def soon(self, action: Callable[[], None]) -> None:
        """Have the listener's own thread do something, such as drop connections. Does nothing once it has stopped."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(action)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._running.set()
        accepting = asyncio.create_task(self._accept_for_ever(self._loop))
        await self._stopping.wait()
        accepting.cancel()
        self._socket.close()
        for connection in list(self._state.connections):
            cast(GuardedProtocol, connection).transport.abort()
        running = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        await asyncio.wait([*running, asyncio.create_task(asyncio.sleep(0.05))], timeout=_SHUTDOWN_SECONDS)

    async def _accept_for_ever(self, loop: asyncio.AbstractEventLoop) -> None:
        handshakes: set[asyncio.Task[None]] = set()
        while True:
            try:
                connection, address = await loop.sock_accept(self._socket)
            except OSError as error:  # the link must not go deaf, whatever the machine lacks
                await self._not_accepted(error)
                continue
            task = asyncio.create_task(self._welcome(loop, connection, (plain_address(address[0]), int(address[1]))))
            handshakes.add(task)
            task.add_done_callback(handshakes.discard)

    async def _not_accepted(self, error: OSError) -> None:
        """Make room if the machine has none for another connection; then those that wait at the door come in."""
        if error.errno not in _NO_ROOM:
            return  # the peer has gone meanwhile
        self._announcer.limited(f"connections could not be accepted: {os.strerror(error.errno)}")
        self._admission.relieve()
        await asyncio.sleep(_RELIEF_SECONDS)

    async def _welcome(self, loop: asyncio.AbstractEventLoop, connection: socket.socket, peer: Peer) -> None:
        """Find out who it is, count it in, and speak TLS with it."""
        try:
            connection.setblocking(False)
            if peer[0] in self._proxies:
                peer = await self._behind_proxy(loop, connection, peer)
            self._admission.admit(peer, _Task(asyncio.current_task()))
            await self._shake_hands(loop, connection, peer)
        except (OSError, ssl.SSLError, ProxyHeaderError, asyncio.CancelledError) as error:
            self._admission.release(peer)
            connection.close()
            if isinstance(error, ProxyHeaderError):
                self._announcer.no_source(peer[0], str(error))
            elif not isinstance(error, asyncio.CancelledError):
                self._announcer.no_handshake(source_of(peer[0]))

    async def _behind_proxy(self, loop: asyncio.AbstractEventLoop, connection: socket.socket, proxy: Peer) -> Peer:
        async with asyncio.timeout(self._limits.handshake_seconds):
            source = await receive_source(partial(_receive, loop, connection))
        return proxy if source is None else (plain_address(source[0]), source[1])

    async def _shake_hands(self, loop: asyncio.AbstractEventLoop, connection: socket.socket, peer: Peer) -> None:
        # asyncio does this only for sockets whose protocol number is spelled out; without it answers wait 40 ms
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.connect_accepted_socket(
            partial(self._factory, peer),
            connection,
            ssl=self._tls,
            ssl_handshake_timeout=self._limits.handshake_seconds,
            ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
        )


class _Task:
    """Drops a connection whose TLS handshake is under way."""

    def __init__(self, task: asyncio.Task[None] | None) -> None:
        self._task = task

    def abort(self) -> None:
        """Give the handshake up; the task closes its socket."""
        if self._task is not None:
            self._task.cancel()


def _allow_handles(count: int) -> None:
    """Let this process have so many files and connections open, as far as the system lets it choose."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _receive(loop: asyncio.AbstractEventLoop, connection: socket.socket, count: int) -> bytes:
    received = b""
    while len(received) < count:
        block = await loop.sock_recv(connection, count - len(received))
        if not block:
            raise ProxyHeaderError("less than a PROXY header")
        received += block
    return received
