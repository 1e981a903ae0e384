"""What a file is by its first bytes, where that is not what its name announces."""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass

from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.formats import ADVICE, Format, format_of, suffix_of, unreadable
from wardround.engine.imaging.sources import Source

_START = 540
_BLOCK = 1 << 20
_LEAST = 348
"""Bytes of the shortest header of a NIfTI: of less nobody can say that it is something else."""
_EXPORT = "Export the image again, for instance as .nii.gz or .png"
_FETCH = "Fetch the file itself, for instance with `git lfs pull`"

_CLOUD = (
    "Is it the placeholder of a cloud drive, such as OneDrive? Then choose there that the file is kept on this machine"
)


@dataclass(frozen=True)
class _Kind:
    """A kind of file.

    Attributes:
        named: in words.
        suffix: what its name should end in; empty for a kind that cannot be read.
        remedy: what to do with one that cannot be read.
    """

    named: str
    suffix: str = ""
    remedy: str = _EXPORT


_MAGIC: tuple[tuple[int, bytes, _Kind], ...] = (
    # First, because what stands before these letters is free: slides in DICOM begin as a TIFF.
    (128, b"DICM", _Kind("a DICOM file", ".dcm")),
    (0, b"\x89PNG\r\n\x1a\n", _Kind("a PNG image", ".png")),
    (0, b"\xff\xd8\xff", _Kind("a JPEG image", ".jpg")),
    *((0, magic, _Kind("a TIFF image", ".tif")) for magic in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    (0, b"NRRD0", _Kind("an NRRD image", ".nrrd")),
    (0, b"ObjectType = Image", _Kind("a MetaImage", ".mha")),
    (0, b"NDims = ", _Kind("a MetaImage", ".mha")),
    (0, b"BM", _Kind("a BMP image", remedy="Save it as .png")),
    (0, b"GIF8", _Kind("a GIF image", remedy="Save it as .png")),
    (8, b"WEBP", _Kind("a WebP image", remedy="Save it as .png")),
    (4, b"ftyp", _Kind("a HEIC or AVIF image or a film", remedy="Save it as .png")),
    (4, b"jP  ", _Kind("a JPEG 2000 image", remedy="Save it as .png or .tif")),
    (0, b"%PDF", _Kind("a PDF document")),
    (0, b"PK\3\4", _Kind("a ZIP archive", remedy="Unpack it and name the image itself")),
    (257, b"ustar", _Kind("a tar archive", remedy="Unpack it and name the image itself")),
    (0, b"BZh", _Kind("a bzip2 file", remedy="Unpack it; NIfTI may be packed with gzip, as .nii.gz")),
    (0, b"\xfd7zXZ", _Kind("an xz file", remedy="Unpack it; NIfTI may be packed with gzip, as .nii.gz")),
    (0, b"\x28\xb5\x2f\xfd", _Kind("a zstd file", remedy="Unpack it; NIfTI may be packed with gzip, as .nii.gz")),
    (0, b"\x93NUMPY", _Kind("a numpy array", remedy="Arrays carry no geometry. Save the image as .nii.gz or .png")),
    (0, b"\x89HDF", _Kind("an HDF5 or MINC file")),
    (0, b"MATLAB 5.0", _Kind("a MATLAB file")),
    (0, b"version https://git-lfs", _Kind("a pointer of Git LFS to a file that was not fetched", remedy=_FETCH)),
    (0, b"<", _Kind("a web page or an XML file", remedy="Was it downloaded without its rights? Fetch the image again")),
)
_NIFTI = _Kind("an uncompressed NIfTI image", ".nii")
_PACKED = _Kind("a NIfTI image packed with gzip", ".nii.gz")
_PAIR = _Kind(
    "the header of a pair (.hdr and .img) of NIfTI or Analyze, whose voxels lie in another file",
    remedy="Convert it to one file, .nii.gz",
)


def require_announced(source: Source) -> Format:
    """The format that a file's name announces, which must exist. PNG and JPEG may take each other's name, and a DICOM
    file may have an ending that is none, as those of scanners have.

    Raises `InputError` with what it is where it is plainly something else.
    """
    path = source.path
    kind = _kind(source)
    try:
        format_ = format_of(path)
    except InputError as error:
        raise _unsupported(error, kind) from None
    _require_content(source, kind)
    if kind is None or kind.suffix == suffix_of(path):
        return format_
    found = next((known for known in Format if kind.suffix in known.value), None)
    if found is not None and (found is format_ is not Format.NIFTI or {found, format_} == {Format.PNG, Format.JPEG}):
        return format_
    stem = path.name[: len(path.name) - len(suffix_of(path))]
    remedy = f"Rename it to {stem}{kind.suffix}" if kind.suffix else kind.remedy
    raise InputError.one(
        "the file is not what its name says",
        where=str(path),
        got=kind.named,
        expected=f"{format_.name}, as {suffix_of(path)} announces",
        remedy=remedy,
    )


def _require_content(source: Source, kind: _Kind | None) -> None:
    """Raise `InputError` for a file of no bytes, or of zeros alone."""
    if source.place.stat().st_size == 0:
        remedy = f"Copy or export it again; was the disk full? {_CLOUD}"
        raise unreadable(source.path, "an empty file of 0 bytes", remedy)
    if kind is None and (zeros := _leading_zeros(source)):
        raise unreadable(source.path, zeros, f"Copy it again. {_CLOUD}")


def _unsupported(error: InputError, kind: _Kind | None) -> InputError:
    """The error for a name of no known format, with what the content tells."""
    if kind is None:
        return error
    problem = error.problems[0]
    renamed = f"Give it a name that ends in {kind.suffix}" if kind.suffix else kind.remedy
    # What is known of a suffix, as of a slide's, goes before what the bytes say: a slide is a TIFF that cannot be read.
    remedy = ADVICE.get(problem.got, renamed)
    got = f"{problem.got}; its content is {kind.named}"
    return InputError.one(problem.what, where=problem.where, got=got, expected=problem.expected, remedy=remedy)


def _kind(source: Source) -> _Kind | None:
    """What a file is by its first bytes; None if that cannot be told."""
    with source.place.open("rb") as file:
        start = file.read(_START)
    if start[:2] == b"\x1f\x8b":
        return _packed(source)
    if _is_nifti(start):
        return _NIFTI if start[344:347] == b"n+1" or start[4:7] == b"n+2" else _PAIR
    return next((kind for at, magic, kind in _MAGIC if start[at : at + len(magic)] == magic), None)


def _leading_zeros(source: Source) -> str:
    """In words, that a file holds nothing but zeros, or begins with them as no image does; empty for any other."""
    read = 0
    with source.place.open("rb") as file:
        while block := file.read(_BLOCK):
            held = len(block) - len(block.lstrip(b"\0"))
            read += held
            if held < len(block):
                return f"a file whose first {read:,} bytes are 0" if read >= _START else ""
    return f"a file of {read:,} bytes that are all 0"


def _packed(source: Source) -> _Kind | None:
    """What is packed with gzip; None for a stream that is damaged or cut short, which its reader tells better."""
    try:
        with gzip.open(source.place) as stream:
            start = stream.read(_START)
    except (EOFError, OSError, zlib.error):
        return None
    if len(start) < _LEAST:
        return None
    other = None if _is_nifti(start) else _Kind("a file packed with gzip that is no NIfTI", remedy="Unpack it")
    return other or _PACKED


def _is_nifti(start: bytes) -> bool:
    lengths = {struct.unpack(f"{order}i", start[:4])[0] for order in "<>"} if len(start) >= 348 else set()
    return bool(lengths & {348, 540})
