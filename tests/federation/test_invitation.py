"""Invitations: whole, signed, and in agreement with their own plan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.site_client.support import invitation_for
from wardround.engine.basics.problems import InputError
from wardround.federation.identities import CoordinatorKey, EnrolmentRequest, Roster, SiteKeys
from wardround.federation.invitation import Invitation, load_invitation, save_invitation


@pytest.fixture
def coordinator(tmp_path: Path) -> CoordinatorKey:
    return CoordinatorKey.create(tmp_path / "coordinator")


@pytest.fixture
def invitation(tmp_path: Path, coordinator: CoordinatorKey) -> Invitation:
    member = EnrolmentRequest.create("north", SiteKeys.create(tmp_path / "north")).member
    return invitation_for(coordinator, Roster.of((member,)), address="aggregator.example:8443")


def test_an_invitation_comes_back(tmp_path: Path, invitation: Invitation, coordinator: CoordinatorKey) -> None:
    save_invitation(tmp_path / "invitation.json", invitation, coordinator)
    found = load_invitation(tmp_path / "invitation.json")
    assert found == invitation
    assert (found.host, found.port) == ("aggregator.example", 8443)
    assert found.open_study().digest == found.plan.study


def test_an_address_may_be_ipv6(invitation: Invitation) -> None:
    changed = invitation.model_copy(update={"address": "[::1]:8443"})
    assert (Invitation.model_validate(changed.model_dump()).host, changed.port) == ("::1", 8443)


def test_an_invitation_holds_no_private_key(
    tmp_path: Path, invitation: Invitation, coordinator: CoordinatorKey
) -> None:
    save_invitation(tmp_path / "invitation.json", invitation, coordinator)
    text = (tmp_path / "invitation.json").read_text()
    assert "PRIVATE" not in text
    assert coordinator.signing.private_bytes_raw().hex() not in text


@pytest.mark.parametrize(
    ("field", "value"), [("address", "elsewhere.example:1"), ("ca_pem", "x"), ("coordinator_key", "0" * 64)]
)
def test_a_changed_invitation_is_refused(
    tmp_path: Path, invitation: Invitation, coordinator: CoordinatorKey, field: str, value: str
) -> None:
    path = tmp_path / "invitation.json"
    save_invitation(path, invitation, coordinator)
    content = json.loads(path.read_text())
    content["invitation"][field] = value
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="was changed after the coordinator had signed it"):
        load_invitation(path)


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"federation": "other"}, "federation"), ({"study": "{}"}, "study"), ({"roster": {"members": []}}, "roster")],
)
def test_an_invitation_agrees_with_its_plan(invitation: Invitation, changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        Invitation.model_validate(invitation.model_dump() | changes)


@pytest.mark.parametrize("content", ["", "[]", '{"invitation": {}}'])
def test_what_is_not_an_invitation_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "invitation.json").write_text(content)
    with pytest.raises(InputError, match="not an invitation"):
        load_invitation(tmp_path / "invitation.json")


TRAVELLED = {
    "zip": (lambda whole: b"PK\x03\x04" + whole, "a ZIP archive", "Unpack it, and accept the invitation.json in it"),
    "pdf": (lambda whole: b"%PDF-1.7\n" + whole, "a PDF document", "Ask the coordinator"),
    "mail": (lambda whole: b"Subject: invitation\nTo: north\n\n" + whole, "a mail", "Save the mail's attachment"),
    "page": (lambda whole: b"<!DOCTYPE html><html>" + whole, "a web page (HTML)", "Ask the coordinator"),
    "quotes": (lambda whole: whole.replace(b'"', "\u201c".encode()), "quotation marks were changed", "Ask the"),
    "cut": (lambda whole: whole[: len(whole) // 2], "a file whose end is missing", "Ask the coordinator"),
    "one bracket": (lambda whole: b"{", "a file whose end is missing", "Ask the coordinator"),
    "empty": (lambda whole: b"", "an empty file", "Ask the coordinator"),
    "comma": (lambda whole: whole.replace(b'"address"', b',"address"', 1), "damaged on its way, in line 3", "Ask the"),
}


@pytest.mark.parametrize("name", TRAVELLED)
def test_what_became_of_an_invitation_on_its_way_is_said(
    tmp_path: Path, invitation: Invitation, coordinator: CoordinatorKey, name: str
) -> None:
    spoil, got, remedy = TRAVELLED[name]
    path = tmp_path / "invitation.json"
    save_invitation(path, invitation, coordinator)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(InputError) as raised:
        load_invitation(path)
    (problem,) = raised.value.problems
    assert got in problem.got
    assert remedy in problem.remedy


def test_a_mark_that_an_editor_put_before_an_invitation_changes_nothing(
    tmp_path: Path, invitation: Invitation, coordinator: CoordinatorKey
) -> None:
    path = tmp_path / "invitation.json"
    save_invitation(path, invitation, coordinator)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_invitation(path) == invitation


def test_an_absent_invitation_is_reported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such invitation"):
        load_invitation(tmp_path / "invitation.json")
