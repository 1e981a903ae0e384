"""What one DICOM file says of itself: its kind, its series, and the place and scale of each of its frames.

Nothing that names a patient is read here: `specific_tags` leaves it in the file.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pydicom
from pydicom.filereader import read_partial

from wardround.engine.imaging.dicom.classes import Content, Kind, kind_of
from wardround.engine.imaging.dicom.elements import items, text, whole, words
from wardround.engine.imaging.dicom.encoding import NATIVE, Encoding, encoding_of
from wardround.engine.imaging.dicom.frames import TRAITS, Frame, frames_of
from wardround.engine.imaging.formats import unreadable
from wardround.engine.imaging.sources import Source

# Values that break a rule of the standard are common, and harmless where they are not used.
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE
# Its remarks go to the terminal and may quote values; our own checks speak instead, in the user's words.
warnings.filterwarnings("ignore", module="pydicom")
logging.getLogger("pydicom").setLevel(logging.CRITICAL)

_AGAIN = "Copy or export it again"
_PIXELS = {0x7FE00008: "floating", 0x7FE00009: "floating", 0x7FE00010: "whole"}
_ENCODING = (
    *("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit"),
    *("PixelRepresentation", "NumberOfFrames", "PixelPaddingValue", "LossyImageCompression", "BurnedInAnnotation"),
)
_SERIES = (
    *("SOPClassUID", "SOPInstanceUID", "Modality", "SeriesInstanceUID", "SeriesNumber", "FrameOfReferenceUID"),
    *("ImageType", "ReferencedSeriesSequence"),
)
_PLACE = (
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "ImagerPixelSpacing"),
    *("NominalScannedPixelSpacing", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
    *("SegmentSequence", "SegmentationType", "MaximumFractionalValue", "TotalPixelMatrixRows"),
)
_NAMES = tuple(dict.fromkeys((*_ENCODING, *_SERIES, *_PLACE, *TRAITS)))


@dataclass(frozen=True, eq=False)
class Table:
    """A table from stored values to measured ones: `values[0]` is for `first` and all below it."""

    first: int
    values: np.ndarray


@dataclass(frozen=True)
class Segment:
    """One of the structures that a segmentation knows, by its number and label."""

    number: int
    label: str

    @property
    def named(self) -> str:
        """How messages call it."""
        return f"{self.number} ({self.label})" if self.label else f"{self.number}"


@dataclass(frozen=True)
class Instance:
    """One file.

    Attributes:
        file: where it lies.
        kind: of object.
        uid: of the object.
        series: the SeriesInstanceUID.
        number: the SeriesNumber; empty where there is none.
        modality: such as CT.
        frame_of_reference: the UID of the space that positions are told in; empty where there is none.
        image_type: the values of ImageType.
        encoding: of its pixels; None where it has none.
        frames: each with its place and scale.
        burned_in: whether text is burned into the pixels, as the header says; None where it does not say.
        was_lossy: whether pixels have lost something by compression, now or before.
        references: SeriesInstanceUIDs of the series that it was made from.
        segments: of a segmentation.
        segmentation: BINARY, FRACTIONAL or LABELMAP; empty for anything else.
        most: the stored value that stands for 1 in a fractional segmentation.
        is_tiled: whether its frames are tiles of one large picture, as of a slide.
        table: what stored values mean, where that is no slope and intercept; None for most.
    """

    file: Path
    kind: Kind
    uid: str
    series: str
    number: str
    modality: str
    frame_of_reference: str
    image_type: tuple[str, ...]
    encoding: Encoding | None
    frames: tuple[Frame, ...]
    burned_in: bool | None = None
    was_lossy: bool = False
    references: tuple[str, ...] = ()
    segments: tuple[Segment, ...] = ()
    segmentation: str = ""
    most: int = 255
    is_tiled: bool = False
    table: Table | None = None

    @property
    def is_image(self) -> bool:
        """Whether it holds images."""
        return self.kind.content is Content.IMAGE

    @property
    def is_localizer(self) -> bool:
        """Whether it is a scout, on which slices were planned."""
        return "LOCALIZER" in self.image_type[2:3]


def looks_like_dicom(start: bytes) -> bool:
    """Whether these first bytes of a file, 140 at least, are those of DICOM; some old files have no preamble."""
    return start[128:132] == b"DICM" or _is_bare(start)


def _is_bare(start: bytes) -> bool:
    """Whether bytes begin with an element of the file's meta group or of the group that every object begins with."""
    group, element = (int.from_bytes(start[at : at + 2], "little") for at in (0, 2))
    return group in (0x0002, 0x0008) and element <= 0x0018 and len(start) > 8 and _plausible_length(start)


def _plausible_length(start: bytes) -> bool:
    if start[4:6].isalpha() and start[4:6].isupper():
        return True
    return int.from_bytes(start[4:8], "little") <= 64


