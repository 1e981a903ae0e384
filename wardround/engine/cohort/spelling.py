"""Names that look alike and are not the same: by upper and lower case, or by the way accents and blanks are written."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060\u00ad"


def folded(name: str) -> str:
    """The same for all names that people hold for one."""
    plain = name.translate(dict.fromkeys(map(ord, _INVISIBLE)))
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", plain).casefold())


def difference(one: str, other: str) -> str:
    """In what alone two names differ that are the same when folded."""
    if unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other):
        return "by the way accents are written (Unicode forms NFC and NFD)"
    if one.casefold() == other.casefold():
        return "by upper and lower case"
    if folded(one) == folded(other) and one.casefold().split() == other.casefold().split():
        return "by kinds of blanks"
    return "by upper and lower case, accents, or signs that nobody sees"


def lookalikes(names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of names that differ and are the same when folded, the earlier name first."""
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(folded(name), name)
        if other != name:
            yield other, name


def written_otherwise(
    path: Path, names_of: Callable[[Path], Mapping[str, str]], key: Callable[[str], str] = folded
) -> Path | None:
    """What stands in the place of a file that is not there, under a name that looks the same; None if nothing does.

    Folders above it may look the same too. `names_of` gives the names in a folder by their `key`, which is the same for
    names that look the same.
    """
    found = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        if (found / part).exists():
            found /= part
            continue
        match = names_of(found).get(key(part))
        if match is None:
            return None
        found /= match
    return found if found.is_file() else None


def names_by_look(folder: Path, key: Callable[[str], str] = folded) -> dict[str, str]:
    """The names in a folder by their `key`, which is the same for those that look the same; none where it cannot be
    read."""
    try:
        return {key(item.name): item.name for item in sorted(folder.iterdir())}
    except OSError:
        return {}
