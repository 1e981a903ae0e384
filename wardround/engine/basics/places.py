"""What a cell of a table names: a file, a folder whose files are one image, or one series of such a folder behind `#`.

`scan` is a folder with one series. `scan#4` and `scan/#4` are the series with the SeriesNumber 4 of a folder that holds
several, and `scan#1.2.840.1` is the one with this SeriesInstanceUID.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MARK = "#"
_SELECTOR = re.compile(r"[0-9]+(\.[0-9]+)*")


class Place(NamedTuple):
    """A folder of files that are read together, and which of its series is meant; empty for its only one."""

    folder: Path
    series: str = ""


def folder_place(path: Path) -> Place | None:
    """The folder that a path names, with the series behind `#`; None for a file, and for nothing at all.

    What exists by its whole name is that, whatever signs are in it. Raises `OSError` where the system does not say.
    """
    if path.is_dir():
        return Place(path)
    head, mark, series = str(path).rpartition(MARK)
    if not mark or not _SELECTOR.fullmatch(series) or path.exists():
        return None
    folder = Path(head)
    return Place(folder, series) if folder.is_dir() else None


def files_at(path: Path) -> tuple[Path, ...]:
    """The files that lie where a path leads: itself, or those of `files_below`. Raises `OSError`."""
    place = folder_place(path)
    return (path,) if place is None else tuple(files_below(place.folder))


def files_below(folder: Path) -> Iterator[Path]:
    """The files of a folder and of those below it, in the order of their names; without hidden ones, as file managers
    leave them. Raises `OSError`."""
    for here, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(here, name) for name in sorted(names) if not name.startswith("."))


def waits(path: Path) -> bool:
    """Whether a pipe, a socket or a device stands at a path: who opens one may wait for ever. Raises `OSError`."""
    mode = path.stat().st_mode
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _raise(error: OSError) -> None:
    raise error
