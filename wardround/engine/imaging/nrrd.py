"""The header of an NRRD, read strictly: what it says is meant, and what nobody can mean is refused.

ITK's reader returns whatever lies in a file whose voxels are not packed as its header says, takes metres for
millimetres, and a coordinate system that tells nothing of the patient for the patient's.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from wardround.engine.basics.problems import did_you_mean
from wardround.engine.imaging.entries import Entries, next_line
from wardround.engine.imaging.formats import ADVICE, unreadable
from wardround.engine.imaging.layouts import Layout
from wardround.engine.imaging.nrrd_axes import channel_axis
from wardround.engine.imaging.nrrd_space import grid
from wardround.engine.imaging.payloads import Packing, Payload

_FIELDS: tuple[str, ...] = (
    *("dimension", "type", "block size", "encoding", "endian", "content", "min", "max", "old min", "old max"),
    *("data file", "line skip", "byte skip", "sample units", "number", "sizes", "spacings", "thicknesses"),
    *("axis mins", "axis maxs", "centers", "labels", "units", "kinds", "space", "space dimension"),
    *("space units", "space origin", "space directions", "measurement frame"),
)
_NAMES = {name.replace(" ", ""): name for name in _FIELDS} | {"centerings": "centers"}
_TYPES = {
    "i1": "signed char, int8, int8_t",
    "u1": "uchar, unsigned char, uint8, uint8_t",
    "i2": "short, short int, signed short, signed short int, int16, int16_t",
    "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
    "i4": "int, signed int, int32, int32_t",
    "u4": "uint, unsigned int, uint32, uint32_t",
    "i8": "longlong, long long, long long int, signed long long, signed long long int, int64, int64_t",
    "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
    "f4": "float",
    "f8": "double",
}
_KINDS = {word: kind for kind, words in _TYPES.items() for word in words.split(", ")}
_PACKINGS = {"raw": Packing.NONE, "gz": Packing.GZIP, "gzip": Packing.GZIP}
_IS_BIG = {"little": False, "big": True}
_MAGIC = re.compile(r"NRRD000[1-6]")


def layout(path: Path, stream: BinaryIO) -> Layout:
    """The layout that a header announces. Raises `InputError` with all that is wrong with it."""
    entries = _entries(path, stream)
    start = stream.tell()
    _check_common(entries)
    sizes = _sizes(entries)
    axis = None if sizes is None else channel_axis(entries, sizes)
    place = None if sizes is None or axis is None else grid(entries, sizes, axis.index)
    stored, packing = _stored(entries), _packing(entries)
    payload = Payload(
        start=start,
        sizes=entries.settled(sizes),
        stored=entries.settled(stored),
        packing=entries.settled(packing),
        size_entry="sizes",
        packing_entry="encoding",
        plain="encoding: raw",
        packed="encoding: gzip",
    )
    return Layout(payload, entries.settled(axis).index, entries.settled(place), tuple(entries.remarks), entries.space)


def _entries(path: Path, stream: BinaryIO) -> Entries:
    """All fields up to the empty line behind which the voxels begin."""
    _require_magic(path, next_line(path, stream) or "")
    entries, number = Entries(path), 1
    while line := next_line(path, stream):
        number += 1
        if not line.startswith("#") and ":=" not in line:
            _add(entries, number, line)
    if "data file" in entries:
        raise unreadable(path, f"voxels in another file ({entries['data file']})", ADVICE[".nhdr"])
    if line is None:
        raise unreadable(path, "an NRRD whose header has no end", "Copy or export it again")
    return entries


def _require_magic(path: Path, magic: str) -> None:
    if not _MAGIC.fullmatch(magic):
        got = f"an NRRD of an unknown version ({magic[:8]})" if magic.startswith("NRRD") else "a file that is no NRRD"
        raise unreadable(path, got, "Export it again as NRRD, or as .nii.gz")


def _add(entries: Entries, number: int, line: str) -> None:
    spelled, is_field, value = line.partition(":")
    if not (is_field and line.isprintable()):
        got = f"a line {number} that is no field of an NRRD's header"
        raise unreadable(entries.path, got, "Copy or export it again")
    spelled = spelled.strip()
    name = _NAMES.get(spelled.lower().replace(" ", ""))
    entries.add(name or spelled, spelled, value.strip())
    if name is None:
        entries.refuse(spelled, "an unknown field", "a field of NRRD", did_you_mean(spelled, _FIELDS))


def _check_common(entries: Entries) -> None:
    """Fields that say nothing of axes."""
    for name, allowed in (("line skip", ("0",)), ("byte skip", ("0", "-1"))):
        if name in entries and entries[name] not in allowed:
            entries.refuse(name, entries[name], "0: voxels that begin right behind the header")
    if "old min" in entries or "old max" in entries:
        got = f"old min {entries.get('old min', 'none')}, old max {entries.get('old max', 'none')}"
        entries.remark("values were mapped from another range, to which they are not mapped back", got)


def _sizes(entries: Entries) -> tuple[int, ...] | None:
    known = {str(count): count for count in (2, 3, 4)}
    count = entries.chosen("dimension", known, "2 or 3 axes, and one more for several values per voxel")
    sizes = entries.sizes("sizes", "the samples along each axis, as whole numbers above 0")
    if count is None or sizes is None:
        return None
    if len(sizes) != count:
        entries.refuse("sizes", entries["sizes"], f"{count} numbers, as dimension says")
        return None
    return sizes


def _stored(entries: Entries) -> np.dtype[Any] | None:
    """numpy's type of the voxels."""
    kind = entries.chosen("type", _KINDS, "a type of whole or real numbers, such as uint8, short or float")
    one_byte = kind is not None and np.dtype(kind).itemsize == 1
    is_big = entries.chosen("endian", _IS_BIG, "little or big", "little" if one_byte else None)
    return None if kind is None or is_big is None else np.dtype(kind).newbyteorder(">" if is_big else "<")


def _packing(entries: Entries) -> Packing | None:
    remedy = "Save it with encoding raw or gzip"
    text = entries.required("encoding", "raw or gzip")
    if text is not None and text.lower() not in _PACKINGS:
        entries.refuse("encoding", text or "nothing", "raw or gzip", remedy)
    return _PACKINGS.get((text or "").lower())
