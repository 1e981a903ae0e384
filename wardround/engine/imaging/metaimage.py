"""The header of a MetaImage (MHA), read strictly: what it says is meant, and what nobody can mean is refused.

The library that ITK brings prints to the terminal, believes sizes and packing that the bytes belie, and takes a spacing
of 1 where none is given, sizes in micrometres for millimetres, and axes of any length.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from wardround.engine.imaging.entries import AGAIN, Entries, next_line, numbers_in
from wardround.engine.imaging.formats import ADVICE, unreadable
from wardround.engine.imaging.image import Geometry
from wardround.engine.imaging.layouts import Layout, placed
from wardround.engine.imaging.lengths import millimetres
from wardround.engine.imaging.payloads import Packing, Payload

_TYPES = {"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4", "long": "i4"}
_TYPES |= {"ulong": "u4", "long_long": "i8", "ulong_long": "u8", "float": "f4", "double": "f8"}
_KINDS = {f"met_{name}{tail}": kind for name, kind in _TYPES.items() for tail in ("", "_array")}
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_TRUTHS = "True or False"
_ALIASES = {
    "Origin": "Offset",
    "Position": "Offset",
    "Rotation": "TransformMatrix",
    "Orientation": "TransformMatrix",
    "ElementByteOrderMSB": "BinaryDataByteOrderMSB",
}
_USED: tuple[str, ...] = (
    *("NDims", "DimSize", "ElementType", "ElementNumberOfChannels", "ElementSpacing", "ElementSize", "Offset"),
    *("TransformMatrix", "DistanceUnits", "BinaryData", "BinaryDataByteOrderMSB", "CompressedData"),
    *("CompressedDataSize", "HeaderSize"),
)
_LAST = "ElementDataFile"
_APPLY = "Apply it to the voxels, and write slope 1 and offset 0: most readers pass over it"
_NEUTRAL = {
    "HeaderSizePerSlice": (0.0, AGAIN),
    "ElementToIntensityFunctionSlope": (1.0, _APPLY),
    "ElementToIntensityFunctionOffset": (0.0, _APPLY),
}
"""Entries that nobody follows alike unless they have these values."""
_UNIT = 0.01
"""By how much an axis' vector may differ from length 1: as two decimals leave it."""


def layout(path: Path, stream: BinaryIO) -> Layout:
    """The layout that a header announces. Raises `InputError` with all that is wrong with it."""
    entries = _entries(path, stream)
    start = stream.tell()
    _check_common(entries)
    axes, shape = _axes(entries)
    channels = _channels(entries, axes)
    stored = _stored(entries)
    packing = _packing(entries, stream.seek(0, 2) - start)
    grid = None if axes is None else _grid(entries, axes, shape)
    sizes, count = entries.settled(shape), entries.settled(channels)
    channel_axis = 3 if len(sizes) == 4 else 0 if count > 1 else None
    payload = Payload(
        start=start,
        sizes=(count, *sizes) if count > 1 else sizes,
        stored=entries.settled(stored),
        packing=entries.settled(packing),
        size_entry="DimSize",
        packing_entry="CompressedData",
        plain="CompressedData = False",
        packed="CompressedData = True",
    )
    return Layout(payload, channel_axis, entries.settled(grid), tuple(entries.remarks), entries.space)


def _entries(path: Path, stream: BinaryIO) -> Entries:
    """All entries up to the one that says where the voxels are, which must be behind it."""
    entries = Entries(path)
    number = 0
    while (line := next_line(path, stream)) is not None:
        number += 1
        spelled, is_entry, value = line.partition("=")
        spelled, value = spelled.strip(), value.strip()
        if spelled == _LAST and is_entry:
            _require_local(path, value)
            return entries
        if is_entry and spelled and line.isprintable():
            entries.add(_ALIASES.get(spelled, spelled), spelled, value)
        elif line.strip():
            got = f"a line {number} that is no entry of a MetaImage's header"
            raise unreadable(path, got, f"Entries are `name = value`, and the last is `{_LAST} = LOCAL`. {AGAIN}")
    raise unreadable(path, f"a MetaImage whose header has no {_LAST}", "Copy or export it again")


def _require_local(path: Path, value: str) -> None:
    if value.upper() != "LOCAL":
        raise unreadable(path, f"{_LAST} = {value}: voxels in another file", ADVICE[".mhd"])


def _check_common(entries: Entries) -> None:
    """Entries that say nothing of axes, and names that are nearly those of others."""
    if entries.get("ObjectType", "Image") != "Image":
        entries.refuse("ObjectType", entries["ObjectType"], "Image", "Export it as an image")
    if entries.chosen("BinaryData", _TRUTH, _TRUTHS, "True") is False:
        entries.refuse("BinaryData", "False: voxels as text", "True", "Save it with binary voxels")
    for name, (value, remedy) in _NEUTRAL.items():
        found = numbers_in(entries.get(name, f"{value}"))
        if found is None or found.tolist() != [value]:
            entries.refuse(name, entries[name], f"{value:g}", remedy)
    for name in entries.names:
        _check_name(entries, name)


def _check_name(entries: Entries, name: str) -> None:
    meant = difflib.get_close_matches(name, _USED, n=1, cutoff=0.85)
    if name not in _USED and meant and meant[0] not in entries:
        entries.refuse(name, "an unknown entry", meant[0], f"Did you mean {meant[0]}?")


