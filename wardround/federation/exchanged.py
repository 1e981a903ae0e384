"""Files of keys that have each other's contents, as when their names were mixed up while a backup was put back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from wardround.engine.basics.problems import Problem


def exchanged(folder: Path, owners: Mapping[str, str]) -> Problem | None:
    """One problem where files of a folder hold what belongs in the others of them, and nothing is lacking.

    `owners` gives, for each file that can be read, the name of the file that its contents belong in.
    """
    moved = {name: owner for name, owner in owners.items() if name != owner}
    if not moved or set(moved) != set(moved.values()):
        return None
    names = " and ".join(sorted(moved))
    return Problem(
        "files have each other's contents",
        where=str(folder),
        got=", ".join(f"{name} holds what belongs in {owner}" for name, owner in sorted(moved.items())),
        expected="each under its own name",
        remedy=f"Exchange the names of {names}, so that each file has its own; nothing is lost",
    )