def read_instance(source: Source, file: Path) -> Instance:
    """What a file says of itself. Raises `InputError` for a damaged one, and `OSError`."""
    with source.open(file) as stream:
        length = stream.seek(0, os.SEEK_END)
        stream.seek(0)
        pixels = _Pixels()
        dataset = _parsed(file, stream, pixels)
        found = _instance(file, dataset)
        if found.encoding is not None and not pixels.kind and found.kind.content is not Content.OTHER:
            raise unreadable(file, "an object without pixels", "Export it again with its images")
        if pixels.kind == "floating":
            raise unreadable(file, "pixels that are real numbers", "Save it as .nii.gz first")
        _require_length(found, pixels, length)
        return found


class _Pixels:
    """Where the pixels of a file begin and how long they are, seen as its elements pass by."""

    def __init__(self) -> None:
        self.kind, self.length, self.start = "", 0, 0

    def stop_at(self, stream: BinaryIO) -> Callable[[Any, str | None, int], bool]:
        """Tells pydicom to stop at them."""

        def stop(tag: Any, representation: str | None, length: int) -> bool:
            if int(tag) not in _PIXELS:
                return False
            self.kind, self.length, self.start = _PIXELS[int(tag)], length, stream.tell()
            return True

        return stop


def _parsed(file: Path, stream: BinaryIO, pixels: _Pixels) -> Any:
    tags: list[Any] = [pydicom.tag.Tag(name) for name in _NAMES]
    try:
        return read_partial(stream, pixels.stop_at(stream), force=True, specific_tags=tags)
    except Exception as error:  # pydicom has no error of its own for bytes that are no elements
        raise unreadable(file, f"a damaged DICOM file ({type(error).__name__})", _AGAIN) from None


def _instance(file: Path, dataset: Any) -> Instance:
    try:
        return _read(file, dataset)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
        raise unreadable(file, f"a DICOM header that is damaged ({type(error).__name__})", _AGAIN) from None


def _read(file: Path, dataset: Any) -> Instance:
    meta = getattr(dataset, "file_meta", None) or pydicom.Dataset()
    uid = text(dataset, "SOPClassUID") or text(meta, "MediaStorageSOPClassUID")
    if not uid:
        raise unreadable(file, "a DICOM file that does not say what it holds", _AGAIN)
    kind = kind_of(uid, text(dataset, "Modality"))
    encoding = encoding_of(file, dataset, text(meta, "TransferSyntaxUID"))
    return Instance(
        file=file,
        kind=kind,
        uid=text(dataset, "SOPInstanceUID"),
        series=text(dataset, "SeriesInstanceUID"),
        number=text(dataset, "SeriesNumber"),
        modality=text(dataset, "Modality"),
        frame_of_reference=text(dataset, "FrameOfReferenceUID"),
        image_type=words(dataset, "ImageType"),
        encoding=encoding,
        frames=() if encoding is None or kind.content is Content.OTHER else frames_of(dataset),
        burned_in=_burned_in(dataset),
        was_lossy=text(dataset, "LossyImageCompression") == "01" or (encoding is not None and encoding.is_lossy),
        references=tuple(text(item, "SeriesInstanceUID") for item in items(dataset, "ReferencedSeriesSequence")),
        segments=tuple(map(_segment, items(dataset, "SegmentSequence"))),
        segmentation=text(dataset, "SegmentationType"),
        most=whole(dataset, "MaximumFractionalValue", 255),
        is_tiled=dataset.get("TotalPixelMatrixRows") is not None,
        table=_table(items(dataset, "ModalityLUTSequence")),
    )


def _burned_in(dataset: Any) -> bool | None:
    said = text(dataset, "BurnedInAnnotation").strip().upper()
    return said == "YES" if said else None


def _segment(item: Any) -> Segment:
    return Segment(int(item.SegmentNumber), text(item, "SegmentLabel"))


def _table(sequence: Any) -> Table | None:
    if not sequence:
        return None
    count, first, bits = map(int, sequence[0].LUTDescriptor)
    data = sequence[0].LUTData
    wide = np.dtype(np.uint16 if bits > 8 else np.uint8)
    values = np.frombuffer(data, wide) if isinstance(data, bytes) else np.asarray(data, dtype=np.uint16)
    if len(values) < (count or 1 << 16):
        raise ValueError(f"a table of {len(values)} values for {count}")
    return Table(first, values[: count or 1 << 16].astype(np.float64))


def _require_length(found: Instance, pixels: _Pixels, length: int) -> None:
    """Raise `InputError` for a file that ends before its pixels do; of packed ones only their decoder can tell."""
    encoding = found.encoding
    if encoding is None or found.kind.content is Content.OTHER or pixels.kind != "whole":
        return
    if encoding.syntax not in NATIVE:
        return
    wanted = (encoding.frame_bits * len(found.frames) + 7) // 8
    present = max(0, min(pixels.length, length - pixels.start))
    if present < wanted:
        raise unreadable(found.file, f"a file cut short: {present:,} of {wanted:,} bytes of pixels", _AGAIN)
