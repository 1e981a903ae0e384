"""`site-client accept` over an agreement that is in force, and what an invitation can make a screen say."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.site_client.support import Site, build_site
from tests.support.certificates import write_certificates
from wardround.engine.basics.canonical import canonical_json, canonical_model, sha256_hex
from wardround.engine.cli.runner import ExitCode, run
from wardround.federation.identities import CoordinatorKey, EnrolmentRequest, Roster, SiteKeys, fingerprint
from wardround.federation.invitation import Invitation, authority_fingerprint, save_invitation
from wardround.site_client.cli import app
from wardround.site_client.setup.acceptance import history_folder


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """A site that has accepted an invitation with a true authority."""
    authority = write_certificates(tmp_path / "tls").ca.read_text()
    return build_site(tmp_path / "site", ca_pem=authority)


def accept(site: Site, *more: str) -> int:
    return run(app, ["accept", str(site.folder / "invitation.json"), "--config", str(site.config), *more])


def offer(site: Site, key: CoordinatorKey | None = None, **changes: object) -> Invitation:
    """A new invitation of the coordinator, or of another key, in the place where the next `accept` finds it."""
    signer = key or site.coordinator
    values = {name: getattr(site.invitation, name) for name in Invitation.model_fields}
    changed = Invitation.model_validate(values | {"coordinator_key": signer.public} | changes)
    save_invitation(site.folder / "invitation.json", changed, signer)
    return changed


def with_west(site: Site, folder: Path) -> Roster:
    west = EnrolmentRequest.create("west", SiteKeys.create(folder)).member
    return Roster.of((*site.invitation.roster.members, west))


def with_study(site: Site, change: Callable[[dict[str, object]], None]) -> dict[str, object]:
    """Changes of an invitation to another study."""
    study = json.loads(site.invitation.study)
    change(study)
    text = canonical_json(study).decode()
    plan = site.invitation.plan.model_copy(update={"study": sha256_hex(text.encode())})
    return {"study": text, "plan": plan}


def test_the_same_invitation_changes_nothing(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert accept(site, "--yes") == ExitCode.OK
    assert "nothing: this is what was accepted" in capsys.readouterr().out
    assert not history_folder(site.settings.accepted).exists()


def test_every_difference_is_told_line_by_line(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def longer(study: dict[str, object]) -> None:
        training = study["training"]
        assert isinstance(training, dict)
        training["batch_size"] = 3

    roster, changes = with_west(site, tmp_path / "west"), with_study(site, longer)
    horizon = site.invitation.plan.horizon.model_copy(update={"rounds": 50})
    plan = changes["plan"].model_copy(update={"roster": roster.digest, "horizon": horizon})  # type: ignore[attr-defined]
    offer(site, roster=roster, study=changes["study"], plan=plan, address="elsewhere.example:443")
    assert accept(site, "--yes") == ExitCode.OK
    said = capsys.readouterr().out
    for line in ("rounds 3 -> 50", "west was added", "study training.batch_size 2 -> 3", "elsewhere.example:443"):
        assert line in said
    assert site.agreement.plan.horizon.rounds == 50


def test_what_is_replaced_is_kept(site: Site) -> None:
    first = site.settings.accepted.read_bytes()
    offer(site, address="elsewhere.example:443")
    assert accept(site, "--yes") == ExitCode.OK
    second = site.settings.accepted.read_bytes()
    offer(site, address="elsewhere.example:444")
    assert accept(site, "--yes") == ExitCode.OK
    kept = sorted(history_folder(site.settings.accepted).iterdir())
    assert [path.read_bytes() for path in kept] == [first, second]


def _other_rounds(text: str) -> str:
    return text.replace('"rounds":3', '"rounds":1')


def _other_address(text: str) -> str:
    return text.replace('"address":"127.0.0.1:9"', '"address":"127.0.0.1:10"')


def _laid_out_anew(text: str) -> str:
    return json.dumps(json.loads(_other_rounds(text)), indent=4, sort_keys=False)


def _other_signature(text: str) -> str:
    return text.replace('"signature":"', '"signature":"00')


HAND_MADE = {
    "rounds": (_other_rounds, "other contents"),
    "address": (_other_address, "other contents"),
    "rounds, laid out anew": (_laid_out_anew, "other contents"),
    "signature": (_other_signature, "other contents"),
    "cut": (lambda text: text[:1], "cut short"),
    "empty": (lambda text: "", "empty"),
    "study": (lambda text: text.replace('"study":"{', '"study":"{ '), "belong together"),
    "a key gone": (lambda text: text.replace('"plan":', '"plant":'), "no invitation.plan"),
}


@pytest.mark.parametrize("change", HAND_MADE)
def test_what_was_accepted_is_refused_once_somebody_has_changed_it(
    site: Site, change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    changed, got = HAND_MADE[change]
    before = site.settings.accepted.read_text()
    site.settings.accepted.write_text(changed(before))
    assert site.settings.accepted.read_text() != before
    for command in (["check", "--offline"], []):
        assert run(app, [*command, "--config", str(site.config)]) == ExitCode.BAD_INPUT
        said = capsys.readouterr().err
        assert f"{site.settings.accepted}: this is not what was accepted" in said
        assert got in said
        assert "Accept the invitation again" in said
    typed = ["--fingerprint", fingerprint(site.coordinator.public)]
    typed += ["--fingerprint", authority_fingerprint(site.invitation.ca_pem)]
    assert accept(site, "--yes", *typed) == ExitCode.OK
    assert site.settings.accepted.read_text() == before


def test_an_agreement_of_an_earlier_release_is_read_and_gets_its_signature_when_it_is_accepted_again(
    site: Site,
) -> None:
    before = site.settings.accepted.read_bytes()
    site.settings.accepted.write_bytes(canonical_model(site.invitation) + b"\n")
    assert site.agreement.invitation == site.invitation
    assert accept(site, "--yes") == ExitCode.OK
    assert site.settings.accepted.read_bytes() == before


def _other_key(site: Site, folder: Path) -> list[str]:
    key = CoordinatorKey.create(folder / "key")
    offer(site, key)
    return [fingerprint(key.public)]


def _other_authority(site: Site, folder: Path) -> list[str]:
    authority = write_certificates(folder / "tls").ca.read_text()
    offer(site, ca_pem=authority)
    return [authority_fingerprint(authority)]


def _one_more_authority(site: Site, folder: Path) -> list[str]:
    both = site.invitation.ca_pem + write_certificates(folder / "tls").ca.read_text()
    offer(site, ca_pem=both)
    return [authority_fingerprint(both)]


def _both(site: Site, folder: Path) -> list[str]:
    key, authority = CoordinatorKey.create(folder / "key"), write_certificates(folder / "tls").ca.read_text()
    offer(site, key, ca_pem=authority)
    return [fingerprint(key.public), authority_fingerprint(authority)]


def _damaged(site: Site, folder: Path) -> list[str]:
    site.settings.accepted.write_bytes(site.settings.accepted.read_bytes()[:-40])
    return [fingerprint(site.coordinator.public), authority_fingerprint(site.invitation.ca_pem)]


CHANGES = {
    "key": _other_key,
    "authority": _other_authority,
    "another authority beside it": _one_more_authority,
    "both": _both,
    "a damaged agreement": _damaged,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_another_key_or_authority_needs_its_fingerprint(
    site: Site, tmp_path: Path, change: Callable[[Site, Path], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = [fingerprint(site.coordinator.public), authority_fingerprint(site.invitation.ca_pem)]
    wanted = change(site, tmp_path / "other")
    before = site.settings.accepted.read_bytes()
    wrong = [" ".join(["0000"] * 8), "", wanted[0][:-1], *(known if wanted != known else [])]
    assert accept(site, "--yes") == ExitCode.BAD_INPUT
    for text in wrong:
        assert accept(site, "--yes", "--fingerprint", text) == ExitCode.BAD_INPUT
    monkeypatch.setattr("typer.confirm", lambda question: True)
    monkeypatch.setattr("typer.prompt", lambda question: wrong[0])
    assert accept(site) == ExitCode.BAD_INPUT
    for one in wanted if len(wanted) > 1 else []:
        assert accept(site, "--yes", "--fingerprint", one) == ExitCode.BAD_INPUT
    assert site.settings.accepted.read_bytes() == before
    assert not history_folder(site.settings.accepted).exists()
    given = [word for one in wanted for word in ("--fingerprint", one.upper().replace(" ", ":"))]
    assert accept(site, "--yes", *given) == ExitCode.OK
    assert len(list(history_folder(site.settings.accepted).iterdir())) == 1


@pytest.mark.parametrize("first", [True, False], ids=["the first time", "again"])
def test_a_fingerprint_of_somebody_else_is_refused_where_nothing_has_changed(
    site: Site, capsys: pytest.CaptureFixture[str], *, first: bool
) -> None:
    offer(site, address="elsewhere.example:443")
    before = site.settings.accepted.read_bytes()
    if first:
        site.settings.accepted.unlink()
    right = [fingerprint(site.coordinator.public), authority_fingerprint(site.invitation.ca_pem)]
    for wrong in ([right[0][:-1] + "x"], [*right, "0000"], [""]):
        words = [word for one in wrong for word in ("--fingerprint", one)]
        assert accept(site, "--yes", *words) == ExitCode.BAD_INPUT
        assert "neither the coordinator's nor the authority's" in capsys.readouterr().err
    assert site.settings.accepted.exists() is not first
    assert first or site.settings.accepted.read_bytes() == before
    assert accept(site, "--yes", "--fingerprint", right[0], "--fingerprint", right[1]) == ExitCode.OK


@pytest.mark.parametrize("between", ["", " ", "-", ":", "\u2013", "\u00a0", " . ", "_", "\t"])
def test_a_fingerprint_may_be_grouped_in_any_way(site: Site, tmp_path: Path, between: str) -> None:
    (wanted,) = _other_key(site, tmp_path / "other")
    assert accept(site, "--yes", "--fingerprint", f" {between.join(wanted.upper().split())}\n") == ExitCode.OK


def test_an_old_invitation_that_comes_again_is_told(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for port, old in ((443, False), (444, False), (443, True), (443, False)):
        offer(site, address=f"elsewhere.example:{port}")
        assert accept(site, "--yes") == ExitCode.OK
        assert ("AN OLD INVITATION" in capsys.readouterr().out) is old


def test_an_old_invitation_of_a_former_key_needs_its_fingerprint_again(site: Site, tmp_path: Path) -> None:
    (wanted,) = _other_key(site, tmp_path / "other")
    assert accept(site, "--yes", "--fingerprint", wanted) == ExitCode.OK
    offer(site, site.coordinator)
    assert accept(site, "--yes") == ExitCode.BAD_INPUT
    assert accept(site, "--yes", "--fingerprint", wanted) == ExitCode.BAD_INPUT
    assert accept(site, "--yes", "--fingerprint", fingerprint(site.coordinator.public)) == ExitCode.OK


def test_nobody_there_to_answer_is_no_consent_and_is_said(
    site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = site.settings.accepted.read_bytes()
    offer(site, address="elsewhere.example:443")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert accept(site) == ExitCode.BAD_INPUT
    assert "nobody answered" in capsys.readouterr().err
    assert site.settings.accepted.read_bytes() == before


def test_names_of_a_study_cannot_be_moved_to_a_line_of_their_own(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    def spaced(study: dict[str, object]) -> None:
        study["inputs"] = ["x" + " " * 40 + "coordinator"]

    offer(site, **with_study(site, spaced))  # type: ignore[arg-type]
    assert accept(site, "--yes") == ExitCode.OK
    assert "from x coordinator\n" in capsys.readouterr().out


def test_the_fingerprint_is_asked_for(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = iter(_both(site, tmp_path / "other")[::-1])
    monkeypatch.setattr("typer.confirm", lambda question: True)
    monkeypatch.setattr("typer.prompt", lambda question: next(wanted))
    assert accept(site) == ExitCode.OK
    assert capsys.readouterr().out.count("CHANGED") == 2


def test_the_same_certificates_written_otherwise_are_no_change(site: Site) -> None:
    offer(site, ca_pem=site.invitation.ca_pem.replace("\n", "\r\n"))
    assert accept(site, "--yes") == ExitCode.OK


def test_whom_to_trust_stands_last(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.settings.accepted.unlink()
    assert accept(site, "--yes") == ExitCode.OK
    *_, authority, coordinator, _ = capsys.readouterr().out.splitlines()
    assert authority.split("  ")[-1].strip() == authority_fingerprint(site.invitation.ca_pem)
    assert coordinator == f"  coordinator            {fingerprint(site.coordinator.public)}"


NO_CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("text", ["x", "certificate\n", NO_CERTIFICATE])
def test_an_authority_that_is_no_certificate_is_refused(
    site: Site, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for ca_pem in (text, site.invitation.ca_pem + text, text + site.invitation.ca_pem):
        offer(site, ca_pem=ca_pem)
        assert accept(site, "--yes") == ExitCode.BAD_INPUT
        assert "certificate authority cannot be read" in capsys.readouterr().err


def test_an_address_that_no_site_can_call_is_told_before_it_is_accepted(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    before = site.settings.accepted.read_bytes()
    offer(site, address="0.0.0.0:9443")
    assert accept(site, "--yes") == ExitCode.BAD_INPUT
    error = capsys.readouterr().err
    for part in ("invitation.json, address: ", "got 0.0.0.0:9443", "Ask the coordinator", "`address: HOST:9443`"):
        assert part in error
    assert site.settings.accepted.read_bytes() == before
    with site.config.open("a") as handle:
        handle.write("address: fl.example.org:9443\n")
    assert accept(site, "--yes") == ExitCode.OK


def test_a_sites_own_address_of_the_aggregator_is_one_of_a_machine(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    with site.config.open("a") as handle:
        handle.write("address: 0.0.0.0:9443\n")
    assert accept(site, "--yes") == ExitCode.BAD_INPUT
    assert "address: this is not the address of one machine" in capsys.readouterr().err
