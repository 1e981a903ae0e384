"""Cells of a manifest into files that exist."""

from __future__ import annotations

import difflib
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from itertools import islice
from pathlib import Path, PurePosixPath

from wardround.engine.basics.places import MARK, files_below, folder_place, waits
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.cohort.spelling import difference, names_by_look, written_otherwise
from wardround.engine.cohort.zeros import AS_TEXT, TAKEN, without_zeros

_COMPARISONS = 200_000
"""Of a missing file's name with those in its folder, for a whole table: seconds, whatever the table's size."""

_CANDIDATES, _OFFERED = 8, 2
_LOOKED_AT = 20


class Neighbours:
    """What folders hold, to name the files that a cell may have meant.

    A file that the table names in another place is that case's, and never offered as a likeness. `named` gives the
    files of the whole table, with normal paths.

    A table whose every row is wrong is compared with its folder's names as far as that takes seconds. Beyond that only
    names that are the same but for their ending are found.
    """

    def __init__(self, named: Callable[[], Iterable[str]] = tuple) -> None:
        self._named = named
        self._names: dict[Path, dict[str, str]] = {}
        self._missing: dict[Path, int] = {}
        self._looks: dict[Path, dict[str, str]] = {}
        self._bare: dict[Path, dict[str, str]] = {}
        self._series: dict[Path, bool] = {}
        self._left = _COMPARISONS

    def are_series(self, folder: Path) -> bool:
        """Whether a folder holds DICOM: looked at once, for every row may name the same export."""
        if folder not in self._series:
            self._series[folder] = holds_dicom(folder)
        return self._series[folder]

    def alike(self, path: Path) -> Path | None:
        """The file that a path names but for the case of letters, or the way accents are written."""
        return written_otherwise(path, self._by_look)

    def with_zeros(self, path: Path) -> Path | None:
        """The file that a path names but for zeros at the front of its numbers."""
        return written_otherwise(path, self._by_bare_numbers, without_zeros)

    def _by_bare_numbers(self, folder: Path) -> dict[str, str]:
        if folder not in self._bare:
            self._bare[folder] = names_by_look(folder, without_zeros)
        return self._bare[folder]

    def _by_look(self, folder: Path) -> dict[str, str]:
        if folder not in self._looks:
            self._looks[folder] = names_by_look(folder)
        return self._looks[folder]

    def close_to(self, path: Path) -> list[str]:
        """Up to two names in the folder of a file that does not exist, the closest first.

        One with another number is most likely another patient's, and told only where it alone is left over and this
        file alone is missing.
        """
        if path.parent not in self._names:
            self._list(path.parent)
        names = self._names[path.parent]
        self._left -= len(names)
        if self._left < 0:
            same = names.get(_stem(path.name))
            return [] if same is None else [same]
        close = difflib.get_close_matches(path.name, names.values(), n=_CANDIDATES, cutoff=0.8)
        alike = [name for name in close if _numbers(name) == _numbers(path.name)]
        return alike[:_OFFERED] or (close if len(close) == 1 and self._missing[path.parent] <= 1 else [])

    def _list(self, folder: Path) -> None:
        present, taken = _listed(folder), self._taken.get(os.path.normpath(folder), set())
        self._names[folder] = _by_stem(name for name in present if name not in taken)
        self._missing[folder] = len(taken.difference(present))

    @cached_property
    def _taken(self) -> Mapping[str, set[str]]:
        """The names that the table gives, by their folder: looked through once, however many folders there are."""
        taken: dict[str, set[str]] = defaultdict(set)
        for path in self._named():
            folder, name = os.path.split(path)
            taken[folder].add(name)
        return taken


class MissingFileError(InputError):
    """There is no such file, its folder is there, and nothing in it is like it; `folder` is where it was looked for."""

    def __init__(self, problem: Problem, folder: Path) -> None:
        super().__init__([problem])
        self.folder = folder


def normal_path(base: Path, cell: str) -> str:
    """The path of a cell as those are compared that name the same file."""
    return os.path.normpath(_absolute(base, cell))


def resolve_file(base: Path, cell: str, where: str, neighbours: Neighbours) -> Path:
    """The absolute path of a file named relative to `base`, with slashes or backslashes between its parts.

    Raises `InputError` when there is no such file, with the closest names in its folder, and `MissingFileError` where
    there are none. `neighbours` remembers the folders' contents from one call to the next.
    """
    path = _absolute(base, cell)
    try:
        if path.is_file() or _is_series(path, neighbours):
            return path
        found = _other_than_a_file(path)
    except OSError as error:
        remedy = "Have the rights changed, or correct the path"
        got = f"'{cell}': {error.strerror}"
        raise InputError.one(
            "the file cannot be read", where=where, got=got, expected="a file that this user may read", remedy=remedy
        ) from None
    if found is not None:
        remedy = _remedy_for(found)
        raise InputError.one(f"this is {found}", where=where, got=f"'{cell}'", expected="an image file", remedy=remedy)
    remedy = _unlike_a_path(cell) or _unlike_a_series(path) or _remedy(path, neighbours)
    problem = Problem("there is no such file", where, f"'{cell}'", "a file", remedy or _put_back(path.parent))
    raise InputError([problem]) if remedy else MissingFileError(problem, path.parent)


