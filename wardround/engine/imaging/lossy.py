"""Files that keep pixels only roughly: good enough for a photograph, and never for the numbers of a mask."""

from __future__ import annotations

from pathlib import Path

from wardround.engine.basics.places import waits
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.formats import Format
from wardround.engine.imaging.sources import Source

_JPEG = b"\xff\xd8\xff"


def lossy_kind(path: Path) -> str:
    """What a file is that keeps its pixels only roughly, whatever its name says, in words.

    Empty for a file that keeps them, and for one that cannot be read, which its reader tells better.
    """
    try:
        if waits(path):
            return ""
        with path.open("rb") as file:
            is_jpeg = file.read(len(_JPEG)) == _JPEG
        if is_jpeg:
            return "a JPEG image"
        if path.suffix.lower() in Format.TIFF.value and _is_tiff_of_jpeg(path):
            return "a TIFF image packed as JPEG"
    except (InputError, OSError):
        return ""
    return ""


def _is_tiff_of_jpeg(path: Path) -> bool:
    from wardround.engine.imaging import tiffs

    return tiffs.is_jpeg_inside(Source(path))
