"""The roster file: who takes part. Sites are added from the requests that they made; nobody else ever takes part."""

from __future__ import annotations

import codecs
import json
from pathlib import Path

from pydantic import ValidationError

from wardround.aggregator.roster.flaws import missing_roster, roster_problems
from wardround.aggregator.roster.key_changes import read_changes
from wardround.aggregator.roster.requests import refuse_other_files, require_order
from wardround.aggregator.roster.unknown_sites import command, needs_first_request, unknown, unknown_with_file
from wardround.engine.basics.files import is_missing, write_settings
from wardround.engine.basics.keeping import Kept, require_kept
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.reading import read_named
from wardround.engine.basics.releases import later_release
from wardround.federation.identities import EnrolmentRequest, Member, Roster
from wardround.federation.succession import read_rotation


def read_roster(path: Path) -> Roster:
    """The roster of a file. Raises `InputError` when it cannot be read, is not one, or others may change it."""
    if is_missing(path):
        raise missing_roster(path)
    require_kept(path, Kept.SETTINGS, "roster")
    content = read_named(path, "roster").removeprefix(codecs.BOM_UTF8)
    try:
        return Roster.model_validate_json(content)
    except ValidationError as error:
        raise later_release(error, path) or InputError(roster_problems(path, content, error)) from None


def write_roster(path: Path, roster: Roster) -> None:
    """Write a roster as readable JSON, atomically."""
    write_settings(path, (json.dumps(roster.model_dump(mode="json"), indent=2, sort_keys=True) + "\n").encode())


def enrol(path: Path, name: str, request_path: Path) -> Member:
    """Add a site to the roster file from its request, whose proofs are checked; a file that is missing begins anew.

    Raises:
        InputError: the request is not valid, is of a site with another name, name or keys are in the roster already,
            or a key was revoked or replaced.
    """
    require_order("enroll", name, request_path)
    member = _requested(name, request_path)
    roster = Roster(members=()) if is_missing(path) else read_roster(path)
    _refuse_known(roster, member, path, request_path)
    write_roster(path, Roster.of((*roster.members, member)))
    return member


def remove(path: Path, name: str) -> None:
    """Take a site from the roster file. Raises `InputError` when it is not there."""
    roster = read_roster(path)
    if roster.member(name) is None:
        raise unknown(path, roster, name)
    write_roster(path, Roster.of(tuple(member for member in roster.members if member.name != name)))


def replace_keys(path: Path, name: str, request_path: Path) -> Member:
    """Give a site of the roster the keys of its new request. Raises `InputError` as `enrol` does."""
    require_order("replace", name, request_path)
    roster = read_roster(path)
    if roster.member(name) is None:
        raise unknown_with_file(path, roster, "replace", name, request_path)
    member = _requested(name, request_path)
    others = Roster.of(tuple(known for known in roster.members if known.name != name))
    _refuse_known(others, member, path, request_path)
    write_roster(path, Roster.of((*others.members, member)))
    return member


def _requested(name: str, request_path: Path) -> Member:
    refuse_other_files(request_path, name)
    _refuse_rotation(request_path, name)
    member = EnrolmentRequest.load(request_path).member
    if member.name != name:
        raise of_another_name(request_path, member.name, name)
    return member


def _refuse_rotation(path: Path, name: str) -> None:
    if read_rotation(path) is not None:
        raise InputError.one(
            "these are the new keys of a site that was enrolled before",
            where=str(path),
            got="what `site-client rotate-keys` wrote",
            expected="the NAME.pub file that `site-client init` wrote",
            remedy=f"If {name} is enrolled, use {command('rotate-key', name, path)}. If it is not, "
            f"{needs_first_request(name)}",
        )


def of_another_name(request: Path, found: str, asked: str) -> InputError:
    """The error for a request that is given under a name that it does not have."""
    return InputError.one(
        "the request is of a site with another name",
        where=str(request),
        got=found,
        expected=asked,
        remedy=f"If this is the right file, say {found} instead of {asked}; if {asked} was meant, name its own "
        ".pub file. A site has the name that its staff gave to `site-client init`",
    )


def _refuse_known(roster: Roster, member: Member, path: Path, request: Path) -> None:
    if roster.member(member.name) is not None:
        raise InputError.one(
            "a site of this name is enrolled already",
            where=str(path),
            got=member.name,
            remedy=_for_enrolled(roster, member, request),
        )
    holders = {key: known.name for known in roster.members for key in (known.signing_key, known.transport_key)}
    shared = [holders[key] for key in (member.signing_key, member.transport_key) if key in holders]
    if shared:
        raise InputError.one(
            "another site has the same key",
            where=str(path),
            got=f"{member.name} with a key of {shared[0]}",
            remedy="Each site makes its own keys with `site-client init`",
        )
    _refuse_former(member, path)


def _for_enrolled(roster: Roster, member: Member, request: Path) -> str:
    if member in roster.members:
        return "These are the keys with which it was enrolled: nothing is left to do; `aggregator sites` shows it"
    return f"If it made new keys, use {command('replace', member.name, request)}"


def _refuse_former(member: Member, path: Path) -> None:
    """Nobody comes back, under whatever name, with a key that was revoked or replaced, or is another site's by now."""
    keys = {member.signing_key, member.transport_key}
    for change in read_changes(path):
        heir, what = change.successor, "was revoked" if change.successor is None else "has been replaced"
        if not change.retired.isdisjoint(keys):
            held = f"a key of {change.site} that {what}"
        elif (
            heir is not None
            and heir.name != member.name
            and not {heir.signing_key, heir.transport_key}.isdisjoint(keys)
        ):
            held = f"a key of {heir.name}"
        else:
            continue
        raise InputError.one(
            "these keys are in use, or were",
            where=str(path),
            got=f"{member.name} with {held}",
            remedy="The site makes new keys, with `site-client rotate-keys` or `init` in an empty folder",
        )
