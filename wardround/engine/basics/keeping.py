"""Who else could read or change a file that decides whom this machine trusts: one check for keys and for settings."""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterable, Iterator
from enum import Enum
from pathlib import Path

from wardround.engine.basics.problems import Findings, Problem

_ROOT = 0


class Kept(Enum):
    """How a file is kept: its owner alone reads and changes a `SECRET`, and alone changes `SETTINGS` or a `RECORD`.

    Settings say what to do; a record says what was done, and may be looked at by root whoever's it is.
    """

    SECRET = "a secret"
    SETTINGS = "settings"
    RECORD = "a record"


_FORBIDDEN = {Kept.SECRET: 0o077, Kept.SETTINGS: 0o022, Kept.RECORD: 0o022}
_OTHERS_CHANGE, _OWNER_CHANGES = "others than its owner may change the", "no write permission for group and others"
_WHAT = {Kept.SECRET: "others can read the", Kept.SETTINGS: _OTHERS_CHANGE, Kept.RECORD: _OTHERS_CHANGE}
_EXPECTED = {Kept.SECRET: "mode 0600", Kept.SETTINGS: _OWNER_CHANGES, Kept.RECORD: _OWNER_CHANGES}
_REMEDY = {Kept.SECRET: "chmod 600", Kept.SETTINGS: "chmod go-w", Kept.RECORD: "chmod go-w"}
_WRITABLE_BY_OTHERS = 0o002


def check_kept(path: Path, kept: Kept, noun: str, findings: Findings) -> None:
    """Note every way in which somebody else could read or change a file: by its mode, its owner or its folder.

    A file that is absent is no finding: whoever needs it says so. Links are followed, and the folder of the file that
    a link leads to is looked at as well. `noun` is what people call the file.
    """
    try:
        found = path.stat()
    except OSError:
        return
    folders = dict.fromkeys((path.absolute().parent, path.resolve().parent))
    trusted = _trusted(found.st_uid, folders, kept)
    problems = [
        *_wrong_mode(path, found.st_mode, kept, noun),
        *_wrong_owner(path, found.st_uid, trusted),
        *(problem for folder in folders for problem in _wrong_folder(folder, kept, trusted)),
    ]
    findings.extend(problem for problem in problems if problem not in findings.problems)


def require_kept(path: Path, kept: Kept, noun: str) -> None:
    """Raise `InputError` with all that `check_kept` finds."""
    findings = Findings()
    check_kept(path, kept, noun, findings)
    findings.raise_if_any()


def _wrong_mode(path: Path, mode: int, kept: Kept, noun: str) -> Iterator[Problem]:
    if mode & _FORBIDDEN[kept]:
        yield Problem(
            f"{_WHAT[kept]} {noun}",
            where=str(path),
            got=f"mode {stat.S_IMODE(mode):04o}",
            expected=_EXPECTED[kept],
            remedy=f"{_REMEDY[kept]} {path}",
        )


def _trusted(owner: int, folders: Iterable[Path], kept: Kept) -> tuple[int, ...]:
    """Users who may own the file: who runs this, and root.

    Root may look at a user's secrets and records in that user's folder. Settings of a user it may not follow: it would
    do what that user has written.
    """
    is_one_users = all(folder.stat().st_uid == owner for folder in folders)
    if os.geteuid() == _ROOT and kept is not Kept.SETTINGS and is_one_users:
        return (_ROOT, owner)
    return (os.geteuid(), _ROOT)


def _wrong_owner(path: Path, owner: int, trusted: tuple[int, ...]) -> Iterator[Problem]:
    if owner not in trusted:
        me = _name(os.geteuid())
        yield Problem(
            "the file belongs to somebody else",
            where=str(path),
            got=f"owner {_name(owner)}",
            expected=me if os.geteuid() == _ROOT else f"{me} or root",
            remedy=f"Run this as {_name(owner)}, or chown {me} {path}",
        )


def _wrong_folder(folder: Path, kept: Kept, trusted: tuple[int, ...]) -> Iterator[Problem]:
    """Who may write in a folder may put another file in the place of one in it, unless the sticky bit forbids it."""
    found = folder.stat()
    if found.st_uid not in trusted:
        me = _name(os.geteuid())
        yield Problem(
            "the folder belongs to somebody else, who may put another file in its place",
            where=str(folder),
            got=f"owner {_name(found.st_uid)}",
            expected=me if os.geteuid() == _ROOT else f"{me} or root",
            remedy=f"chown {me} {folder}, or move the file to a folder of {me}",
        )
    mode = stat.S_IMODE(found.st_mode)
    forbidden = _FORBIDDEN[Kept.SETTINGS] if kept is Kept.SECRET else _WRITABLE_BY_OTHERS
    if mode & forbidden and not mode & stat.S_ISVTX:
        yield Problem(
            "others may put another file in its place",
            where=str(folder),
            got=f"folder of mode {mode:04o}",
            expected="no write permission for others",
            remedy=f"chmod go-w {folder}",
        )


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
