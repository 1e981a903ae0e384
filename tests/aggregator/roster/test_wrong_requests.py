"""What is given in the place of a site's enrolment request is told as what it is, a private key as a leak."""

from __future__ import annotations

import codecs
import shutil
from pathlib import Path

import pytest

from tests.aggregator.fakes import seeded_keys
from tests.aggregator.home import aggregator, make_home, request
from wardround.federation.identities import SiteKeys
from wardround.federation.succession import Rotation


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a federation of one site."""
    make_home(tmp_path, 9443, names=("north",))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def refused(home: Path, *words: object) -> str:
    outcome = aggregator(*words, "--config", home / "federation.yaml")
    assert outcome.code == 2, outcome
    assert outcome.err.count("error: ") == 1, outcome.err
    return outcome.err


@pytest.mark.parametrize("name", ["signing.key", "transport.key"])
@pytest.mark.parametrize("command", ["enroll", "replace", "rotate-key"])
def test_a_sites_private_key_is_told_as_a_leak(home: Path, command: str, name: str) -> None:
    SiteKeys.create(home / "site")
    before = (home / "roster.json").read_bytes()
    found = refused(home, command, "north", home / "site" / name)
    assert f"{name}: this is a site's PRIVATE key" in found
    for part in ("Delete your copy", "`aggregator revoke north`", "`site-client rotate-keys`", "such as north.pub"):
        assert part in found
    assert (home / "roster.json").read_bytes() == before


def test_a_key_that_was_renamed_is_a_private_key_all_the_same(home: Path) -> None:
    SiteKeys.create(home / "site")
    (home / "site" / "signing.key").rename(home / "west.pub")
    assert "PRIVATE key" in refused(home, "enroll", "west", home / "west.pub")


def test_the_aggregators_own_key_is_no_leak_of_a_site(home: Path) -> None:
    for name in ("coordinator.key", "ca.key", "server.key"):
        found = refused(home, "enroll", "west", home / "keys" / name)
        assert "a PRIVATE key of the aggregator itself" in found
        assert "Delete" not in found


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("site.yaml", "schema: 1\nname: west\n", "a file of settings (YAML)"),
        ("accepted.json", '{"address": "", "ca_pem": "", "roster": {}}', "what a site has accepted"),
        ("invitation.json", '{"invitation": {}}', "an invitation"),
        ("roster.json", '{"members": []}', "a roster"),
        ("west.pub", '{"member": {"name": "we', "the beginning of one: the end is missing"),
        ("west.pub", "", "an empty file"),
        ("west.pub", "Dear coordinator,\n", "a text of another kind"),
        ("west.zip", "PK\x03\x04", "a zip archive"),
        ("west.pub", "-----BEGIN CERTIFICATE-----\n", "a certificate"),
        (
            "offer.json",
            '{"invitation": {"ca_pem": "-----BEGIN CERTIFICATE-----\\n"}, "signature": "00"}',
            "an invitation",
        ),
        ("id.pub", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAbc it@hospital\n", "an SSH key"),
        ("id.pub", "ecdsa-sha2-nistp256 AAAAE2VjZHNh it@hospital\n", "an SSH key"),
        ("west.asc", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "a PGP key"),
        ("west.pub", "<!DOCTYPE html><html></html>", "a web page"),
        ("west.pub", "From: it@hospital\nSubject: our key\n", "a mail"),
        ("west.pub", "{“member”: {“name”: “west”}}", "a text whose quotation marks were changed"),
    ],
    ids=[
        *("settings", "accepted", "invitation", "roster", "cut", "empty", "text", "zip", "certificate"),
        *("invitation with certificate", "ssh", "ssh of another kind", "pgp", "page", "mail", "quotes"),
    ],
)
def test_another_file_is_named_with_the_one_to_ask_for(home: Path, name: str, content: str, said: str) -> None:
    (home / "sent").mkdir()
    (home / "sent" / name).write_text(content)
    found = refused(home, "enroll", "west", home / "sent" / name)
    assert f"this is not an enrolment request (got {said}" in found
    assert "Ask the site's staff for west.pub; it lies beside their site.yaml" in found


def test_an_ssh_private_key_is_a_leak_of_its_owner(home: Path) -> None:
    (home / "id").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n")
    found = refused(home, "enroll", "west", home / "id")
    for part in ("PRIVATE key for SSH", "Delete your copy", "SSH keys are not used here", "west.pub"):
        assert part in found
    assert "revoke" not in found


@pytest.mark.parametrize("command", ["enroll", "replace", "rotate-key"])
@pytest.mark.parametrize("beside", ["nothing", "a folder of the site's name"])
def test_name_and_file_in_each_others_place_are_put_in_order(home: Path, command: str, beside: str) -> None:
    sent = request(home, "west")
    if beside != "nothing":
        (Path.cwd() / "west").mkdir()
    found = refused(home, command, sent, "west")
    assert f"the arguments are exchanged: the site's name comes first, then its file (got {sent} west" in found
    assert f"`aggregator {command} west {sent}`" in found


def test_of_a_folder_only_its_requests_are_offered(home: Path) -> None:
    keys = home / "site" / "keys"
    SiteKeys.create(keys)
    found = refused(home, "enroll", "west", keys)
    assert "There is no .pub file in it: ask the site's staff for west.pub" in found
    assert "signing.key" not in found
    shutil.copy(request(home, "west"), keys.parent)
    assert "Name the file in it: west.pub" in refused(home, "enroll", "west", keys.parent)


def test_a_file_that_is_not_there_is_still_put_in_order(home: Path) -> None:
    assert "`aggregator enroll west west.pub`" in refused(home, "enroll", "west.pub", "west")


def test_a_request_that_was_edited_is_told_as_that(home: Path) -> None:
    path = request(home, "west")
    whole = path.read_text()
    for name in ("east", "WEST"):
        path.write_text(whole.replace('"west"', f'"{name}"'))
        found = refused(home, "enroll", "west", path)
        assert "changed" in found
        for part in ("got ", "expected ", "Ask the site"):
            assert part in found


def test_new_keys_of_an_enrolled_site_have_their_own_command(home: Path) -> None:
    Rotation.create("north", seeded_keys("north"), seeded_keys("later")).save(home / "new.pub")
    for command in ("enroll", "replace"):
        assert f"use `aggregator rotate-key north {home / 'new.pub'}`" in refused(
            home, command, "north", home / "new.pub"
        )
    assert aggregator("rotate-key", "north", home / "new.pub", "--config", home / "federation.yaml").code == 0


def test_a_request_that_an_editor_has_marked_as_utf_8_is_one(home: Path) -> None:
    shutil.copy(request(home, "west"), home / "mailed.pub")
    (home / "mailed.pub").write_bytes(codecs.BOM_UTF8 + (home / "mailed.pub").read_bytes())
    assert aggregator("enroll", "west", home / "mailed.pub", "--config", home / "federation.yaml").code == 0
