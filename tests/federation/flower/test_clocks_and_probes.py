"""A site can find out what is wrong before and while it tries: address, certificate, clock, enrolment."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from tests.federation.flower.world import World, wait_until
from tests.support.certificates import CertificateFiles, new_key, write_certificates
from wardround.federation.flower.node.node import clock_skew, is_enrolled, probe


def shift_node_clock(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(
        "wardround.federation.flower.signing._milliseconds", lambda: int((time.time() + seconds) * 1000)
    )
    monkeypatch.setattr("wardround.federation.flower.node.probe._local_time", lambda: time.time() + seconds)


@pytest.mark.parametrize(("seconds", "words"), [(10, "clock 10 s ahead"), (-400, "clock 400 s behind")])
def test_a_wrong_clock_is_named_on_both_sides(
    world: World, monkeypatch: pytest.MonkeyPatch, seconds: int, words: str
) -> None:
    shift_node_clock(monkeypatch, seconds)
    with world.link() as link, world.courier("north", link.port):
        wait_until(lambda: "clock_skew" in world.node_kinds("north"), 10, "the courier knows")
    assert world.said("north", "refused", words)
    measured = [event.value for _, event in world.node_events if event.kind == "clock_skew"]
    assert measured[0] == pytest.approx(seconds, abs=1.5)


def test_a_clock_within_the_window_is_no_problem(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    shift_node_clock(monkeypatch, -200)
    with world.link() as link, world.courier("north", link.port):
        wait_until(lambda: "connected" in world.node_kinds("north"), 10, "connected")
        assert clock_skew(f"127.0.0.1:{link.port}", world.ca) == pytest.approx(-200, abs=1.5)


def test_probing_a_healthy_link(world: World) -> None:
    with world.link() as link:
        result = probe(f"127.0.0.1:{link.port}", world.ca)
        assert result.healthy
        assert (result.reachable, result.certificate, result.health) == (True, "ok", 200)
        assert result.skew == pytest.approx(0, abs=1.5)


def test_enrolment_is_found_out_without_a_session(world: World) -> None:
    with world.link() as link:
        address = f"127.0.0.1:{link.port}"
        assert is_enrolled(address, world.ca, world.keys["north"])
        assert not is_enrolled(address, world.ca, new_key())
        assert link.seconds_since_seen("north") is None


def with_certificate(world: World, files: CertificateFiles) -> World:
    return World(world.folder, world.keys, files)


@pytest.mark.parametrize(
    ("settings", "state"),
    [
        ({"ends": -0.5}, "expired"),
        ({"starts": 0.5}, "not_yet_valid"),
        ({"address": "127.0.0.9"}, "wrong_name"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_named(
    world: World, tmp_path: Path, settings: dict[str, float], state: str
) -> None:
    files = write_certificates(tmp_path / "bad", **settings)  # type: ignore[arg-type]
    with with_certificate(world, files).link() as link:
        result = probe(f"127.0.0.1:{link.port}", files.ca.read_bytes())
        assert (result.reachable, result.certificate, result.healthy) == (True, state, False)


def test_another_authority_is_not_trusted(world: World, tmp_path: Path) -> None:
    other = write_certificates(tmp_path / "other")
    with world.link() as link:
        assert probe(f"127.0.0.1:{link.port}", other.ca.read_bytes()).certificate == "wrong_authority"


def test_nobody_there(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    result = probe(f"127.0.0.1:{port}", world.ca)
    assert (result.reachable, result.certificate, result.healthy) == (False, "unchecked", False)
