"""How the pixels of an object are stored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wardround.engine.imaging.dicom.elements import number, text, whole
from wardround.engine.imaging.formats import unreadable

NATIVE = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"})
"""Transfer syntaxes whose pixels are not packed."""
_LOSSY = frozenset(
    f"1.2.840.10008.1.2.4.{number}" for number in ("50", "51", "81", "91", "93", "203", "110", "111", "112")
)
_EXPORT = "Export it again with 8 or 16 bits"


@dataclass(frozen=True)
class Encoding:
    """How the pixels of an object are stored.

    Attributes:
        rows: of a frame.
        columns: of a frame.
        samples: values per pixel.
        photometric: what they mean, such as MONOCHROME2 or RGB.
        allocated: bits that a value takes.
        stored: bits of them that count.
        signed: whether values may be below 0.
        syntax: the UID of the transfer syntax.
        padding: the stored value outside of the scanner's field; None where there is none.
        is_bare: whether the file does not tell the transfer syntax, as old ones without a preamble.
    """

    rows: int
    columns: int
    samples: int
    photometric: str
    allocated: int
    stored: int
    signed: bool
    syntax: str
    padding: int | None
    is_bare: bool = False

    @property
    def frame_bits(self) -> int:
        """Bits of a frame that is not packed."""
        halved = self.photometric == "YBR_FULL_422"  # colours are stored for every other pixel alone
        return self.rows * self.columns * (2 if halved else self.samples) * self.allocated

    @property
    def is_grey(self) -> bool:
        """Whether a pixel is one number that stands for itself."""
        return self.photometric in ("MONOCHROME1", "MONOCHROME2")

    @property
    def is_lossy(self) -> bool:
        """Whether pixels are kept only roughly."""
        return self.syntax in _LOSSY

    @property
    def stored_type(self) -> str:
        """numpy's name of the type of a stored value."""
        return f"{'' if self.signed else 'u'}int{max(8, self.allocated)}"


def encoding_of(file: Path, dataset: Any, syntax: str) -> Encoding | None:
    """The encoding of an object by its header; None for one without pixels. Raises `InputError` for odd numbers of
    bits."""
    rows, columns = whole(dataset, "Rows", 0), whole(dataset, "Columns", 0)
    if not (rows and columns):
        return None
    allocated = whole(dataset, "BitsAllocated", 0)
    stored = whole(dataset, "BitsStored", allocated)
    if allocated not in (1, 8, 16, 32, 64) or not 0 < stored <= allocated:
        raise unreadable(file, f"pixels of {stored} bits in {allocated}", _EXPORT)
    if whole(dataset, "HighBit", stored - 1) != stored - 1:
        got = f"pixels of {stored} bits, of which the highest is bit {whole(dataset, 'HighBit', 0)}"
        raise unreadable(file, got, _EXPORT)
    signed = bool(whole(dataset, "PixelRepresentation", 0))
    return Encoding(
        rows=rows,
        columns=columns,
        samples=whole(dataset, "SamplesPerPixel", 1),
        photometric=text(dataset, "PhotometricInterpretation") or "MONOCHROME2",
        allocated=allocated,
        stored=stored,
        signed=signed,
        syntax=syntax or _guessed(dataset),
        padding=_padding(dataset, allocated, signed),
        is_bare=not syntax,
    )


def _guessed(dataset: Any) -> str:
    """The transfer syntax that pydicom has read a file by that does not tell it."""
    is_implicit, _ = dataset.original_encoding
    return "1.2.840.10008.1.2" if is_implicit else "1.2.840.10008.1.2.1"


def _padding(dataset: Any, allocated: int, signed: bool) -> int | None:
    """The padding value with the sign that pixels have: some headers tell it without."""
    found = number(dataset, "PixelPaddingValue")
    if found is None:
        return None
    value = int(found)
    if signed and value >= 1 << (allocated - 1):
        return value - (1 << allocated)
    return value + (1 << allocated) if not signed and value < 0 else value
