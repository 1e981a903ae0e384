"""Nothing but the fleet protocol of known sites passes the public listener, and no peer can take up much of it."""

from __future__ import annotations

import http.client
import os
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
import pytest

from tests.federation.flower.world import FLEET, World, as_lines, question, signed, signer_for, wait_until
from tests.support.certificates import new_key, public_pem
from wardround.federation.flower.link.gate import FLEET_PATHS
from wardround.federation.flower.link.link import GateLimits, Link, TlsFiles
from wardround.federation.flower.node.probe import client_context


@contextmanager
def tls(world: World, port: int) -> Iterator[ssl.SSLSocket]:
    raw = socket.create_connection(("127.0.0.1", port), 10)
    with client_context(world.ca).wrap_socket(raw, server_hostname="127.0.0.1") as wrapped:
        yield wrapped


def ask(
    world: World,
    port: int,
    path: str,
    method: str = "POST",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=client_context(world.ca))
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read(), dict(response.getheaders())
    finally:
        connection.close()


def stock_paths() -> set[str]:
    """Every route of Flower's own server, as Flower lists them: new ones are covered when they appear."""
    from flwr.supercore.protobuf.translation import PROTOBUF_REQUEST_TYPES
    from flwr.superlink.main import create_app

    paths = set(create_app().openapi()["paths"]) | {path for _, path in PROTOBUF_REQUEST_TYPES}
    return paths | {"/", "/docs", "/openapi.json", "/redoc", "/v1/fleet/", "/v1/fleet/pull-messages/", "/metrics"}


def ended(connection: ssl.SSLSocket, seconds: float) -> bool:
    """Whether the peer closes the connection within some seconds."""
    connection.settimeout(seconds)
    try:
        return connection.recv(65536) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def taken_before_cut(connection: ssl.SSLSocket, block: bytes) -> int:
    """Bytes that a peer can write, of 65 MB, before the line is cut. Kernels hold some of them."""
    for count in range(1000):
        try:
            connection.sendall(block)
        except OSError:
            return count * len(block)
    return 1000 * len(block)


def test_every_route_of_the_stock_server_is_closed_with_and_without_a_site_key(world: World) -> None:
    closed = sorted(stock_paths() - FLEET_PATHS - {"/health"})
    assert len(closed) > 50, "Flower's list of routes was not found"
    with world.link() as link:
        signer = signer_for(link, world.keys["north"])
        for path in closed:
            posted, got = signer.headers("POST", path, b"\x08\x01"), signer.headers("GET", path, b"\x08\x01")
            for method, headers in (("POST", {}), ("POST", posted), ("GET", got), ("PUT", {})):
                status, body, _ = ask(world, link.port, path, method, b"\x08\x01", headers)
                assert (status, body) == (404, b""), f"{method} {path} with {len(headers)} headers"


@pytest.mark.parametrize("path", ["//v1/fleet/pull-messages", "/v1/fleet/../control/start-run", "/V1/FLEET/GET-RUN"])
def test_spellings_of_a_path_do_not_pass(world: World, path: str) -> None:
    with world.link() as link:
        assert ask(world, link.port, path, headers=signed(link, world.keys["north"], target=path))[0] == 404


def test_fleet_paths_take_posts_only(world: World) -> None:
    with world.link() as link:
        for path in sorted(FLEET_PATHS):
            assert ask(world, link.port, path, "GET")[0] == 404
            assert ask(world, link.port, path)[:2] == (401, b"")


def test_health_answers_anybody_with_little(world: World) -> None:
    with world.link() as link:
        status, body, headers = ask(world, link.port, "/health", "GET")
        assert (status, body) == (200, b"ok\n")
        assert {name.lower() for name in headers} == {"content-length", "connection", "date"}


def test_the_process_listens_on_one_socket_only(world: World) -> None:
    def listening() -> set[int]:
        return {
            connection.laddr.port
            for connection in psutil.Process().net_connections("all")
            if connection.status == psutil.CONN_LISTEN
        }

    before = listening()
    with world.link() as link, world.courier("north", link.port):
        assert link.exchange("north", question(), 20) is not None
        assert listening() - before == {link.port}
    assert listening() == before


