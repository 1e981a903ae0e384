"""`site-client check`: every problem in one go."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.site_client.support import Site, build_site, write_cohort
from tests.support.certificates import CertificateFiles, write_certificates
from wardround.engine.cli.runner import ExitCode, run
from wardround.engine.inspection import room
from wardround.federation.flower.link.link import Link, TlsFiles
from wardround.federation.identities import EnrolmentRequest, SiteKeys
from wardround.site_client.cli import app
from wardround.site_client.setup.checklist import show
from wardround.site_client.setup.preflight import Checked, Preflight


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _check(site: Site, *more: str) -> int:
    return run(app, ["check", "--config", str(site.config), *more])


@pytest.fixture
def tls(tmp_path: Path) -> CertificateFiles:
    return write_certificates(tmp_path / "tls")


@pytest.fixture
def site(tmp_path: Path, tls: CertificateFiles) -> Site:
    site = build_site(tmp_path / "site", address=f"127.0.0.1:{_free_port()}", ca_pem=tls.ca.read_text())
    write_cohort(site)
    return site


@pytest.fixture
def link(site: Site, tls: CertificateFiles) -> Iterator[Link]:
    with _link(site, tls) as opened:
        yield opened


def _link(site: Site, tls: CertificateFiles, sites: dict[str, bytes] | None = None) -> Link:
    keys = site.invitation.roster.transport_keys() if sites is None else sites
    files = TlsFiles(tls.ca, tls.certificate, tls.key)
    return Link(host="127.0.0.1", port=site.invitation.port, tls=files, sites=keys)


def test_a_sound_site_passes(site: Site, link: Link, capsys: pytest.CaptureFixture[str]) -> None:
    assert _check(site) == ExitCode.OK
    said = capsys.readouterr().out
    for part in ("keys: private", "study blobs", "training", "reachable", "key: enrolled"):
        assert part in said


def test_json_has_notes_or_problems(site: Site, link: Link, capsys: pytest.CaptureFixture[str]) -> None:
    assert _check(site, "--json") == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["problems"] == []
    site.settings.policy.chmod(0o666)
    assert _check(site, "--json") == ExitCode.BAD_INPUT
    assert "policy" in json.loads(capsys.readouterr().out)["problems"][0]["what"]


def test_a_sound_site_has_a_line_for_each_thing(site: Site, link: Link, capsys: pytest.CaptureFixture[str]) -> None:
    assert _check(site) == ExitCode.OK
    lines = capsys.readouterr().out.splitlines()
    sound = [line.split(": ")[0].removeprefix("ok   ") for line in lines if line.startswith("ok ")]
    assert {"disk", "device", "certificate", "address", "data", "policy", "clock", "keys", "key", "roster"} <= set(
        sound
    )
    assert not any(line.startswith("BAD") for line in lines)
    assert any("9 cases, every header was read" in line for line in lines)
    assert "\x1b" not in "".join(lines)


def test_what_is_wrong_is_marked_and_the_rest_is_still_looked_at(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    next((site.folder / "labels").iterdir()).unlink()
    site.settings.policy.unlink()
    assert _check(site, "--json") == ExitCode.BAD_INPUT
    found = json.loads(capsys.readouterr().out)
    states = {checked["name"]: checked["ok"] for checked in found["checks"]}
    assert [name for name, ok in states.items() if not ok] == ["policy", "data", "address"]
    assert states["disk"]
    assert states["certificate"]
    assert all(problem["remedy"] for problem in found["problems"])


def test_lines_are_green_and_red_on_a_terminal(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from rich.console import Console

    shown = Console(record=True, force_terminal=True, width=200)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("rich.console.Console", lambda: shown)
    flight = Preflight()
    flight.checks += [Checked("disk", True, "[red]free[/red]"), Checked("data", False, "gone")]
    show(flight)
    text = shown.export_text(styles=True)
    assert "\x1b[32mok   disk: [red]free[/red]" in text
    assert "\x1b[1;31mBAD  data: gone" in text


def test_before_an_invitation_the_table_is_looked_for(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.settings.accepted.unlink()
    site.settings.manifest.unlink()
    assert _check(site) == ExitCode.BAD_INPUT
    assert "BAD  data: there is no such table" in capsys.readouterr().out


def test_every_problem_is_reported_at_once(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    (site.settings.keys / "signing.key").chmod(0o644)
    site.settings.policy.chmod(0o666)
    site.config.write_text(
        site.config.read_text().replace("threads: 1", "threads: 1000").replace("device: auto", "device: cuda:7")
    )
    next((site.folder / "labels").iterdir()).unlink()
    assert _check(site) == ExitCode.BAD_INPUT
    said = capsys.readouterr().err
    for part in (
        "others can read the private key",
        "may change the policy",
        "more threads",
        "case_",
        "the aggregator cannot be reached",
    ):
        assert part in said


def test_offline_leaves_the_aggregator_out(site: Site) -> None:
    assert _check(site, "--offline") == ExitCode.OK


def test_too_few_cases_for_the_policy(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.settings.policy.write_text("schema: 1\nminimum_train_cases: 50\nminimum_validation_cases: 50\n")
    assert _check(site, "--offline") == ExitCode.BAD_INPUT
    captured = capsys.readouterr()
    assert "too few training cases" in captured.err
    assert "metrics will stay here" in captured.out


def test_before_an_invitation_is_accepted(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.settings.accepted.unlink()
    assert _check(site) == ExitCode.BAD_INPUT
    assert "site-client accept" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("starts", "ends", "address", "said"),
    [
        (-9.0, -1.0, "127.0.0.1", "expired"),
        (1.0, 9.0, "127.0.0.1", "not yet valid"),
        (-1.0, 9.0, "127.0.0.9", "wrong name"),
    ],
)
def test_a_wrong_certificate_is_named(
    tmp_path: Path, starts: float, ends: float, address: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tls = write_certificates(tmp_path / "tls", address=address, starts=starts, ends=ends)
    site = build_site(tmp_path / "site", address=f"127.0.0.1:{_free_port()}", ca_pem=tls.ca.read_text())
    write_cohort(site)
    with _link(site, tls):
        assert _check(site) == ExitCode.BAD_INPUT
    assert said in capsys.readouterr().err


def test_another_authority_is_not_trusted(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with _link(site, write_certificates(tmp_path / "other")):
        assert _check(site) == ExitCode.BAD_INPUT
    assert "wrong authority" in capsys.readouterr().err


def test_a_key_that_is_not_enrolled_is_reported(
    site: Site, tls: CertificateFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = EnrolmentRequest.create("north", SiteKeys.create(tmp_path / "stranger")).member
    from wardround.federation.identities import transport_public_bytes

    with _link(site, tls, {"north": transport_public_bytes(stranger.transport_key)}):
        assert _check(site) == ExitCode.BAD_INPUT
    assert "does not know this site's key" in capsys.readouterr().err


def test_the_room_of_preprocessed_cases_is_reckoned_beforehand(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _check(site, "--offline") == ExitCode.OK
    assert "preprocessed cases: about" in capsys.readouterr().out
    site.config.write_text(site.config.read_text() + "store_limit: 1 kB\n")
    monkeypatch.setattr(room, "available_bytes", lambda: 1000)
    assert _check(site, "--offline") == ExitCode.BAD_INPUT
    told = capsys.readouterr().err
    assert "store's limit" in told
    assert "Raise it" in told
    assert "the largest case needs more memory to be preprocessed than there is (got 1 KB available" in told
    assert "Give this machine or container more memory" in told
    assert not (site.settings.work / "store").exists()
