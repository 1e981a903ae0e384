"""Keys, enrolment and roster."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from pydantic import ValidationError

from wardround.engine.basics.problems import InputError
from wardround.federation.identities import (
    COORDINATOR_FILE,
    SIGNING_FILE,
    TRANSPORT_FILE,
    CoordinatorKey,
    EnrolmentRequest,
    Member,
    Roster,
    SiteKeys,
    fingerprint,
    sign,
    transport_public_bytes,
    verify,
)


def _member(folder: Path, name: str) -> Member:
    return EnrolmentRequest.create(name, SiteKeys.create(folder / name)).member


def test_keys_come_back_and_only_their_owner_can_read_them(tmp_path: Path) -> None:
    made, loaded = SiteKeys.create(tmp_path), SiteKeys.load(tmp_path)
    assert (made.signing_public, made.transport_public) == (loaded.signing_public, loaded.transport_public)
    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in (SIGNING_FILE, TRANSPORT_FILE)} == {0o600}


def test_existing_keys_are_not_overwritten(tmp_path: Path) -> None:
    SiteKeys.create(tmp_path)
    CoordinatorKey.create(tmp_path)
    for create in (SiteKeys.create, CoordinatorKey.create):
        with pytest.raises(InputError, match="a key already"):
            create(tmp_path)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    SiteKeys.create(tmp_path)
    (tmp_path / SIGNING_FILE).chmod(0o640)
    with pytest.raises(InputError, match="chmod 600"):
        SiteKeys.load(tmp_path)


def test_keys_in_each_others_place_are_refused(tmp_path: Path) -> None:
    SiteKeys.create(tmp_path)
    (tmp_path / SIGNING_FILE).write_bytes((tmp_path / TRANSPORT_FILE).read_bytes())
    with pytest.raises(InputError, match=r"signing\.key: .*a key of another kind"):
        SiteKeys.load(tmp_path)


def test_each_key_that_is_missing_or_damaged_is_told_at_once_and_in_plain_words(tmp_path: Path) -> None:
    SiteKeys.create(tmp_path)
    (tmp_path / SIGNING_FILE).write_bytes((tmp_path / SIGNING_FILE).read_bytes()[:40])
    (tmp_path / TRANSPORT_FILE).write_bytes(b"")
    with pytest.raises(InputError) as raised:
        SiteKeys.load(tmp_path)
    told = str(raised.value)
    assert [problem.got for problem in raised.value.problems] == [
        "a file that is cut short or damaged, or another one",
        "an empty file",
    ]
    assert "PEM" not in told
    (tmp_path / SIGNING_FILE).unlink()
    with pytest.raises(
        InputError, match=r"signing\.key is missing .*backup.*`site-client init` in a new folder.*replace"
    ):
        SiteKeys.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a key"])
def test_what_is_not_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / COORDINATOR_FILE
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(InputError, match="not the expected key"):
        CoordinatorKey.load(tmp_path)


def test_an_absent_key_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"coordinator\.key is missing"):
        CoordinatorKey.load(tmp_path)


def test_a_signature_holds_for_its_body_and_key_only(tmp_path: Path) -> None:
    key, other = CoordinatorKey.create(tmp_path / "a"), CoordinatorKey.create(tmp_path / "b")
    signature = sign(key.signing, b"body")
    assert verify(key.public, b"body", signature)
    assert not verify(key.public, b"Body", signature)
    assert not verify(other.public, b"body", signature)
    assert not verify(key.public, b"body", b"")
    assert not verify("00", b"body", signature)


def test_private_keys_do_not_show_in_a_representation(tmp_path: Path) -> None:
    assert "signing" not in repr(SiteKeys.create(tmp_path))


def test_a_request_proves_both_keys(tmp_path: Path) -> None:
    request = EnrolmentRequest.create("north", SiteKeys.create(tmp_path / "keys"))
    request.save(tmp_path / "north.pub")
    assert EnrolmentRequest.load(tmp_path / "north.pub") == request


@pytest.mark.parametrize("field", ["name", "signing_key", "transport_key"])
def test_a_request_with_another_name_or_key_is_refused(tmp_path: Path, field: str) -> None:
    path, other = tmp_path / "north.pub", _member(tmp_path, "south")
    EnrolmentRequest.create("north", SiteKeys.create(tmp_path / "keys")).save(path)
    content = json.loads(path.read_text())
    content["member"][field] = getattr(other, field)
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="changed after the site had signed it"):
        EnrolmentRequest.load(path)


@pytest.mark.parametrize("content", ["", "{}", '{"member": 1}', "x" * 100_000])
def test_what_is_not_a_request_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "north.pub"
    path.write_text(content)
    with pytest.raises(InputError, match="not an enrolment request"):
        EnrolmentRequest.load(path)


def test_a_roster_is_in_order_and_has_one_digest(tmp_path: Path) -> None:
    north, south = _member(tmp_path, "north"), _member(tmp_path, "south")
    assert Roster.of((south, north)) == Roster.of((north, south))
    assert Roster.of((south, north)).names == ("north", "south")
    assert Roster.of((north,)).digest != Roster.of((north, south)).digest
    assert Roster.of((north, south)).member("south") == south
    assert Roster.of((north,)).member("south") is None


def test_two_members_cannot_share_a_name_or_a_key(tmp_path: Path) -> None:
    north = _member(tmp_path, "north")
    with pytest.raises(ValidationError, match="each name once"):
        Roster.of((north, _member(tmp_path / "again", "north")))
    with pytest.raises(ValidationError, match="same key"):
        Roster.of((north, north.model_copy(update={"name": "south"})))


def test_a_transport_key_that_is_no_point_is_refused() -> None:
    with pytest.raises(ValidationError):
        Member(name="north", signing_key="0" * 64, transport_key="02" + "f" * 96)


def test_the_link_gets_transport_keys_in_flowers_form(tmp_path: Path) -> None:
    from wardround.federation.flower import settings

    settings.ensure()
    from flwr.supercore.primitives.asymmetric import public_key_to_bytes

    keys = SiteKeys.create(tmp_path)
    roster = Roster.of((EnrolmentRequest.create("north", keys).member,))
    assert roster.transport_keys() == {"north": public_key_to_bytes(keys.transport.public_key())}
    assert transport_public_bytes(keys.transport_public) == public_key_to_bytes(keys.transport.public_key())


def test_fingerprints_are_for_people() -> None:
    assert fingerprint("00" * 32) == "6668 7aad f862 bd77 6c8f c18b 8e9f 8e20"


def test_two_keys_with_each_others_names_are_told_as_that_and_not_as_lost(tmp_path: Path) -> None:
    SiteKeys.create(tmp_path)
    (tmp_path / "signing.key").rename(tmp_path / "aside")
    (tmp_path / "transport.key").rename(tmp_path / "signing.key")
    (tmp_path / "aside").rename(tmp_path / "transport.key")
    with pytest.raises(InputError, match=r"Exchange the names of signing\.key and transport\.key") as refused:
        SiteKeys.load(tmp_path)
    assert len(refused.value.problems) == 1
    assert "init" not in str(refused.value)


def test_one_key_under_both_names_is_a_lost_key(tmp_path: Path) -> None:
    SiteKeys.create(tmp_path)
    (tmp_path / "transport.key").write_bytes((tmp_path / "signing.key").read_bytes())
    with pytest.raises(InputError, match="a key of another kind"):
        SiteKeys.load(tmp_path)
