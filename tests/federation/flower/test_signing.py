"""A request passes once, as it was signed, to the link that it was signed for."""

from __future__ import annotations

import datetime
import http.client
import random
from collections.abc import Mapping

import pytest

from tests.federation.flower.link.test_gate import ask
from tests.federation.flower.world import FLEET, World, echo, question, signed, signer_for, wait_until
from tests.support.certificates import new_key, public_pem
from wardround.federation.flower.callers import Request, Roster, Verdict
from wardround.federation.flower.link.machines import UsedNumbers
from wardround.federation.flower.node.probe import client_context
from wardround.federation.flower.signing import (
    NO_INSTALLATION,
    REQUEST_HEADER,
    SIGNATURE_HEADER,
    Claims,
    Reason,
    Signer,
    body_digest,
)

KEY, OTHER = new_key(), new_key()
NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture(scope="module")
def roster() -> Roster:
    return Roster({"north": public_pem(KEY), "south": public_pem(OTHER)})


def as_bytes(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode("latin-1") for name, value in headers.items()}


def judge(roster: Roster, headers: Mapping[bytes, bytes], method: str = "POST", target: str = FLEET) -> Verdict:
    return roster.examine(Request(method, target, headers), datetime.datetime.now(datetime.UTC))


def fresh(roster: Roster, body: bytes = b"body") -> dict[bytes, bytes]:
    signer = Signer(KEY)
    signer.learn(roster.link)
    return as_bytes(signer.headers("POST", FLEET, body))


def test_a_signed_request_passes_and_claims_what_was_signed(roster: Roster) -> None:
    verdict = judge(roster, fresh(roster))
    assert (verdict.site, verdict.fault, verdict.reason) == ("north", "", None)
    assert verdict.claims is not None
    assert verdict.claims.body == body_digest(b"body")
    assert verdict.claims.machine.installation == NO_INSTALLATION


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", FLEET),
        ("post", FLEET),
        ("POST", FLEET + "?"),
        ("POST", FLEET + "?a=1"),
        ("POST", FLEET + "/"),
        ("POST", FLEET.replace("-", "%2D")),
        ("POST", "/v1/fleet/push-messages"),
    ],
)
def test_another_method_or_path_is_refused(roster: Roster, method: str, target: str) -> None:
    verdict = judge(roster, fresh(roster), method, target)
    assert (verdict.claims, verdict.reason) == (None, Reason.SIGNATURE)


@pytest.mark.parametrize("header", [REQUEST_HEADER, SIGNATURE_HEADER])
@pytest.mark.parametrize("seed", range(3))
def test_no_byte_of_a_header_can_be_changed(roster: Roster, header: bytes, seed: int) -> None:
    """Every position of both headers, with a random other byte; with one byte more, and with one less."""
    draw, whole = random.Random(seed), fresh(roster)
    text = whole[header]
    for position in range(len(text)):
        other = draw.choice([value for value in range(256) if value != text[position]])
        changed = text[:position] + bytes([other]) + text[position + 1 :]
        for forged in (changed, text[:position] + text[position + 1 :], text[:position] + b"0" + text[position:]):
            if forged != text:
                assert judge(roster, {**whole, header: forged}).claims is None, forged


@pytest.mark.parametrize(
    "name", ["key", "link", "installation", "process", "session", "number", "milliseconds", "body"]
)
def test_no_claim_can_be_exchanged_for_another_valid_one(roster: Roster, name: str) -> None:
    mine, yours = fresh(roster), fresh(roster, b"another body")
    ours, theirs = (Claims.read(headers[REQUEST_HEADER]).header().split() for headers in (mine, yours))
    place = ["version", "key", "link", "installation", "process", "session", "number", "milliseconds", "body"].index(
        name
    )
    ours[place] = theirs[place] if ours[place] != theirs[place] else f"{int(ours[place], 16) + 1:0{len(ours[place])}x}"
    assert judge(roster, {**mine, REQUEST_HEADER: " ".join(ours).encode()}).claims is None


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"1",
        b"\xff\xfe",
        b"\r\n",
        b"1 " * 9,
        b"2" + b" 0" * 8,
        " ".join(["1", "0" * 64, "0" * 32, "0" * 32, "0" * 32, "9" * 21, "1", "1", "0" * 64]).encode(),
        " ".join(["1", "0" * 64, "0" * 32, "0" * 32, "0" * 32, "\u0661", "1", "1", "0" * 64]).encode(),
        " ".join(["1", "0" * 64, "0" * 32, "0" * 32, "0" * 32, "01", "1", "1", "0" * 64]).encode(),
        " ".join(["1", "0" * 64, "0" * 32, "0" * 32, "0" * 32, "1", "1", "9" * 15, "0" * 64]).encode() + b"\n",
    ],
)
def test_what_is_not_a_claim_is_refused_and_breaks_nothing(roster: Roster, header: bytes) -> None:
    assert judge(roster, {**fresh(roster), REQUEST_HEADER: header}).fault == "malformed credentials"


