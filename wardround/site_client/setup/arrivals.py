"""Which file is the invitation that has come, where a person names its folder, or a file that is not there."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from wardround.engine.basics.files import is_missing
from wardround.engine.basics.problems import InputError
from wardround.federation.invitation import MAX_INVITATION_BYTES, is_like_an_invitation

_USUAL = "invitation"
_MOST_FILES = 200
_SHOWN = 3


def require_one_file(path: Path, accepted: Path) -> None:
    """Raise `InputError` for a folder, or for a file that is missing while an invitation lies where it should be.

    Both name the invitations that are there. What this site has accepted, the file `accepted`, is none that has come.
    """
    if path.is_dir():
        raise _not_the_file(path, path, accepted, "the invitation is a folder", "a folder")
    if is_missing(path) and path.absolute().parent.is_dir():
        raise _not_the_file(path, path.absolute().parent, accepted, "there is no such invitation", "no file")


def _not_the_file(path: Path, folder: Path, accepted: Path, what: str, got: str) -> InputError:
    found = _invitations(folder, accepted)
    named = " or ".join(f"`site-client accept {_shown(each)}`" for each in found)
    remedy = (
        f"Name the file: {named}"
        if found
        else "There is no invitation in this folder: save the file that the coordinator has sent, and name it; it is "
        "usually called invitation.json"
    )
    return InputError.one(
        what,
        where=str(path),
        got=f"{got}; looked in {folder.absolute()}" if got == "no file" else got,
        expected="the invitation.json that the coordinator has sent",
        remedy=remedy,
    )


def _shown(path: Path) -> str:
    """The shorter way to write it in a shell."""
    return shlex.quote(min(os.path.relpath(path), str(path), key=len))


def _invitations(folder: Path, accepted: Path) -> list[Path]:
    """Files of a folder that are invitations or are called so, those first that are called as the coordinator's is."""
    try:
        files = sorted(each for each in folder.iterdir() if each.is_file() and each.resolve() != accepted.resolve())
    except OSError:
        return []
    called = [each for each in files if each.name.lower().startswith(_USUAL)]
    others = [each for each in files[:_MOST_FILES] if each not in called and _is_one(each)]
    return [*called, *others][:_SHOWN]


def _is_one(path: Path) -> bool:
    if path.suffix.lower() not in (".json", ".txt", ""):
        return False
    try:
        return path.stat().st_size <= MAX_INVITATION_BYTES and is_like_an_invitation(path.read_bytes())
    except OSError:
        return False