def _put_back(folder: Path) -> str:
    return f"Put the file back into {folder}, or correct the cell; paths are relative to the manifest"


def _remedy_for(found: str) -> str:
    if found.startswith("a link"):
        return "Connect the drive or the share to which it leads; or put the image itself there, and no link"
    return "Put the image itself there, or name it in the manifest"


def _is_series(path: Path, neighbours: Neighbours) -> bool:
    """Whether a path leads to a folder of DICOM files, or to one of its series behind `#`."""
    place = folder_place(path)
    return place is not None and neighbours.are_series(place.folder)


def holds_dicom(folder: Path) -> bool:
    """Whether one of the first files of a folder, or below it, is DICOM."""
    try:
        return any(map(_is_dicom, islice(files_below(folder), _LOOKED_AT)))
    except OSError:
        return False


def _is_dicom(path: Path) -> bool:
    if path.suffix.lower() == ".dcm":  # whether it is one is told by who reads it
        return True
    if waits(path):
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _unlike_a_path(cell: str) -> str:
    """What to do about a cell that has the form of something else; empty if it looks like a path."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://?", cell):
        return "Write the path of a file on this machine, without what stands before ://"
    if re.match(r"[A-Za-z]:[\\/]|\\\\", cell):
        return "This is a path of a Windows machine. Write the path on this machine, best relative to the manifest"
    if cell[0] in "'\"`\u2018\u201c\u201e" or cell[-1] in "'\"`\u2019\u201d":
        return "Write the path without quotation marks"
    if cell[0] == "~" or cell[0] == "$":
        return "Write the whole path: ~ and variables of a shell mean nothing in a table"
    return ""


def _unlike_a_series(path: Path) -> str:
    """What to do about a folder with something behind `#` that names no series; empty for any other path."""
    folder, mark, _ = str(path).rpartition(MARK)
    if not mark or not _exists(Path(folder)) or not Path(folder).is_dir():
        return ""
    return (
        f"Behind # stands a SeriesNumber or a SeriesInstanceUID; `wardround dicom {folder}` lists those of the folder"
    )


def _other_than_a_file(path: Path) -> str | None:
    """What stands in the place of a file; None if there is nothing."""
    if folder_place(path) is not None:
        return "a folder without DICOM files"
    if path.is_symlink() and not path.exists():
        return f"a link to {os.readlink(path)!r}, which is not there"
    return "a pipe, a socket or a device" if path.exists() else None


def _absolute(base: Path, cell: str) -> Path:
    written = base.absolute() / cell
    if "\\" not in cell or _exists(written):
        return written
    return base.absolute() / PurePosixPath(cell.replace("\\", "/"))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _remedy(path: Path, neighbours: Neighbours) -> str:
    """What to do about a file that is not there; empty where its folder is there and tells nothing."""
    alike = neighbours.alike(path)
    if alike is not None:
        word = difference(str(path), str(alike))
        return (
            f"There is {_shown(alike, path)!r}, which differs only {word}. Copy the name from there, or rename the file"
        )
    numbered = neighbours.with_zeros(path)
    if numbered is not None:
        return f"There is {_shown(numbered, path)!r}: {TAKEN}. {AS_TEXT}"
    if not _exists(path.parent):
        return (
            f"The folder {path.parent} does not exist either: put it back, or correct the paths, which are relative to "
            "the manifest"
        )
    named = " or ".join(repr(name) for name in neighbours.close_to(path))
    return f"Its folder has {named}; correct the cell, or the file's name" if named else ""


def _shown(found: Path, path: Path) -> str:
    return found.name if found.parent == path.parent else str(found)


def _numbers(name: str) -> list[str]:
    return [number.lstrip("0") for number in re.findall(r"[0-9]+", name)]


def _listed(folder: Path) -> list[str]:
    """The names in a folder, in their order; none where it cannot be read."""
    try:
        return sorted(item.name for item in folder.iterdir())
    except OSError:
        return []


def _by_stem(sorted_names: Iterable[str]) -> dict[str, str]:
    """Names by their stems; of files that share a stem all but the last are by their names."""
    names = list(sorted_names)
    stems = {_stem(name): name for name in names}
    return {(_stem(name) if stems[_stem(name)] == name else name): name for name in names}


def _stem(name: str) -> str:
    return name.lower().partition(".")[0]
