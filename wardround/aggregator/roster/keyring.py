"""With which keys the sites of the roster speak now: the roster, and what has become of its keys since it was accepted.

The roster is part of the plan, so it stays. Beside it lies `key-changes.json`: keys that were revoked, and keys that
others have replaced, in the order in which that was done. A running aggregator looks at it all the time.
"""

from __future__ import annotations

import datetime
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from wardround.aggregator.roster.enrolment import of_another_name, read_roster
from wardround.aggregator.roster.key_changes import KeyChange, add_change, read_changes
from wardround.aggregator.roster.requests import refuse_other_files, require_order
from wardround.aggregator.roster.unknown_sites import unknown, unknown_with_file
from wardround.engine.basics.problems import InputError
from wardround.federation.identities import EnrolmentRequest, Member, Roster, fingerprint
from wardround.federation.succession import distinct, read_rotation


@dataclass(frozen=True)
class Believed:
    """What is believed of one site.

    Attributes:
        member: the site with its keys of now.
        former: signing keys that it has replaced by its own word; they have signed what lies here already.
        revoked: whether nobody speaks for it.
    """

    member: Member
    former: tuple[str, ...] = ()
    revoked: bool = False

    def after(self, change: KeyChange) -> Believed:
        """What is believed after a change; a change of a key that the site does not use any more changes nothing."""
        if change.site != self.member.name or change.key != self.member.signing_key:
            return self
        if change.successor is None:
            return replace(self, former=(), revoked=True)
        former = (*self.former, change.key) if change.proof is not None and not self.revoked else ()
        return Believed(change.successor, former)

    @property
    def signers(self) -> tuple[Member, ...]:
        """The site with each key by which a reply that lies here may be signed, the present one first."""
        if self.revoked:
            return ()
        return (self.member, *(self.member.model_copy(update={"signing_key": key}) for key in self.former))


def believed(roster: Roster, changes: Sequence[KeyChange]) -> Mapping[str, Believed]:
    """What is believed of every site of a roster."""
    found = {member.name: Believed(member) for member in roster.members}
    for change in changes:
        if change.site in found:
            found[change.site] = found[change.site].after(change)
    return found


@dataclass
class KeyRing:
    """What is believed now; it may change while a round goes on. Thread-safe."""

    sites: Mapping[str, Believed]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, roster: Roster, changes: Sequence[KeyChange] = ()) -> KeyRing:
        """The keys of a roster after changes."""
        return cls(believed(roster, changes))

    def update(self, sites: Mapping[str, Believed]) -> dict[str, Believed]:
        """Believe this from now on; what is new."""
        with self._lock:
            before, self.sites = self.sites, sites
        return {name: each for name, each in sites.items() if before.get(name) != each}

    def is_revoked(self, site: str) -> bool:
        """Whether nobody speaks for a site."""
        found = self.sites.get(site)
        return found is not None and found.revoked

    def current(self, member: Member) -> Member:
        """A member with its keys of now."""
        found = self.sites.get(member.name)
        return member if found is None else found.member

    def signers(self, member: Member) -> tuple[Member, ...]:
        """A member with each key by which a reply that lies here may be signed; none when it was revoked."""
        found = self.sites.get(member.name)
        return (member,) if found is None else found.signers


def revoke(roster_path: Path, name: str) -> Member:
    """Revoke the keys of a site: from now on nobody speaks for it. Raises `InputError` for a name that is not known."""
    roster = read_roster(roster_path)
    present = _present(roster, roster_path, name)
    if present is None:
        raise unknown(roster_path, roster, name)
    if not present.revoked:
        add_change(roster_path, _retired(present.member))
    return present.member


def rotate(roster_path: Path, name: str, request: Path, typed: str | None) -> Member:
    """Take a site's new keys in the place of its former ones.

    A rotation that the present key has signed speaks for itself. Other keys, of a site whose keys were revoked or are
    lost, need the fingerprint that its staff has read to the coordinator.

    Raises:
        InputError: the request is not valid, of another site, with keys of another, needs a fingerprint, or has another
            than the one that was typed.
    """
    require_order("rotate-key", name, request)
    roster = read_roster(roster_path)
    present = _present(roster, roster_path, name)
    if present is None:
        raise unknown_with_file(roster_path, roster, "rotate-key", name, request)
    refuse_other_files(request, name)
    rotation = read_rotation(request)
    member = rotation.member if rotation is not None else EnrolmentRequest.load(request).member
    proven = rotation is not None and rotation.former == present.member.signing_key and not present.revoked
    _check_new(roster_path, name, member, request)
    if not proven or typed is not None:
        _check_typed(member, request, typed)
    proof = rotation.proof if rotation is not None and proven else None
    add_change(roster_path, _retired(present.member).model_copy(update={"successor": member, "proof": proof}))
    return member


def _check_typed(member: Member, request: Path, typed: str | None) -> None:
    """New keys are those whose fingerprint was read out."""
    if _plain(typed or "") == _plain(fingerprint(member.signing_key)):
        return
    raise InputError.one(
        "these keys have another fingerprint than the one that was given"
        if typed
        else "the site's present key has not signed these keys, and their fingerprint was not given",
        where=str(request),
        got=typed or "no fingerprint",
        expected="the fingerprint that the site's staff reads to you over the telephone",
        remedy='Give it as --fingerprint "abcd ef01 ..."',
    )


def _present(roster: Roster, roster_path: Path, name: str) -> Believed | None:
    return believed(roster, read_changes(roster_path)).get(name)


def _check_new(roster_path: Path, name: str, member: Member, request: Path) -> None:
    """New keys are those of this site, and nobody has or had any of them."""
    if member.name != name:
        raise of_another_name(request, member.name, name)
    roster, changes = read_roster(roster_path), read_changes(roster_path)
    known = {*roster.members, *(change.successor for change in changes if change.successor is not None)}
    used = {key for each in known for key in (each.signing_key, each.transport_key)}
    used |= {key for change in changes for key in change.retired}
    if not used.isdisjoint((member.signing_key, member.transport_key)) or not distinct(
        (member.signing_key, member.transport_key)
    ):
        raise InputError.one(
            "these keys are in use, or were",
            where=str(request),
            remedy="The site makes new ones with `site-client rotate-keys`",
        )


def _retired(member: Member) -> KeyChange:
    moment = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return KeyChange(moment=moment, site=member.name, key=member.signing_key, transport=member.transport_key)


def _plain(text: str) -> str:
    return "".join(character for character in text.lower() if character in "0123456789abcdef")
