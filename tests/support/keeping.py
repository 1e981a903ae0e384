"""Ways in which somebody else could read or change a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Spoil = Callable[[Path, pytest.MonkeyPatch], str]
"""Lets others at a file; gives what the error must say."""


def _mode(mode: int, said: str) -> Spoil:
    def spoil(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        path.chmod(mode)
        return said

    return spoil


def _owner(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if os.geteuid() == 0:
        os.chown(path, 4242, -1)
    else:
        monkeypatch.setattr("wardround.engine.basics.keeping.os.geteuid", lambda: 4242)
    return "belongs to somebody else"


def _folder(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path.parent.chmod(0o777)
    return "another file in its place"


def _folder_owner(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if os.geteuid() == 0:
        os.chown(path.parent, 4242, -1)
    else:
        monkeypatch.setattr("wardround.engine.basics.keeping.os.geteuid", lambda: 4242)
    return "belongs to somebody else"


def _target(path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A link to a file that lies where anybody can put another one."""
    elsewhere = path.parent / "elsewhere"
    elsewhere.mkdir()
    path.rename(elsewhere / path.name)
    path.symlink_to(elsewhere / path.name)
    elsewhere.chmod(0o777)
    return "another file in its place"


SETTINGS: Mapping[str, Spoil] = {
    "group writes": _mode(0o664, "chmod go-w"),
    "others write": _mode(0o646, "chmod go-w"),
    "owner": _owner,
    "folder": _folder,
    "owner of the folder": _folder_owner,
    "target": _target,
}
SECRETS: Mapping[str, Spoil] = {
    "group reads": _mode(0o640, "chmod 600"),
    "others read": _mode(0o604, "chmod 600"),
    "others write": _mode(0o602, "chmod 600"),
    "owner": _owner,
    "folder": _folder,
    "owner of the folder": _folder_owner,
    "target": _target,
}