def test_a_time_beyond_the_calendar_is_refused(roster: Roster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wardround.federation.flower.signing._milliseconds", lambda: 10**15 - 1)
    assert judge(roster, fresh(roster)).claims is None


@pytest.mark.parametrize("seed", range(10))
def test_a_number_passes_once(seed: int) -> None:
    """Against a set that remembers all; numbers far below the highest may be refused without having been used."""
    draw, used, taken = random.Random(seed), UsedNumbers(), set[int]()
    for _ in range(3000):
        number = max(1, used.highest + draw.choice([1, 1, 2, 7, -1, -3, -200, -5000, 9000, 10**14]))
        if number > 10**15:
            break
        passed = used.take(number)
        assert not (passed and number in taken), "a number was used twice"
        assert passed or number in taken or used.highest - number >= 4096
        taken.add(number) if passed else None


class Recorded:
    """A request as somebody wrote it down who could read the line."""

    def __init__(self, world: World, port: int, headers: dict[str, str], body: bytes) -> None:
        self.world, self.port, self.headers, self.body = world, port, headers, body

    def send(self, port: int | None = None, path: str = FLEET, body: bytes | None = None) -> int:
        return ask(self.world, port or self.port, path, body=self.body if body is None else body, headers=self.headers)[
            0
        ]


def pull_of(world: World, site: str, link: object) -> bytes:
    from flwr.proto.fleet_pb2 import PullMessagesRequest
    from flwr.proto.node_pb2 import Node

    state = link._state  # type: ignore[attr-defined]
    return PullMessagesRequest(node=Node(node_id=state.node_id(site))).SerializeToString()


def test_a_recorded_request_passes_neither_again_nor_with_another_body_nor_after_a_restart(world: World) -> None:
    with world.link() as link:
        port, body = link.port, pull_of(world, "north", link)
        signer = signer_for(link, world.keys["north"])
        first, second = (Recorded(world, port, signer.headers("POST", FLEET, body), body) for _ in range(2))
        assert second.send(body=b"another") == 401
        assert first.send() == 200
        assert (first.send(), second.send()) == (401, 401), "a body that did not fit used the number up"
        late = Recorded(world, port, signer.headers("POST", FLEET, body), body)
    with world.link(port):
        assert (first.send(), late.send()) == (401, 401)
    assert world.said("north", "refused", "this request was sent before")
    assert world.said("north", "limited", "the body is not the one that was signed")


def test_a_site_of_the_first_release_is_told_to_update(world: World) -> None:
    from base64 import b64encode

    former = {"flwr-public-key": b64encode(public_pem(world.keys["north"])).decode(), "flwr-signature": "eA=="}
    with world.link() as link:
        status, _, told = ask(world, link.port, FLEET, headers={**former, "flwr-timestamp": NOW.isoformat()})
    assert (status, told["wardround-refusal"]) == (426, "outdated")
    assert world.said("north", "refused", "must be updated")


def test_a_courier_says_that_an_older_aggregator_does_not_say_why(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wardround.federation.flower.link.gate.Gate._explanation", lambda _self, _verdict: [])
    with world.link() as link, world.courier("north", link.port):
        wait_until(lambda: "refused" in world.node_kinds("north"), 10, "the courier was refused")
    assert any("may be older than this site's" in event.detail for _, event in world.node_events)


def test_refusals_do_not_show_more_than_a_word_and_the_links_name(world: World) -> None:
    with world.link() as link:
        connection = http.client.HTTPSConnection("127.0.0.1", link.port, timeout=10, context=client_context(world.ca))
        connection.request("POST", FLEET, headers=signed(link, new_key()))
        told = dict(connection.getresponse().getheaders())
        connection.close()
        assert told["wardround-refusal"] == "unknown-key"
        assert set(told) == {"content-length", "connection", "wardround-link", "wardround-refusal"}
        with world.courier("north", link.port):
            assert link.exchange("north", question(), 20) == echo(question())
    assert not world.said("north", "refused", "greeting"), "how a session begins is no refusal"
