"""What the listener relies on in uvicorn and h11. If this fails after an upgrade, read `listener` and `parting`."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, cast

import h11
import pytest
from uvicorn import Config
from uvicorn.protocols import utils
from uvicorn.protocols.http import flow_control, h11_impl
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from tests.architecture.source import modules, place
from wardround.federation.flower.link.parting import PartingTransport

WHOLE = b"GET /health HTTP/1.1\r\nhost: here\r\n\r\n"
HEAD = b"POST /v1 HTTP/1.1\r\nhost: here\r\ncontent-length: 6\r\n\r\n"
READ_AGAIN = f"; written for uvicorn 0.49 and h11 0.16, this is {version('uvicorn')} and {version('h11')}"


class Wire(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


async def answer_ok(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """An application that says which client it was told of."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": repr(scope["client"]).encode()})


def _config() -> Config:
    settings: dict[str, Any] = {
        **{"http": H11Protocol, "ws": "none", "lifespan": "off", "log_config": None, "log_level": "critical"},
        **{"access_log": False, "server_header": False, "date_header": False, "timeout_keep_alive": 5},
    }
    config = Config(cast(Any, answer_ok), **settings)
    config.load()
    return config


async def _connected() -> tuple[H11Protocol, Wire, ServerState]:
    state, wire = ServerState(), Wire()
    protocol = H11Protocol(_config(), state, {})
    protocol.connection_made(wire)
    return protocol, wire, state


def _names_imported() -> Iterator[tuple[str, str]]:
    """Each name that the package imports from uvicorn and h11, with its place."""
    for module in modules():
        for name, line in module.imports():
            if name.split(".")[0] in {"uvicorn", "h11"}:
                yield name, place(module, line)


@pytest.mark.parametrize(
    "where", ["wardround/federation/flower/link/listener.py", "wardround/federation/flower/link/parting.py"]
)
def test_only_the_listener_and_the_transport_know_uvicorn_and_h11(where: str) -> None:
    places = {found.split(":")[0] for _, found in _names_imported()}
    assert where in places
    assert places <= {"wardround/federation/flower/link/listener.py", "wardround/federation/flower/link/parting.py"}


def test_the_protocol_takes_what_the_guard_passes() -> None:
    taken = list(inspect.signature(H11Protocol.__init__).parameters)[1:4]
    assert taken == ["config", "server_state", "app_state"], f"H11Protocol takes {taken}{READ_AGAIN}"
    for method, parameters in {
        "data_received": ["data"],
        "send_400_response": ["msg"],
        "connection_lost": ["exc"],
    }.items():
        found = list(inspect.signature(getattr(H11Protocol, method)).parameters)[1:]
        assert found == parameters, f"H11Protocol.{method} takes {found}{READ_AGAIN}"


def test_a_connection_has_the_attributes_that_the_guard_reads_and_sets() -> None:
    async def attributes() -> None:
        protocol, wire, state = await _connected()
        assert protocol.transport is wire, f"H11Protocol.transport is not what connection_made was given{READ_AGAIN}"
        assert isinstance(protocol.conn, h11.Connection), f"H11Protocol.conn is no h11 connection{READ_AGAIN}"
        assert protocol.loop is asyncio.get_running_loop(), f"H11Protocol.loop is another loop{READ_AGAIN}"
        assert protocol in state.connections, f"ServerState.connections does not hold the connection{READ_AGAIN}"
        protocol.connection_lost(None)
        assert protocol not in state.connections, f"a lost connection stays in ServerState.connections{READ_AGAIN}"

    asyncio.run(attributes())


def test_the_application_is_told_of_the_client_that_the_guard_sets() -> None:
    async def asked() -> bytes:
        protocol, wire, _ = await _connected()
        protocol.client = ("203.0.113.9", 4321)
        protocol.data_received(WHOLE)
        await asyncio.sleep(0)
        while not wire.written.endswith(b")\r\n0\r\n\r\n"):
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        return wire.written

    answer = asyncio.run(asyncio.wait_for(asked(), 10))
    assert b"('203.0.113.9', 4321)" in answer, f"the scope's client is not H11Protocol.client{READ_AGAIN}"
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert b"server:" not in head, f"uvicorn names itself in its answers{READ_AGAIN}"
    assert b"date:" not in head


def test_what_is_no_http_is_refused_through_the_method_that_the_guard_replaces() -> None:
    class Guarded(H11Protocol):
        refused = 0

        def send_400_response(self, msg: str) -> None:
            self.refused += 1

    async def refused() -> int:
        protocol = Guarded(_config(), ServerState(), {})
        protocol.connection_made(Wire())
        protocol.data_received(b"\x16\x03\x01 no http\r\n\r\n")
        return protocol.refused

    assert asyncio.run(refused()) == 1, f"uvicorn does not call send_400_response for what is no HTTP{READ_AGAIN}"


def test_the_transport_that_parts_has_all_that_uvicorn_uses_of_one() -> None:
    """Its other methods raise: they are asyncio's own, which nobody wrote for it."""
    sources = "\n".join(inspect.getsource(module) for module in (h11_impl, flow_control, utils))
    used = set(re.findall(r"transport\.([a-z_]+)\b", sources)) - {"set_protocol"}  # for websockets, which are off
    lacking = used - set(vars(PartingTransport))
    assert {"write", "close", "is_closing", "get_extra_info", "pause_reading", "resume_reading"} <= used
    assert not lacking, f"uvicorn uses {sorted(lacking)} of a transport, which PartingTransport lacks{READ_AGAIN}"


def test_websockets_and_lifespans_stay_off() -> None:
    config = _config()
    assert config.ws_protocol_class is None, f"a websocket could be opened{READ_AGAIN}"
    assert config.loaded_app is not None
    assert config.timeout_keep_alive == 5


def _server() -> h11.Connection:
    return h11.Connection(h11.SERVER)


def test_h11_tells_how_far_a_request_has_come() -> None:
    connection = _server()
    assert connection.their_state is h11.IDLE, f"a new connection is not IDLE{READ_AGAIN}"
    connection.receive_data(HEAD + b"abc")
    assert isinstance(connection.next_event(), h11.Request)
    assert connection.their_state is h11.SEND_BODY, f"a request without its body is not SEND_BODY{READ_AGAIN}"
    assert isinstance(connection.next_event(), h11.Data)
    assert connection.next_event() is h11.NEED_DATA, f"half a body does not ask for more{READ_AGAIN}"
    connection.receive_data(b"def")
    for event in iter(connection.next_event, h11.PAUSED):
        assert isinstance(event, h11.Data | h11.EndOfMessage)
        if isinstance(event, h11.EndOfMessage):
            break
    assert connection.their_state not in (h11.SEND_BODY, h11.ERROR), f"a whole request has no end{READ_AGAIN}"


def test_h11_calls_what_is_no_http_an_error_and_can_still_answer() -> None:
    connection = _server()
    connection.receive_data(b"\x16\x03\x01 no http\r\n\r\n")
    with pytest.raises(h11.RemoteProtocolError):
        connection.next_event()
    assert connection.their_state is h11.ERROR, f"what is no HTTP leaves no error{READ_AGAIN}"
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    events = (h11.Response(status_code=400, headers=headers), h11.EndOfMessage())
    answer = b"".join(connection.send(event) or b"" for event in events)
    assert answer.startswith(b"HTTP/1.1 400 "), f"h11 does not answer after an error{READ_AGAIN}"
    assert answer.endswith(b"\r\n\r\n")