def test_websockets_are_not_spoken(world: World) -> None:
    upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "x"}
    with world.link() as link:
        assert ask(world, link.port, "/v1/fleet/pull-messages", "GET", headers=upgrade)[0] == 404


def test_an_unknown_key_gets_nowhere_and_is_reported(world: World) -> None:
    with world.link() as link:
        stranger = signed(link, new_key())
        for path in sorted(FLEET_PATHS):
            assert ask(world, link.port, path, body=b"\x08\x01", headers=stranger)[:2] == (401, b"")
        with world.courier("stranger", link.port, key=new_key()):
            wait_until(lambda: "refused" in world.node_kinds("stranger"), 10, "the stranger is told")
            assert "connected" not in world.node_kinds("stranger")
    assert world.said(None, "refused", "unknown key")
    assert not any(event.kind == "online" for event in world.link_events)


def test_a_site_cannot_speak_for_another(three: World) -> None:
    from flwr.proto.fleet_pb2 import ActivateNodeRequest, PullMessagesRequest
    from flwr.proto.node_pb2 import Node

    with three.link() as link:
        signer, path = signer_for(link, three.keys["north"]), "/v1/fleet/activate-node"
        assert link._state is not None
        other = Node(node_id=link._state.node_id("south"))
        pull = PullMessagesRequest(node=other).SerializeToString()
        activate = ActivateNodeRequest(public_key=public_pem(three.keys["south"]), heartbeat_interval=10.0)
        for target, body in ((FLEET, pull), (path, activate.SerializeToString())):
            status, _, told = ask(three, link.port, target, body=body, headers=signer.headers("POST", target, body))
            assert (status, "wardround-refusal" in told) == (401, False), "the signature passed, the claim did not"


def test_a_site_cannot_store_an_instruction_for_another(three: World) -> None:
    from flwr.common.serde import message_to_proto
    from flwr.proto.fleet_pb2 import PushMessagesRequest, PushMessagesResponse
    from flwr.proto.node_pb2 import Node

    from wardround.federation.flower.cargo import cut
    from wardround.federation.flower.wire import AGGREGATOR_NODE_ID, Route, pack

    with three.link() as link:
        state = link._state
        assert state is not None
        parcel = pack(question(), cut(b""), Route(state.run_id, AGGREGATOR_NODE_ID, state.node_id("south")), 60)
        request = PushMessagesRequest(
            node=Node(node_id=state.node_id("north")),
            messages_list=[message_to_proto(parcel.head)],
            message_object_trees=[parcel.tree],
        )
        path, body = "/v1/fleet/push-messages", request.SerializeToString()
        headers = signed(link, three.keys["north"], target=path, body=body)
        status, answer, _ = ask(three, link.port, path, body=body, headers=headers)
        assert status == 200
        assert not PushMessagesResponse.FromString(answer).objects_to_push
        assert state.num_message_ins() == 0
        assert not state._object_push_sessions


def test_large_bodies_are_refused_before_they_are_held(world: World) -> None:
    limits = GateLimits(body_bytes=100_000)
    with world.link(limits=limits) as link:
        signer, body = signer_for(link, world.keys["north"]), b"x" * 100_001
        assert ask(world, link.port, FLEET, body=body, headers=signer.headers("POST", FLEET, body))[0] == 413
        before = psutil.Process().memory_info().rss
        with tls(world, link.port) as connection:
            head = as_lines(signer.headers("POST", FLEET))
            connection.sendall(f"POST {FLEET} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n{head}\r\n".encode())
            assert taken_before_cut(connection, b"10000\r\n" + b"x" * 0x10000 + b"\r\n") < 40_000_000
        assert psutil.Process().memory_info().rss - before < 20_000_000
    assert world.said("north", "limited", "body too large")


