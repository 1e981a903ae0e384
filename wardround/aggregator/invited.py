"""What the sites were invited to, against what federation, study, roster and keys say now.

The invitation that `aggregator invite` writes beside the federation file is a copy of what the sites accept. Once there
is a run of this very plan, the state folder says so, and the invitation may be of another day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from cryptography import x509

from wardround.aggregator.coordination import Coordination
from wardround.aggregator.roster.key_folder import issuer_of, server_chain
from wardround.aggregator.rounds.state import StateFolder
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.study import study_to_bytes
from wardround.federation.differences import Terms, differences
from wardround.federation.identities import fingerprint
from wardround.federation.invitation import Invitation, load_invitation, shown_authority

INVITATION_FILE = "invitation.json"
_AGAIN = "`aggregator invite`, and have every site accept it"


def as_invited(coordination: Coordination) -> Coordination:
    """The federation with notes on what its invitation says otherwise, of what does no harm.

    Raises:
        InputError: a run of another plan has begun; or there is none of this plan, and the sites were invited to
            another plan or by other keys, so that what they accepted could not be asked of them.
    """
    state = StateFolder(coordination.folders.state)
    state.require(coordination.plan, coordination.study, coordination.roster)
    path = coordination.home / INVITATION_FILE
    if not path.exists():
        return coordination
    try:
        invitation = load_invitation(path)
    except InputError:
        unusable = f"{path.name} here is damaged or of another release, and no site could accept it: {_AGAIN}"
        return replace(coordination, notes=(*coordination.notes, unusable))
    findings = Findings()
    findings.extend(_other_authority(path, invitation, coordination))
    notes = [*coordination.notes, *_other_address(path, invitation, coordination)]
    others = (*_other_plan(path, invitation, coordination), *_other_coordinator(path, invitation, coordination))
    held = state.pinned()
    if held is not None and held.digest == coordination.plan.digest:
        notes.extend(f"{path.name} here is not of this run: {each.what}" for each in others)
    else:
        findings.extend(others)
    findings.raise_if_any()
    return replace(coordination, notes=tuple(notes))


def _other_plan(path: Path, invitation: Invitation, now: Coordination) -> Iterator[Problem]:
    if invitation.plan.digest == now.plan.digest:
        return
    lines = differences(Terms.of(invitation), Terms(now.plan, study_to_bytes(now.study).decode(), now.roster))
    yield Problem(
        f"the sites were invited to another plan than this one: {'; '.join(lines)}",
        where=str(path),
        got=f"plan {invitation.plan.digest[:16]}",
        expected=f"plan {now.plan.digest[:16]}, which study, federation file and roster make now",
        remedy=f"Undo the change, or invite again: {_AGAIN}",
    )


def _other_coordinator(path: Path, invitation: Invitation, now: Coordination) -> Iterator[Problem]:
    if invitation.coordinator_key == now.key.public:
        return
    yield Problem(
        "the sites were invited by another coordinator's key",
        where=str(path),
        got=fingerprint(invitation.coordinator_key),
        expected=f"{fingerprint(now.key.public)}, the key in {now.folders.keys}",
        remedy=f"Put the former keys back if these are of another federation; if yours has changed, {_AGAIN}",
    )


def _other_authority(path: Path, invitation: Invitation, now: Coordination) -> Iterator[Problem]:
    """Whoever accepted the invitation trusts the authorities in it, and the server's certificate must be of one."""
    try:
        trusted = x509.load_pem_x509_certificates(invitation.ca_pem.encode())
    except ValueError:
        return
    if issuer_of(server_chain(now.folders.keys), trusted) is not None:
        return
    yield Problem(
        "the sites were invited to trust another authority, and could not connect",
        where=str(path),
        got=shown_authority(invitation.ca_pem),
        expected=f"{shown_authority(now.ca_pem)}, the authority in {now.folders.keys}",
        remedy=f"Put the former keys back if these are of another federation; if yours have changed, {_AGAIN}",
    )


def _other_address(path: Path, invitation: Invitation, now: Coordination) -> Iterator[str]:
    if invitation.address != now.settings.address:
        yield (
            f"{path.name} names the address {invitation.address}, the federation file {now.settings.address}: a site "
            "that accepted it calls the former, unless `address` in its site.yaml says otherwise"
        )