def _axes(entries: Entries) -> tuple[int | None, tuple[int, ...] | None]:
    """How many axes there are, if that can be told, and their sizes, if these are right."""
    expected = "2 or 3 axes, or 4 with the channels last"
    known = {"2": 2, "3": 3, "4": 4}
    axes = entries.chosen("NDims", known, expected)
    sizes = entries.sizes("DimSize", "the voxels along each axis, as whole numbers above 0")
    if axes is None:
        return known.get(str(len(sizes or ()))), None
    if sizes is not None and len(sizes) != axes:
        entries.refuse("DimSize", entries["DimSize"], f"{axes} numbers, as NDims says")
        return axes, None
    return axes, sizes


def _channels(entries: Entries, axes: int | None) -> int | None:
    if "ElementNumberOfChannels" not in entries:
        return 1
    counts = entries.sizes("ElementNumberOfChannels", "a whole number above 0")
    if counts is None or (len(counts) == 1 and (counts[0] == 1 or axes != 4)):
        return None if counts is None else counts[0]
    got = f"{entries['ElementNumberOfChannels']}, with NDims = {axes}"
    entries.refuse("ElementNumberOfChannels", got, "one number, and 1 with four axes", "Save one file per channel")
    return None


def _stored(entries: Entries) -> np.dtype[Any] | None:
    """numpy's type of the voxels."""
    expected = "a type of whole or real numbers, such as MET_UCHAR, MET_SHORT or MET_FLOAT"
    kind = entries.chosen("ElementType", _KINDS, expected)
    name = "BinaryDataByteOrderMSB"
    is_big = entries.chosen(name, _TRUTH, _TRUTHS, "False")
    if kind is None or is_big is None:
        return None
    stored = np.dtype(kind)
    if stored.itemsize > 1 and name not in entries:
        entries.remark("the header tells no order of bytes; taken as the least significant first")
    return stored.newbyteorder(">" if is_big else "<")


def _packing(entries: Entries, present: int) -> Packing | None:
    is_packed = entries.chosen("CompressedData", _TRUTH, _TRUTHS, "False")
    if is_packed is None:
        return None
    # -1 means that the voxels end with the file, as they must.
    if entries.chosen("HeaderSize", {"0": True, "-1": not is_packed}, "0", "0") is False:
        entries.refuse("HeaderSize", entries["HeaderSize"], "0")
    size = "CompressedDataSize"
    if is_packed and size in entries and entries[size] != str(present):
        remedy = "Copy or export it again" if entries[size].isdigit() else AGAIN
        entries.refuse(size, entries[size] or "nothing", f"{present}, the bytes behind the header", remedy)
    return Packing.EITHER if is_packed else Packing.NONE


def _grid(entries: Entries, axes: int, shape: tuple[int, ...] | None) -> Geometry | None:
    spacing, origin, matrix = _spacing(entries, axes), _origin(entries, axes), _matrix(entries, axes)
    unit = millimetres(entries, "DistanceUnits", entries.get("DistanceUnits", ""))
    if spacing is None or origin is None or matrix is None or unit is None or shape is None:
        return None
    count = min(axes, 3)
    name = "TransformMatrix"
    return placed(entries, name, matrix, spacing[:count] * unit, origin[:count] * unit, shape[:count])


def _spacing(entries: Entries, axes: int) -> np.ndarray | None:
    name = "ElementSize" if "ElementSize" in entries and "ElementSpacing" not in entries else "ElementSpacing"
    return entries.spacings(name, axes)


def _origin(entries: Entries, axes: int) -> np.ndarray | None:
    if "Offset" in entries:
        return entries.numbers("Offset", axes, f"{axes} numbers, the place of the first voxel in mm")
    if axes > 2 and "TransformMatrix" in entries:
        remedy = "Export it again with its Offset, if several images of a patient are to lie at one place"
        entries.remark("the header tells no place of the first voxel; taken as 0", remedy=remedy)
    return np.zeros(axes)


def _matrix(entries: Entries, axes: int) -> np.ndarray | None:
    """The axes' unit vectors as columns, without those of a fourth axis."""
    name = "TransformMatrix"
    if name not in entries:
        if axes > 2:
            entries.unoriented("there is no TransformMatrix")
        return np.eye(min(axes, 3))
    expected = f"{axes * axes} numbers, {axes} axes' vectors of length 1"
    values = entries.numbers(name, axes * axes, expected)
    if values is None:
        return None
    vectors = values.reshape(axes, axes).T
    lengths = np.linalg.norm(vectors, axis=0)
    if (np.abs(lengths - 1) > _UNIT).any():
        got = f"vectors of lengths {', '.join(f'{length:.4g}' for length in lengths)}"
        entries.refuse(name, got, expected, "Sizes of voxels belong into ElementSpacing; " + AGAIN.lower())
        return None
    if axes == 4 and (vectors[3, :3].any() or vectors[:3, 3].any()):
        entries.refuse(name, "a fourth axis that is turned into the others", "channels on an axis of their own")
        return None
    _remark_rotation(entries, vectors)
    count = min(axes, 3)
    return np.asarray((vectors / lengths)[:count, :count])


def _remark_rotation(entries: Entries, vectors: np.ndarray) -> None:
    name = "CenterOfRotation"
    centre = numbers_in(entries[name]) if name in entries else None
    if centre is not None and centre.any() and not np.allclose(vectors, np.eye(len(vectors))):
        entries.remark("CenterOfRotation is passed over, as ITK does: Offset is the first voxel's place", entries[name])
