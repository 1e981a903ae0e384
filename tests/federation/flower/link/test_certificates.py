"""The link's certificate: renewed without a stop, never half; its end said in time and while it is there."""

from __future__ import annotations

import datetime
import shutil
import socket
import ssl
from pathlib import Path

import pytest

from tests.federation.flower.world import World, echo, question, wait_until
from tests.support.certificates import CertificateFiles, write_certificates
from wardround.federation.expiry import expiry_sentence, expiry_stage
from wardround.federation.flower.events import Announcer, LinkEvent
from wardround.federation.flower.link.tls import CertificateWatch, TlsFiles
from wardround.federation.flower.node.probe import client_context

DAY = datetime.timedelta(days=1)
END = datetime.datetime(2027, 6, 30, 12, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("left", "stage"),
    [(100, None), (30.1, None), (30, 30), (14.5, 30), (14, 14), (7, 7), (2, 7), (1, 1), (0.2, 1), (0, 0), (-0.5, 0)],
)
def test_warnings_are_due_thirty_fourteen_seven_and_one_day_before(left: float, stage: int | None) -> None:
    assert expiry_stage(END, END - left * DAY) == stage


@pytest.mark.parametrize(
    ("left", "words"),
    [(40, ""), (20.5, "in 20 days"), (1.5, "in 1 day"), (0.5, "in less than a day"), (-3, "expired at 2027-06-30")],
)
def test_how_an_end_is_said(left: float, words: str) -> None:
    said = expiry_sentence("it", END, END - left * DAY)
    assert words in said
    assert bool(said) == bool(words)


class Watching:
    """A watch with a clock that is set by hand."""

    def __init__(self, files: CertificateFiles) -> None:
        self.now = datetime.datetime.now(datetime.UTC)
        self.events: list[LinkEvent] = []
        self.used: list[ssl.SSLContext] = []
        tls = TlsFiles(files.ca, files.certificate, files.key)
        self.watch = CertificateWatch(tls, self.used.append, Announcer(self.events.append), lambda: self.now)

    def look(self, times: int = 1) -> list[str]:
        before = len(self.events)
        for _ in range(times):
            self.watch.look()
        return [event.detail for event in self.events[before:]]


def test_each_warning_comes_once_and_the_end_every_day(tmp_path: Path) -> None:
    watching = Watching(write_certificates(tmp_path / "tls", ends=29.5))
    start = watching.now
    said: list[str] = []
    for hour in range(24 * 34):
        watching.now = start + datetime.timedelta(hours=hour)
        said += [line for line in watching.look(2) if "server certificate" in line]
    before = [line for line in said if "expires" in line]
    after = [line for line in said if "expired" in line]
    assert len(before) == 4, "30, 14, 7 and 1"
    assert 4 <= len(after) <= 6, "once a day"
    assert all("aggregator certificate" in line for line in said)
    assert all("sites cannot connect" in line for line in after)


def test_the_authoritys_end_is_said_as_well(tmp_path: Path) -> None:
    watching = Watching(write_certificates(tmp_path / "tls"))
    assert watching.look(3) == []
    watching.now += 395 * DAY
    assert any("the authority's" in line for line in watching.look(3))


def copy_over(source: Path, target: Path) -> None:
    shutil.copy(source, target.with_suffix(".new"))
    target.with_suffix(".new").replace(target)


def test_a_pair_is_taken_up_only_when_both_halves_are_there(tmp_path: Path) -> None:
    files, fresh = write_certificates(tmp_path / "tls"), write_certificates(tmp_path / "fresh", ends=500)
    watching = Watching(files)
    copy_over(fresh.key, files.key)
    assert watching.look() == []
    copy_over(fresh.certificate, files.certificate)
    assert any("a new server certificate is in use" in line for line in watching.look())
    assert len(watching.used) == 1
    assert watching.look(5) == []


@pytest.mark.parametrize("spoiled", ["mismatch", "junk", "absent", "expired", "not_yet"])
def test_a_pair_that_cannot_be_used_changes_nothing_and_is_said_once(tmp_path: Path, spoiled: str) -> None:
    files = write_certificates(tmp_path / "tls", ends=100)
    watching = Watching(files)
    watching.look()
    dates = {"expired": {"ends": -0.5}, "not_yet": {"starts": 1.0}}.get(spoiled, {})
    other = write_certificates(tmp_path / "other", **dates)
    if spoiled == "junk":
        files.certificate.write_text("junk")
    elif spoiled == "absent":
        files.key.unlink()
    else:
        copy_over(other.certificate, files.certificate)
        if dates:
            copy_over(other.key, files.key)
    said = watching.look(10)
    assert len(said) == 1
    assert "the former one stays" in said[0]
    assert not watching.used
    good = write_certificates(tmp_path / "good", ends=400)
    copy_over(good.key, files.key)
    copy_over(good.certificate, files.certificate)
    assert len(watching.look(5)) == 1
    assert len(watching.used) == 1


def shown(world: World, port: int) -> bytes:
    context = client_context(world.ca)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 5) as raw, context.wrap_socket(raw) as wrapped:
        return wrapped.getpeercert(binary_form=True) or b""


def test_a_running_link_shows_a_renewed_certificate_and_keeps_its_sessions(world: World, tmp_path: Path) -> None:
    files = world.certificates
    with world.link() as link, world.courier("north", link.port):
        assert link.exchange("north", question(), 20) == echo(question())
        before = shown(world, link.port)
        fresh = write_certificates(tmp_path / "fresh")
        copy_over(fresh.key, files.key)
        copy_over(fresh.certificate, files.certificate)
        wait_until(lambda: shown(world, link.port) != before, 5, "the new certificate is shown")
        assert link.exchange("north", question(b"x"), 20) == echo(question(b"x"))
        assert world.node_kinds("north").count("connected") == 1
    assert world.said(None, "certificate", "a new server certificate is in use")