def test_strangers_cannot_make_the_link_hold_their_bodies(world: World) -> None:
    with world.link() as link, tls(world, link.port) as connection:
        before = psutil.Process().memory_info().rss
        connection.sendall(f"POST {FLEET} HTTP/1.1\r\nhost: x\r\ncontent-length: 600000000\r\n\r\n".encode())
        assert taken_before_cut(connection, b"x" * 65536) < 40_000_000
        assert psutil.Process().memory_info().rss - before < 10_000_000


def test_a_peer_that_drips_headers_is_cut(world: World) -> None:
    with world.link(limits=GateLimits(first_request_seconds=0.6)) as link, tls(world, link.port) as connection:
        started = time.monotonic()
        for letter in b"POST /v1/fleet/pull-messages HTTP/1.1":
            try:
                connection.sendall(bytes([letter]))
            except OSError:
                break
            time.sleep(0.1)
        assert ended(connection, 3)
        assert time.monotonic() - started < 3


def test_a_peer_that_says_nothing_is_cut(world: World) -> None:
    with world.link(limits=GateLimits(handshake_seconds=0.6, first_request_seconds=0.6)) as link:
        with tls(world, link.port) as connection:
            assert ended(connection, 3)
        with socket.create_connection(("127.0.0.1", link.port), 5) as silent:
            silent.settimeout(3)
            assert silent.recv(1) == b"", "a peer that never starts its TLS handshake is cut"


def test_a_site_that_drips_its_body_is_cut(world: World) -> None:
    limits = GateLimits(body_seconds=0.6)
    with world.link(limits=limits) as link, tls(world, link.port) as connection:
        head = as_lines(signed(link, world.keys["north"]))
        connection.sendall(f"POST {FLEET} HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n{head}\r\nab".encode())
        connection.settimeout(3)
        assert connection.recv(1000).startswith(b"HTTP/1.1 408")
    assert world.said("north", "limited", "body too slow")


def test_connections_of_strangers_are_limited_but_a_site_still_works(world: World) -> None:
    limits = GateLimits(strangers_per_source=5, returning_per_address=5)
    with world.link(limits=limits) as link, world.courier("north", link.port):
        assert link.exchange("north", question(), 20) is not None
        strangers = [socket.create_connection(("127.0.0.1", link.port), 5) for _ in range(30)]
        try:
            wait_until(lambda: world.said(None, "limited", "from 127.0.0.1 without"), 5, "the limit is reported")
            assert link.exchange("north", question(os.urandom(100_000)), 20) is not None
        finally:
            for stranger in strangers:
                stranger.close()


def test_the_oldest_connection_of_a_site_makes_room(world: World) -> None:
    with world.link(limits=GateLimits(connections_per_site=2)) as link, ExitStack() as stack:
        signer = signer_for(link, world.keys["north"])
        connections = [stack.enter_context(tls(world, link.port)) for _ in range(3)]
        for connection in connections:
            head = as_lines(signer.headers("POST", FLEET))
            connection.sendall(f"POST {FLEET} HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n{head}\r\n".encode())
            time.sleep(0.2)
        assert ended(connections[0], 3)
        assert not ended(connections[1], 0.3)
        assert not ended(connections[2], 0.3)
    assert world.said("north", "limited", "of one site")


def test_a_key_file_may_have_other_line_ends(world: World) -> None:
    files = world.certificates
    roster = {"north": b"\r\n" + public_pem(world.keys["north"]).replace(b"\n", b"\r\n") + b"\r\n"}
    tls_files = TlsFiles(files.ca, files.certificate, files.key)
    with Link(host="127.0.0.1", port=0, tls=tls_files, sites=roster) as link, world.courier("north", link.port):
        assert link.exchange("north", question(), 20) is not None


def test_two_sites_cannot_share_a_key(world: World) -> None:
    files, key = world.certificates, public_pem(world.keys["north"])
    tls_files = TlsFiles(files.ca, files.certificate, files.key)
    with pytest.raises(ValueError, match="has the key of another site"):
        Link(host="127.0.0.1", port=0, tls=tls_files, sites={"north": key, "south": key})
