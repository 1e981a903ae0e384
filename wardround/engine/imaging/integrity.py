"""Checks that a MetaImage holds all the bytes that its header announces.

ITK's reader of MetaImages writes to the terminal about files that are cut short. So they are checked first.
"""

from __future__ import annotations

import math
import re

from wardround.engine.imaging.formats import Format, format_of, unreadable
from wardround.engine.imaging.sources import Source

_REMEDY = "Copy or export it again"
_META_BYTES = {"CHAR": 1, "UCHAR": 1, "SHORT": 2, "USHORT": 2, "INT": 4, "UINT": 4, "LONG": 4, "ULONG": 4}
_META_BYTES |= {"LONG_LONG": 8, "ULONG_LONG": 8, "FLOAT": 4, "DOUBLE": 8}


def require_whole(source: Source) -> None:
    """Raise `InputError` if the file does not start with a whole header of its format, or is plainly too short."""
    if format_of(source.path) is Format.META:
        _require_meta(source)


def _require_meta(source: Source) -> None:
    path = source.path
    with source.place.open("rb") as file:
        start = file.read(16384)
    match = re.search(rb"ElementDataFile\s*=\s*LOCAL\r?\n", start)
    if match is None:
        raise unreadable(path, "a MetaImage without voxels in the same file", "Save it as one .mha file")
    fields = dict(re.findall(r"(\w+)\s*=\s*(.*?)\s*\n", start[: match.end()].decode("latin-1")))
    announced = _meta_bytes(fields)
    present = source.place.stat().st_size - match.end()
    if announced is None or present < announced:
        got = "an incomplete header" if announced is None else f"a file cut short: {present:,} of {announced:,} bytes"
        raise unreadable(path, got, _REMEDY)


def _meta_bytes(fields: dict[str, str]) -> int | None:
    """Bytes of voxels that a MetaImage header announces; None when it lacks what is needed to tell."""
    size_of_type = _META_BYTES.get(fields.get("ElementType", "").removeprefix("MET_").removesuffix("_ARRAY"))
    sizes = [*fields.get("DimSize", "").split(), fields.get("ElementNumberOfChannels", "1")]
    compressed = fields.get("CompressedDataSize", "0")
    if size_of_type is None or len(sizes) < 2 or not all(number.isdigit() for number in (*sizes, compressed)):
        return None
    if fields.get("CompressedData", "False").lower() == "true":
        return int(compressed)
    return math.prod(map(int, sizes)) * size_of_type
