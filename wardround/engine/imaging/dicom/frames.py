"""Where each frame of an object lies, and how its stored values become measured ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

TIMES = ("AcquisitionTime", "ContentTime")
TRAITS = (
    *("TemporalPositionIdentifier", "EchoTime", "EchoNumbers", "DiffusionBValue", "TriggerTime", "InversionTime"),
    *("AcquisitionNumber", "ImageType", *TIMES),
)
"""By what images of one place differ, the most telling first."""
_MOST_FRAMES = 1 << 20
"""Of an object. A damaged header can say billions, for which no memory would do."""
_IN_GROUPS = (
    ("TemporalPositionTimeOffset", "TemporalPositionSequence", "TemporalPositionTimeOffset"),
    ("EffectiveEchoTime", "MREchoSequence", "EffectiveEchoTime"),
    ("DiffusionBValue", "MRDiffusionSequence", "DiffusionBValue"),
    ("TriggerTime", "CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    ("FrameAcquisitionNumber", "FrameContentSequence", "FrameAcquisitionNumber"),
)
"""The same in multi-frame objects: what it is called here, the functional group, and the element in it."""

Trait = tuple[str, str]
"""An element by which images of one place may differ, and its value."""


@dataclass(frozen=True)
class Frame:
    """One frame of an object.

    Attributes:
        number: counted from 0.
        position: the centre of the first pixel in mm, LPS; None where it is not told.
        orientation: unit vectors along a row and down a column, one behind the other; None where not told.
        spacing: mm from row to row and from column to column; None where it is not told.
        at_detector: whether this spacing is that at the detector, where nobody knows it in the body.
        slope: what a stored value is multiplied by.
        intercept: what is added then.
        thickness: of the slice in mm; None where it is not told.
        segment: the number of the segment that it is a mask of; 0 for an image.
        traits: by what it may differ from others at its place.
        source: SOPInstanceUID of the image that it was made from; empty where it is not told.
    """

    number: int
    position: tuple[float, float, float] | None
    orientation: tuple[float, ...] | None
    spacing: tuple[float, float] | None
    at_detector: bool = False
    slope: float = 1.0
    intercept: float = 0.0
    thickness: float | None = None
    segment: int = 0
    traits: tuple[Trait, ...] = ()
    source: str = ""


def frames_of(dataset: Any) -> tuple[Frame, ...]:
    """The frames of an object: one, or those of its functional groups. Raises `ValueError` where groups are missing,
    and for a number of frames that no object has."""
    count = _count(dataset)
    groups = dataset.get("PerFrameFunctionalGroupsSequence")
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [None])[0]
    if groups is None and shared is None:
        return tuple(_plain(dataset, number) for number in range(count))
    if groups is not None and len(groups) != count:
        raise ValueError(f"{len(groups)} functional groups for {count} frames")
    return tuple(_grouped(number, None if groups is None else groups[number], shared) for number in range(count))


def _count(dataset: Any) -> int:
    count = int(dataset.get("NumberOfFrames") or 1)
    if not 1 <= count <= _MOST_FRAMES:
        raise ValueError(f"{count} frames")
    return count


def _plain(dataset: Any, number: int) -> Frame:
    spacing, at_detector = _plain_spacing(dataset)
    return Frame(
        number=number,
        position=_three(dataset.get("ImagePositionPatient")),
        orientation=_vectors(dataset.get("ImageOrientationPatient")),
        spacing=spacing,
        at_detector=at_detector,
        slope=_number(dataset.get("RescaleSlope"), 1.0),
        intercept=_number(dataset.get("RescaleIntercept"), 0.0),
        traits=tuple((name, _shown(dataset.get(name))) for name in TRAITS if dataset.get(name) not in (None, "")),
    )


def _plain_spacing(dataset: Any) -> tuple[tuple[float, float] | None, bool]:
    for name in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        found = _pair(dataset.get(name))
        if found is not None:
            return found, name == "ImagerPixelSpacing"
    return None, False


def _grouped(number: int, own: Any, shared: Any) -> Frame:
    groups = _Groups(own, shared)
    return Frame(
        number=number,
        position=_three(groups.value("PlanePositionSequence", "ImagePositionPatient")),
        orientation=_vectors(groups.value("PlaneOrientationSequence", "ImageOrientationPatient")),
        spacing=_pair(groups.value("PixelMeasuresSequence", "PixelSpacing")),
        slope=_number(groups.value("PixelValueTransformationSequence", "RescaleSlope"), 1.0),
        intercept=_number(groups.value("PixelValueTransformationSequence", "RescaleIntercept"), 0.0),
        thickness=_optional(groups.value("PixelMeasuresSequence", "SliceThickness")),
        segment=int(groups.value("SegmentIdentificationSequence", "ReferencedSegmentNumber") or 0),
        traits=tuple(_traits(groups)),
        source=_source(groups),
    )


class _Groups:
    """The functional groups of a frame: its own go before those that all frames share."""

    def __init__(self, own: Any, shared: Any) -> None:
        self._groups = [each for each in (own, shared) if each is not None]

    def value(self, group: str, name: str) -> Any:
        """An element of a functional group; None where it is not there."""
        item = self.item(group)
        return None if item is None else item.get(name)

    def item(self, group: str) -> Any:
        """The first item of a functional group; None where it is not there."""
        return next((each.get(group)[0] for each in self._groups if each.get(group)), None)


def _traits(groups: _Groups) -> Iterator[Trait]:
    for name, group, element in _IN_GROUPS:
        value = groups.value(group, element)
        if value is not None:
            yield name, str(value)


def _source(groups: _Groups) -> str:
    derivation = groups.item("DerivationImageSequence")
    images = None if derivation is None else derivation.get("SourceImageSequence")
    return str(images[0].get("ReferencedSOPInstanceUID") or "") if images else ""


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, str) or not hasattr(value, "__iter__") else "\\".join(map(str, value))


def _number(value: Any, default: float) -> float:
    return default if value is None or value == "" else float(value)


def _optional(value: Any) -> float | None:
    return None if value is None or value == "" else float(value)


def _three(value: Any) -> tuple[float, float, float] | None:
    if value is None or len(value) != 3:
        return None
    return float(value[0]), float(value[1]), float(value[2])


def _vectors(value: Any) -> tuple[float, ...] | None:
    return None if value is None or len(value) != 6 else tuple(map(float, value))


def _pair(value: Any) -> tuple[float, float] | None:
    if value is None or len(value) != 2:
        return None
    return float(value[0]), float(value[1])
