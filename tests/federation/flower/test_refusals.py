"""A request that is refused before its body has come is seen as refused by whoever sends it, every time."""

from __future__ import annotations

import contextlib
import time
from base64 import b64encode
from collections.abc import Callable, Mapping

import httpcore
import pytest
from httpcore._backends.sync import SyncStream

from tests.federation.flower.link.test_gate import ask, ended, taken_before_cut, tls
from tests.federation.flower.world import FLEET, World, as_lines, question, signed, signer_for, wait_until
from tests.support.certificates import new_key
from wardround.federation.flower.link.gate import GateLimits
from wardround.federation.flower.node.probe import client_context
from wardround.federation.flower.node.way import open_way
from wardround.federation.flower.signing import FORMER_KEY_HEADER, Signer

LIMITS = GateLimits(body_bytes=100_000)
BODY = b"x" * 1_000_000
TIMES = 50

Headers = Mapping[str, str]
Refused = Callable[[Signer, Signer], tuple[str, Headers]]
"""Makes a request of two signers that know the link: the site's own, and a stranger's."""


def too_large(site: Signer, _stranger: Signer) -> tuple[str, Headers]:
    return FLEET, site.headers("POST", FLEET, BODY)


def unsigned(_site: Signer, _stranger: Signer) -> tuple[str, Headers]:
    return FLEET, {}


def unknown_key(_site: Signer, stranger: Signer) -> tuple[str, Headers]:
    return FLEET, stranger.headers("POST", FLEET, BODY)


def for_another_path(site: Signer, _stranger: Signer) -> tuple[str, Headers]:
    return FLEET, site.headers("POST", FLEET + "x", BODY)


def outdated(site: Signer, _stranger: Signer) -> tuple[str, Headers]:
    return FLEET, {FORMER_KEY_HEADER.decode(): b64encode(site.public_key).decode()}


def wrong_path(site: Signer, _stranger: Signer) -> tuple[str, Headers]:
    return "/v1/control/start-run", site.headers("POST", "/v1/control/start-run", BODY)


def too_many_headers(_site: Signer, _stranger: Signer) -> tuple[str, Headers]:
    return FLEET, {f"x-{number}": "y" * 1000 for number in range(700)}


def no_http(_site: Signer, _stranger: Signer) -> tuple[str, Headers]:
    return FLEET, {"transfer-encoding": "nonsense"}


REFUSED: dict[Refused, int] = {
    too_large: 413,
    unsigned: 401,
    unknown_key: 401,
    for_another_path: 401,
    outdated: 426,
    wrong_path: 404,
    too_many_headers: 400,
    no_http: 400,
}


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: refused.__name__)
def test_a_client_that_reads_only_after_it_has_sent_everything_sees_each_refusal(
    world: World, refused: Refused
) -> None:
    with world.link(limits=LIMITS) as link:
        site, stranger = signer_for(link, world.keys["north"]), signer_for(link, new_key())
        for _ in range(TIMES):
            path, headers = refused(site, stranger)
            assert ask(world, link.port, path, body=BODY, headers=dict(headers))[0] == REFUSED[refused]


def test_a_second_machine_sees_that_it_is_refused(world: World) -> None:
    with world.link() as link:
        first, second = signer_for(link, world.keys["north"]), Signer(world.keys["north"], "b" * 32)
        second.learn(link._roster.link)
        assert ask(world, link.port, FLEET, headers=first.headers("POST", FLEET))[0] != 409
        for _ in range(TIMES):
            assert ask(world, link.port, FLEET, body=BODY, headers=second.headers("POST", FLEET, BODY))[0] == 409


def test_a_body_above_the_usual_limit_is_refused_and_the_refusal_is_seen(world: World) -> None:
    body = b"x" * (GateLimits().body_bytes + 1)
    with world.link() as link:
        signer = signer_for(link, world.keys["north"])
        for headers, status in ((signer.headers("POST", FLEET, body), 413), ({}, 401)):
            assert ask(world, link.port, FLEET, body=body, headers=headers)[0] == status


