"""Which axis of an NRRD counts the values of a voxel, by the kinds of its axes and those that have no direction."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from wardround.engine.imaging.entries import AGAIN, Entries, numbers_in

_SPATIAL = ("domain", "space", "none", "???")
_COUNTED = {
    "stub": 1,
    "scalar": 1,
    "2-vector": 2,
    "3-color": 3,
    "rgb-color": 3,
    "4-color": 4,
    "rgba-color": 4,
    "3-vector": 3,
    "3-gradient": 3,
    "3-normal": 3,
    "4-vector": 4,
    "2d-symmetric-matrix": 3,
    "2d-matrix": 4,
    "3d-symmetric-matrix": 6,
    "3d-matrix": 9,
}
_UNCOUNTED = ("list", "point", "vector", "covariant-vector", "normal", "time")
_REFUSED = {
    "complex": "Save real numbers, for instance the magnitude of a complex image",
    "quaternion": "Save real numbers",
    "hsv-color": "Save it in RGB",
    "xyz-color": "Save it in RGB",
    "2d-masked-symmetric-matrix": "Save it without the mask",
    "2d-masked-matrix": "Save it without the mask",
    "3d-masked-symmetric-matrix": "Save it without the mask",
    "3d-masked-matrix": "Save it without the mask",
}
_KNOWN = {*_SPATIAL, *_COUNTED, *_UNCOUNTED}
_DIRECTIONS = "space directions"
_NOWHERE = np.array([np.nan])
_DIRECTION = re.compile(r"none|\(([^()]*)\)")


@dataclass(frozen=True)
class ChannelAxis:
    """The axis that counts the values of a voxel.

    Attributes:
        index: among the stored axes; None where every voxel has one value.
    """

    index: int | None


def channel_axis(entries: Entries, sizes: tuple[int, ...]) -> ChannelAxis | None:
    """The axis that counts the values of a voxel; None, and a problem, where that cannot be told."""
    found = _not_in_space(entries, sizes)
    if found is None or (len(found) <= 1 and len(sizes) - len(found) in (2, 3)):
        return None if found is None else ChannelAxis(next(iter(found), None))
    name = next(name for name in (_DIRECTIONS, "kinds", "dimension") if name in entries)
    entries.refuse(name, entries[name], "2 or 3 axes in space, and at most one more for the values of a voxel")
    return None


def _not_in_space(entries: Entries, sizes: tuple[int, ...]) -> set[int] | None:
    kinds = _kinds(entries, sizes)
    if kinds is None:
        return None
    by_kind = {index for index, kind in enumerate(kinds) if kind not in _SPATIAL}
    if _DIRECTIONS in entries:
        return _without_direction(entries, by_kind, len(sizes))
    # As ITK and NIfTI have it: of four axes that say nothing, the last one.
    return by_kind or ({3} if len(sizes) == 4 else set())


def _without_direction(entries: Entries, by_kind: set[int], axes: int) -> set[int] | None:
    """The axes that have no direction, among which those must be whose kind is not of space."""
    given = vectors(entries, axes)
    if given is None:
        return None
    found = {index for index, vector in enumerate(given) if vector is None}
    if by_kind <= found:
        return found
    entries.refuse("kinds", f"{entries['kinds']}, with {entries[_DIRECTIONS]}", "no direction for values of a voxel")
    return None


def vectors(entries: Entries, axes: int) -> list[np.ndarray | None] | None:
    """The direction of each axis, None for one that has none; None, and a problem, where they cannot be read."""
    text = entries[_DIRECTIONS]
    words = [match[0] for match in _DIRECTION.finditer(text)]
    read = [vector for vector in map(_direction_in, words) if vector is not None]
    if not len(read) == len(words) == axes or _DIRECTION.sub("", text).strip():
        expected = f"{axes} vectors such as (0.5,0,0), or none for an axis without one"
        entries.refuse(_DIRECTIONS, text or "nothing", expected)
        return None
    return [None if np.isnan(vector).all() else vector for vector in read]


def _direction_in(word: str) -> np.ndarray | None:
    return _NOWHERE if word == "none" else vector_in(word)


def vector_in(text: str) -> np.ndarray | None:
    """The numbers of a vector such as (1,0,0); None for anything else."""
    match = _DIRECTION.fullmatch(text.strip())
    if match is None or match[1] is None or not all(part.strip() for part in match[1].split(",")):
        return None
    return numbers_in(match[1].replace(",", " "))


def _kinds(entries: Entries, sizes: tuple[int, ...]) -> list[str] | None:
    """The kinds of all axes in lower case; None, and problems, where they make no sense."""
    if "kinds" not in entries:
        return ["none"] * len(sizes)
    kinds = [word.lower() for word in entries["kinds"].split()]
    if len(kinds) != len(sizes) or not _KNOWN.issuperset(kinds):
        remedy = next((_REFUSED[kind] for kind in kinds if kind in _REFUSED), AGAIN)
        expected = f"{len(sizes)} kinds such as domain, vector or list"
        entries.refuse("kinds", entries["kinds"] or "nothing", expected, remedy)
        return None
    wrong = [(kind, size) for kind, size in zip(kinds, sizes, strict=True) if _COUNTED.get(kind, size) != size]
    for kind, size in wrong:
        entries.refuse("kinds", f"{kind} along an axis of {size}", f"an axis of {_COUNTED[kind]}")
    return None if wrong else kinds
