"""Cells of a manifest into files that exist."""

from __future__ import annotations

import difflib
from pathlib import Path, PurePosixPath

from wardround.engine.basics.problems import InputError


def resolve_file(base: Path, cell: str, where: str, folders: dict[Path, tuple[str, ...]]) -> Path:
    """The absolute path of a file named relative to `base`, with slashes or backslashes between its parts.

    Raises `InputError` when there is no such file, with the closest names in its folder. `folders` remembers the
    folders' contents from one call to the next.
    """
    path = _absolute(base, cell)
    try:
        if path.is_file():
            return path
        is_folder = path.is_dir()
    except OSError as error:
        raise InputError.one("the file cannot be read", where=where, got=f"'{cell}': {error.strerror}") from None
    if is_folder:
        raise InputError.one("this is a folder", where=where, got=f"'{cell}'", expected="an image file")
    raise InputError.one("there is no such file", where=where, got=f"'{cell}'", remedy=_remedy(path, folders))


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


def _remedy(path: Path, folders: dict[Path, tuple[str, ...]]) -> str:
    if not _exists(path.parent):
        return f"The folder {path.parent} does not exist either; paths are relative to the manifest"
    if path.parent not in folders:
        folders[path.parent] = _names(path.parent)
    close = difflib.get_close_matches(path.name, folders[path.parent], n=2, cutoff=0.8)
    named = " or ".join(repr(name) for name in close)
    return f"Its folder has {named}" if named else f"Looked for {path}; paths are relative to the manifest"


def _names(folder: Path) -> tuple[str, ...]:
    try:
        return tuple(sorted(item.name for item in folder.iterdir()))
    except OSError:
        return ()
