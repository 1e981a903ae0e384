"""Names of sites that nobody in the roster has: which site was meant, told from the file that came with the name."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path

from wardround.aggregator.roster.requests import refuse_other_files
from wardround.engine.basics.problems import InputError, Problem, did_you_mean
from wardround.federation.identities import EnrolmentRequest, Roster
from wardround.federation.succession import read_rotation

_NOBODY = "Add each site with `aggregator enroll NAME NAME.pub`"


def command(word: str, name: str, request: Path) -> str:
    """A command of the aggregator on a site and its file, the file as it was named."""
    return f"`aggregator {word} {shlex.quote(name)} {shlex.quote(str(request))}`"


def unknown(path: Path, roster: Roster, name: str) -> InputError:
    """The error for a command on a site that is not in the roster of a file, and so has nothing to lose."""
    return InputError([_not_enrolled(path, roster, name, _without_file(name, roster.names))])


def unknown_with_file(path: Path, roster: Roster, word: str, name: str, request: Path) -> InputError:
    """The same for a command that takes a file as well; with what is wrong with the file."""
    try:
        remedy = _with_file(roster.names, word, name, request)
    except InputError as error:
        return InputError([_not_enrolled(path, roster, name, _without_file(name, roster.names)), *error.problems])
    return InputError([_not_enrolled(path, roster, name, remedy)])


def needs_first_request(name: str) -> str:
    """What the staff of a site does that was never enrolled, and has sent other keys than its first."""
    return f"its staff runs `site-client init` in an empty folder and sends {name}.pub"


def _not_enrolled(path: Path, roster: Roster, name: str, remedy: str) -> Problem:
    expected = ", ".join(roster.names) or "nobody yet"
    return Problem("no site of this name is enrolled", str(path), name, expected, remedy)


def _without_file(name: str, names: Iterable[str]) -> str:
    known = tuple(names)
    close = did_you_mean(name, known)
    if not known or close.endswith("?"):
        return close or _NOBODY
    return f"{name} takes no part, so there is nothing to do if it was meant; if another site was, name that one"


def _with_file(names: Iterable[str], word: str, name: str, request: Path) -> str:
    refuse_other_files(request, name)
    rotation = read_rotation(request)
    holder = (rotation.member if rotation is not None else EnrolmentRequest.load(request).member).name
    if holder in names:
        return f"The file is of {holder}: {command(word, holder, request)}"
    if rotation is not None:
        return f"{holder} is not enrolled yet: {needs_first_request(holder)}"
    return f"{holder} is not enrolled yet: {command('enroll', holder, request)}"
