"""File formats by suffix, and which ones are refused with what advice."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from wardround.engine.basics.places import folder_place, waits
from wardround.engine.basics.problems import InputError


class Format(Enum):
    """The formats that can be read and written."""

    NIFTI = (".nii", ".nii.gz")
    NRRD = (".nrrd",)
    META = (".mha",)
    PNG = (".png",)
    JPEG = (".jpg", ".jpeg")
    TIFF = (".tif", ".tiff")
    DICOM = (".dcm", ".dicom", ".ima")

    @property
    def spatial(self) -> bool:
        """Whether files of this format carry spacing, origin and direction."""
        return self in (Format.NIFTI, Format.NRRD, Format.META, Format.DICOM)


_PREAMBLE, _MAGIC = 128, b"DICM"
_BY_SUFFIX = {suffix: format_ for format_ in Format for suffix in format_.value}
_DETACHED = "Its voxels lie in a second file, which a digest would miss. Convert it to .nii.gz, .nrrd or .mha"
_SLIDE = "Whole slides are not read yet. Export regions of it as .tif or .png"
ADVICE = {
    ".mhd": _DETACHED,
    ".nhdr": _DETACHED,
    ".hdr": _DETACHED,
    ".img": _DETACHED,
    ".npy": "Arrays carry no geometry. Save the image as .nii.gz or .png",
    ".npz": "Arrays carry no geometry. Save the image as .nii.gz or .png",
    **dict.fromkeys((".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".vmu", ".svslide"), _SLIDE),
}
"""What to do with a file of a suffix that cannot be read."""


def suffix_of(path: Path) -> str:
    """The lower-case suffix, `.nii.gz` counting as one."""
    name = path.name.lower()
    return ".nii.gz" if name.endswith(".nii.gz") else Path(name).suffix


def format_of(path: Path) -> Format:
    """The format that a file's name announces; DICOM for a folder, and for a file of no known ending that is DICOM.

    Raises `InputError` for one that cannot be read.
    """
    suffix = suffix_of(path)
    if suffix in _BY_SUFFIX and not path.is_dir():
        return _BY_SUFFIX[suffix]
    if suffix not in ADVICE and is_dicom(path):
        return Format.DICOM
    raise InputError.one(
        "this file format is not supported",
        where=str(path),
        got=suffix or "no suffix",
        expected=", ".join(_BY_SUFFIX),
        remedy=ADVICE.get(suffix, "Export the image again, for instance as .nii.gz or .png"),
    )


def is_dicom(path: Path) -> bool:
    """Whether a path leads to a folder, one of its series, or a file that is DICOM by its name or its first bytes."""
    if suffix_of(path) in Format.DICOM.value:
        return True
    try:
        if folder_place(path) is not None:
            return True
        if waits(path):
            return False
        with path.open("rb") as file:
            return file.read(_PREAMBLE + len(_MAGIC))[_PREAMBLE:] == _MAGIC
    except OSError:
        return False


def unreadable(path: Path, reason: str, remedy: str = "") -> InputError:
    """The error for a file that is damaged or not what its name announces."""
    return InputError.one("the image cannot be read", where=str(path), got=reason, remedy=remedy)
