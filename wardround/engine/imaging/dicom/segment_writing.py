"""Masks as DICOM-SEG, through highdicom: a segment for each class, with the series that it was drawn on.

Who the patient is stands in the file, as in its images: it is made to go back to the archive that these came from.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
from pydicom.sr.coding import Code

import wardround
from wardround.engine.basics.dicom import REFUSING, Dicom
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.dicom.codes import Concept, concepts_of
from wardround.engine.imaging.dicom.regridding import Regridding, laid, on_slices
from wardround.engine.imaging.dicom.series import series_of
from wardround.engine.imaging.dicom.stacking import Stack
from wardround.engine.imaging.image import Space
from wardround.engine.imaging.sources import Source

# It remarks on every empty mask, which is a result like any other.
logging.getLogger("highdicom").setLevel(logging.ERROR)

_MAKER = "Wardround"
_SERIES_NUMBER = 900
"""Behind those of scanners, so that a viewer lists it last."""
_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID"),
    *("AccessionNumber", "ReferringPhysicianName"),
)
"""What every object must have, be it empty; anonymised files often lack it."""
_OTHER_FORMAT = "Write it in another format with `--format nifti`"


def write(target: Path, mask: np.ndarray, segments: Sequence[str], image: Path, dicom: Dicom = REFUSING) -> None:
    """Write a mask of shape (*spatial) on the grid of an image: the segment `segments[n - 1]` is where it is `n`.

    Of a series that the study's word `dicom` has laid onto another grid, it is written on the slices that were scanned:
    a segmentation names them, and nothing else would fit a viewer's images.

    Raises `InputError` where the image is no DICOM series, or one of which no segmentation can be made.
    """
    source = Source(image)
    found = laid(source, series_of(source), dicom)
    stack = Stack(found.pile.slices, found.grid, Space.BODY) if isinstance(found, Regridding) else found
    if mask.shape != stack.geometry.shape:
        raise ValueError(f"a mask of shape {mask.shape} on a grid of shape {stack.geometry.shape}")
    if isinstance(found, Regridding):
        mask = on_slices(found, mask)
    try:
        sources, frames = _sources(stack), _frames(stack, mask)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an empty mask, and of names in the images that break a rule
            _made(sources, frames, segments).save_as(target)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError.one(
            "no DICOM-SEG can be made for this image", where=str(image), got=str(error)[:200], remedy=_OTHER_FORMAT
        ) from None


def _made(sources: Sequence[Any], frames: np.ndarray, segments: Sequence[str]) -> Any:
    seg: Any = highdicom.seg
    return seg.Segmentation(
        source_images=sources,
        pixel_array=frames,
        segmentation_type=seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_described(number, name) for number, name in enumerate(segments, start=1)],
        series_instance_uid=highdicom.UID(),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=_MAKER,
        manufacturer_model_name=_MAKER,
        software_versions=wardround.__version__,
        device_serial_number=wardround.__version__,
        content_label="SEGMENTATION",
        series_description=f"{_MAKER} segmentation",
    )


def _described(number: int, name: str) -> Any:
    category, kind = concepts_of(name)
    seg: Any = highdicom.seg
    return seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:64],
        segmented_property_category=_code(category),
        segmented_property_type=_code(kind),
        algorithm_type=seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name=_MAKER,
            version=wardround.__version__,
            family=Code("123110", "DCM", "Artificial Intelligence"),
        ),
    )


def _code(concept: Concept) -> Code:
    return Code(concept.value, "SCT", concept.meaning)


def _sources(stack: Stack) -> list[Any]:
    """The headers of the images, in the order of their slices."""
    thickness = stack.geometry.spacing[2] if stack.geometry.dimensions > 2 else 1.0
    return [_source(file, thickness) for file in dict.fromkeys(each.instance.file for each in stack.slices)]


def _source(file: Path, thickness: float) -> Any:
    """The header of an image, with what a new object needs of it; `thickness` of a slice in mm, where it tells none."""
    dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True)
    dataset.decode()
    # An empty character set, as old scanners leave it, is none that a new object may have.
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for name in _EMPTY:
        if name not in dataset:
            setattr(dataset, name, "")
    if dataset.get("SliceThickness") is None:
        dataset.SliceThickness = f"{thickness:.6g}"
    return dataset


def _frames(stack: Stack, mask: np.ndarray) -> np.ndarray:
    """The mask in the order of the images' frames, (frames, rows, columns)."""
    if mask.ndim == 2:
        return np.ascontiguousarray(mask[None])
    ordered = np.moveaxis(mask, 2, 0).transpose(0, 2, 1)
    if len({each.instance.file for each in stack.slices}) == len(stack.slices):
        return np.ascontiguousarray(ordered)
    frames = np.empty(ordered.shape, mask.dtype)
    for each, plane in zip(stack.slices, ordered, strict=True):
        frames[each.frame.number] = plane
    return frames
