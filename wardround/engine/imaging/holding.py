"""What of a place is read for an image: its bytes, their size, and the digest that names them.

Of a folder these are the files of one series: whatever else lies there plays no part, and neither do names.
"""

from __future__ import annotations

from pathlib import Path

from wardround.engine.basics.canonical import file_sha256
from wardround.engine.basics.places import folder_place
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.sources import HeldFolder, HeldSource, Source, digest_of_files


def read_files(path: Path) -> tuple[Path, ...]:
    """The files of an image or a mask. Raises `InputError` for a folder without a series, or with several."""
    if folder_place(path) is None:
        return (path,)
    from wardround.engine.imaging.dicom import segments, series

    source = Source(path)
    mask = segments.segmentation_at(source)
    return series.series_of(source).files if mask is None else (mask.file,)


def read_size(path: Path) -> int:
    """Bytes of the files of an image. Raises as `read_files` does, and `OSError`."""
    return sum(file.stat().st_size for file in read_files(path))


def size_or_none(path: Path) -> int:
    """`read_size`; -1 for an image that cannot be read, which others tell."""
    try:
        return read_size(path)
    except (InputError, OSError):
        return -1


def read_digest(path: Path) -> str:
    """SHA-256 that names an image by the bytes of its files. Raises as `read_files` does, and `OSError`."""
    if folder_place(path) is None:
        return file_sha256(path)
    return digest_of_files(map(file_sha256, read_files(path)))


def hold(path: Path) -> HeldSource | HeldFolder:
    """Read the files of an image into memory, once. Raises as `read_files` does, and `OSError`."""
    return HeldSource(path) if folder_place(path) is None else HeldFolder(path, read_files(path))
