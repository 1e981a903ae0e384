"""The name of a work folder, by which the aggregator tells a restart from a second machine with the same keys."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from wardround.engine.basics.files import write_private

_FILE = "installation"
_NAME = re.compile(r"[0-9a-f]{32}")


def installation_of(work: Path) -> str:
    """The folder's name: random, made once. It says nothing about the machine."""
    path = work / _FILE
    try:
        found = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        found = ""
    if _NAME.fullmatch(found):
        return found
    made = secrets.token_hex(16)
    write_private(path, f"{made}\n".encode("ascii"))
    return made
