"""From the network side: the aggregator's process listens on one port, and without an enrolled key nothing is done."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
from collections.abc import Iterator

import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.end_to_end.federation import AGGREGATOR, PATIENCE, Copy, Federation, Template
from tests.federation.flower.link.test_gate import stock_paths
from wardround.aggregator.journal import Event as Journal
from wardround.federation.flower.paths import FLEET_PATHS, HEALTH_PATH
from wardround.federation.flower.signing import Signer
from wardround.federation.identities import SiteKeys
from wardround.lab.processes import free_port

pytestmark = pytest.mark.timeout(2 * PATIENCE)


@pytest.fixture(scope="module")
def alone(lone_template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """An aggregator whose site has not come."""
    with lone_template.copy(tmp_path_factory.mktemp("alone") / "federation") as federation:
        federation.start_aggregator()
        federation.wait_for(AGGREGATOR, Journal.LISTENING)
        yield federation


def ask(federation: Federation, method: str, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPSConnection("localhost", federation.port, timeout=60, context=federation.tls)
    try:
        connection.request(method, path, body=b"" if method == "POST" else None, headers=headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def open_sockets(federation: Federation) -> set[tuple[str, int]]:
    """Everything on which the aggregator or a child of it listens."""
    process = psutil.Process(federation.pid(AGGREGATOR))
    family = [process, *process.children(recursive=True)]
    found = [connection for member in family for connection in member.net_connections("inet")]
    udp = [connection for connection in found if connection.type == socket.SOCK_DGRAM]
    assert not udp
    return {tuple(connection.laddr) for connection in found if connection.status == psutil.CONN_LISTEN}


def test_the_aggregator_listens_on_the_fleet_port_and_nowhere_else(alone: Federation) -> None:
    assert open_sockets(alone) == {("127.0.0.1", alone.port)}


def test_the_health_service_if_wanted_listens_on_the_loopback_interface(
    lone_template: Template, federation_of: Copy
) -> None:
    port = free_port()
    federation = federation_of(lone_template, {"health_port": port})
    federation.start_aggregator()
    federation.wait_for(AGGREGATOR, Journal.LISTENING)
    federation.wait_until(lambda: len(open_sockets(federation)) > 1, "the health service listens")
    assert {port for _, port in open_sockets(federation)} == {federation.port, port}
    assert all(is_loopback(host) for host, _ in open_sockets(federation))


def test_without_an_enrolled_key_no_call_does_anything(alone: Federation) -> None:
    """Every route that Flower knows, without a key and with a stranger's; the closed ones with the site's own, too."""
    stranger = Signer(ec.generate_private_key(ec.SECP384R1())).headers("POST", HEALTH_PATH)
    site = Signer(SiteKeys.load(alone.lab.site_folder("north") / "keys").transport)
    paths = stock_paths() | FLEET_PATHS
    assert {path.split("/")[2] for path in paths if path.startswith("/v1/")} >= {"control", "runtime", "fleet"}
    for path in sorted(paths - {HEALTH_PATH}):
        for headers in ({}, stranger):
            assert ask(alone, "POST", path, headers) == (401 if path in FLEET_PATHS else 404, b""), path
        if path not in FLEET_PATHS:
            assert ask(alone, "POST", path, site.headers("POST", path)) == (404, b""), path
    assert ask(alone, "GET", HEALTH_PATH, {}) == (200, b"ok\n")
    assert ask(alone, "GET", HEALTH_PATH, stranger) == (401, b"")
    for detail in ("unknown key", "no key", "unknown path"):
        assert alone.said(AGGREGATOR, Journal.TURNED_AWAY, detail=detail, site=None)
    assert not alone.said(AGGREGATOR, Journal.SITE_ONLINE), "none of this counts as a sign of life of a site"


def test_plain_text_is_not_spoken(alone: Federation) -> None:
    with socket.create_connection(("127.0.0.1", alone.port), 30) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert b"200" not in connection.recv(1024)


def test_a_second_aggregator_does_not_take_over(alone: Federation) -> None:
    first = alone.pid(AGGREGATOR)
    second = alone.run_beside("second", "wardround.aggregator", "--config", alone.lab.federation_file)
    assert second.wait(PATIENCE) == 2
    assert alone.pid(AGGREGATOR) == first


def is_loopback(host: str) -> bool:
    """Whether an address, or the IPv4 address inside it, is this machine's own."""
    address = ipaddress.ip_address(host)
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
