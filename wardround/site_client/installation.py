"""The name of a work folder, by which the aggregator tells a restart from a second machine with the same keys."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from wardround.engine.basics.files import write_private
from wardround.federation.flower.signing import NO_INSTALLATION

_FILE = "installation"
_NAME = re.compile(r"[0-9a-f]{32}")


def installation_of(work: Path) -> str:
    """The folder's name: random, made once. It says nothing about the machine."""
    known = known_installation(work)
    if known != NO_INSTALLATION:
        return known
    made = secrets.token_hex(16)
    write_private(work / _FILE, f"{made}\n".encode("ascii"))
    return made


def known_installation(work: Path) -> str:
    """The folder's name if it has one already, otherwise the name that stands for none."""
    try:
        found = (work / _FILE).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return NO_INSTALLATION
    return found if _NAME.fullmatch(found) else NO_INSTALLATION
