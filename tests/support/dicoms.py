"""Small DICOM objects: series with any geometry, single images, multi-frame objects, and masks as segmentations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

CT, MR, PET = (f"1.2.840.10008.5.1.4.1.1.{tail}" for tail in ("2", "4", "128"))
ENHANCED_MR, DX, SECONDARY = (f"1.2.840.10008.5.1.4.1.1.{tail}" for tail in ("4.1", "1.1", "7"))
SECRET = "Secret^Person"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
OBLIQUE = (0.96, 0.28, 0.0, -0.28, 0.96, 0.0)

Change = Callable[[int, Any], None]


def voxels(depth: int = 5, rows: int = 6, columns: int = 7, seed: int = 0) -> np.ndarray:
    """Stored values, (slices, rows, columns)."""
    return np.random.default_rng(seed).integers(-900, 1200, (depth, rows, columns)).astype(np.int16)


def dataset(pixels: np.ndarray, sop_class: str = CT, modality: str = "CT", series: str = "", **elements: Any) -> Any:
    """An object with grey pixels of one frame, (rows, columns), and whatever elements are named."""
    made: Any = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = sop_class
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    made.PatientName, made.PatientID, made.PatientBirthDate = SECRET, "SECRET-ID-77", "19700101"
    made.PatientSex = made.StudyID = made.StudyDate = made.StudyTime = made.AccessionNumber = ""
    made.ReferringPhysicianName = "Doctor^Hidden"
    made.Modality, made.SeriesInstanceUID = modality, series or generate_uid()
    made.StudyInstanceUID, made.SeriesNumber = generate_uid(entropy_srcs=["study"]), 3
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.Rows, made.Columns = pixels.shape[:2]
    made.BitsAllocated = made.BitsStored = pixels.dtype.itemsize * 8
    made.HighBit, made.PixelRepresentation = made.BitsStored - 1, int(pixels.dtype.kind == "i")
    for name, value in elements.items():
        setattr(made, name, value)
    made.PixelData = pixels.tobytes()
    made["PixelData"].VR = "OW" if pixels.dtype.itemsize > 1 else "OB"
    return made


def save(path: Path, made: Any) -> Path:
    """Write an object, with preamble and all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, made, enforce_file_format=True)
    return path


def nothing(number: int, made: Any) -> None:
    """Change nothing of a slice."""


def write_series(
    folder: Path,
    values: np.ndarray | None = None,
    *,
    orientation: Sequence[float] = AXIAL,
    origin: Sequence[float] = (-12.5, 4.0, -30.0),
    spacing: Sequence[float] = (0.8, 0.6),
    step: float = 2.5,
    change: Change = nothing,
    series: str = "",
    space: str = "",
    **elements: Any,
) -> np.ndarray:
    """Write the slices of a series, under names and numbers in another order than they lie; gives their values.

    `change` is given each slice with its place in the stack before it is written.
    """
    values = voxels() if values is None else values
    series, space = series or generate_uid(), space or generate_uid()
    normal = np.cross(orientation[:3], orientation[3:])
    shuffled = np.random.default_rng(1).permutation(len(values))
    for number, pixels in enumerate(values):
        place = np.asarray(origin) + normal * step * number
        made = dataset(
            pixels,
            series=series,
            ImageOrientationPatient=[*orientation],
            ImagePositionPatient=[float(f"{each:.6f}") for each in place],
            PixelSpacing=[*spacing],
            FrameOfReferenceUID=space,
            InstanceNumber=int(shuffled[number]) + 1,
            **elements,
        )
        change(number, made)
        save(folder / f"IM{shuffled[number]:04d}", made)
    return values


def write_multiframe(
    path: Path, values: np.ndarray, *, step: float = 2.0, slopes: Sequence[float] = (), change: Change = nothing
) -> Path:
    """Write an enhanced object whose frames lie in another order than they stand."""
    shuffled = [int(each) for each in np.random.default_rng(2).permutation(len(values))]
    made = dataset(values[0], ENHANCED_MR, "MR", NumberOfFrames=len(values), FrameOfReferenceUID=generate_uid())
    shared, measures, direction = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.8, 0.6], step
    direction.ImageOrientationPatient = [*OBLIQUE]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [direction]
    made.SharedFunctionalGroupsSequence = [shared]
    groups = []
    for number in shuffled:
        group, place, scale = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [-3.0, 5.0, 10 + step * number]
        scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = [*slopes, *[1] * 99][number], 0, "US"
        group.PlanePositionSequence, group.PixelValueTransformationSequence = [place], [scale]
        change(number, group)
        groups.append(group)
    made.PerFrameFunctionalGroupsSequence = groups
    made.PixelData = values[shuffled].tobytes()
    return save(path, made)


def repacked(made: Any, syntax: str, frame: bytes) -> Any:
    """The object with its one frame packed."""
    from pydicom.encaps import encapsulate

    made.file_meta.TransferSyntaxUID = syntax
    made.PixelData = encapsulate([frame])
    made["PixelData"].VR = "OB"
    made["PixelData"].is_undefined_length = True
    return made