def test_a_refused_peer_is_answered_at_once_and_kept_no_longer_than_it_sends(world: World) -> None:
    """The answer does not wait for the body; the connection ends when the body does, or when the peer goes."""
    with world.link() as link, tls(world, link.port) as connection:
        started = time.monotonic()
        connection.sendall(f"POST {FLEET} HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\na".encode())
        connection.settimeout(3)
        assert connection.recv(1000).startswith(b"HTTP/1.1 401")
        assert not ended(connection, 0.3)
        connection.sendall(b"bcd")
        assert ended(connection, 3)
        assert time.monotonic() - started < GateLimits().refused_seconds


@pytest.mark.parametrize("head", ["content-length: 600000000\r\n\r\n", "transfer-encoding: nonsense\r\n\r\n"])
def test_a_refused_peer_has_an_end_of_time_and_of_room(world: World, head: str) -> None:
    request = f"POST {FLEET} HTTP/1.1\r\nhost: x\r\n{head}".encode()
    with world.link(limits=GateLimits(refused_seconds=0.5)) as link, tls(world, link.port) as silent:
        silent.sendall(request)
        assert silent.recv(1000).startswith(b"HTTP/1.1 40")
        assert ended(silent, 3)
        wait_until(lambda: len(link._admission._strangers) == 0, 3, "its place is free")
    with world.link(limits=GateLimits(refused_bytes=100_000)) as link, tls(world, link.port) as flood:
        flood.sendall(request)
        assert taken_before_cut(flood, b"x" * 65536) < 8_000_000
        wait_until(lambda: len(link._admission._strangers) == 0, 3, "its place is free")


def test_a_second_request_behind_a_refused_one_is_not_answered(world: World) -> None:
    with world.link(limits=LIMITS) as link, tls(world, link.port) as connection:
        health = "GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
        connection.sendall(f"POST {FLEET} HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab{health}{health}".encode())
        connection.settimeout(3)
        told = b""
        with contextlib.suppress(OSError):
            while block := connection.recv(1000):
                told += block
        assert told.count(b"HTTP/1.1") == 1


def test_nobody_is_invited_to_send_what_would_be_refused(world: World) -> None:
    with world.link(limits=LIMITS) as link, tls(world, link.port) as connection:
        head = as_lines(signed(link, world.keys["north"]))
        request = f"POST {FLEET} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 100001\r\n{head}\r\n"
        connection.sendall(request.encode())
        connection.settimeout(3)
        assert connection.recv(1000).startswith(b"HTTP/1.1 413")


# -- the site's end


def test_a_site_reads_an_answer_although_its_sending_failed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody on the way may be less patient than the link, and cut the line when there is an answer."""
    sent, write = [0], SyncStream.write

    def broken(stream: SyncStream, content: bytes, timeout: float | None = None) -> None:
        sent[0] += len(content)
        if sent[0] > 300_000:
            raise httpcore.WriteError("broken pipe")
        write(stream, content, timeout)

    monkeypatch.setattr(SyncStream, "write", broken)
    with world.link(limits=LIMITS) as link:
        address = f"127.0.0.1:{link.port}"
        headers = signed(link, world.keys["north"], body=BODY)
        parts = (BODY[start : start + 100_000] for start in range(0, len(BODY), 100_000))
        with open_way(address, client_context(world.ca), 5) as client:
            headers["content-length"] = str(len(BODY))
            assert client.post(f"https://{address}{FLEET}", content=parts, headers=headers).status_code == 413
    assert sent[0] < len(BODY)


def test_a_courier_says_in_words_that_what_it_sends_is_too_large(world: World) -> None:
    limits = GateLimits(body_bytes=50_000)
    with world.link(limits=limits) as link, world.courier("north", link.port):
        assert link.exchange("north", question(b"y" * 200_000), 2.5) is None
        wait_until(lambda: "disconnected" in world.node_kinds("north"), 10, "the courier says so")
    said = next(event.detail for _, event in world.node_events if event.kind == "disconnected")
    assert said.startswith("http 413")
    assert "too large" in said
    assert world.said("north", "limited", "body too large")
