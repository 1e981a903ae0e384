"""Kinds of DICOM objects: which hold images that can be read, and what is said of the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

_ROOT = "1.2.840.10008.5.1.4.1.1."
_EXPORT = "Name the file that is meant"
_CONTOURS = (
    "Contours are not read. Turn them into a mask: in 3D Slicer (with SlicerRT) load them beside their images and "
    "export the segmentation as DICOM-SEG or .nii.gz, or use plastimatch or dcmrtstruct2nii"
)


class Content(Enum):
    """What an object holds, as far as reading it goes."""

    IMAGE = "image"
    """One slice or picture, or frames with a place of their own."""
    SEGMENTS = "segments"
    """A DICOM-SEG: masks by segment."""
    OTHER = "other"
    """Nothing that this program reads."""


@dataclass(frozen=True)
class Kind:
    """A kind of object.

    Attributes:
        named: in words.
        content: what it holds.
        remedy: what to do about one that cannot be read as an image.
    """

    named: str
    content: Content = Content.OTHER
    remedy: str = _EXPORT


def _image(named: str) -> Kind:
    return Kind(named, Content.IMAGE)


SEGMENTATION = Kind("a segmentation (DICOM-SEG)", Content.SEGMENTS, "Name it in the column Label, and the images here")
_SLIDE = Kind("a whole slide", remedy="Whole slides are not read yet. Export regions of it as .tif or .png")
_REPORT = Kind("a structured report, which holds no image")
_VIDEO = Kind("a film", remedy="Save single frames as images of their own")
_PRESENTATION = Kind("a way to show images (presentation state), which holds none")
_KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "1": _image("a computed radiograph"),
        "1.1": _image("a digital radiograph"),
        "1.1.1": _image("a digital radiograph, not for presentation"),
        "1.2": _image("a mammogram"),
        "1.2.1": _image("a mammogram, not for presentation"),
        "1.3": _image("an intra-oral radiograph"),
        "1.3.1": _image("an intra-oral radiograph, not for presentation"),
        "2": _image("a CT image"),
        "2.1": _image("an enhanced CT image"),
        "2.2": _image("a converted enhanced CT image"),
        "4": _image("an MR image"),
        "4.1": _image("an enhanced MR image"),
        "4.3": _image("an enhanced colour MR image"),
        "4.4": _image("a converted enhanced MR image"),
        "4.2": Kind("an MR spectrum, which holds no image"),
        "3.1": _image("an ultrasound clip"),
        "6.1": _image("an ultrasound image"),
        "6.2": _image("an enhanced ultrasound volume"),
        "7": _image("a secondary capture"),
        "7.1": _image("a secondary capture of several frames"),
        "7.2": _image("a secondary capture of several frames"),
        "7.3": _image("a secondary capture of several frames"),
        "7.4": _image("a secondary capture of several frames in colour"),
        "12.1": _image("an angiogram"),
        "12.1.1": _image("an enhanced angiogram"),
        "12.2": _image("a fluoroscopic image"),
        "12.2.1": _image("an enhanced fluoroscopic image"),
        "13.1.1": _image("an X-ray 3D angiographic image"),
        "13.1.2": _image("an X-ray 3D craniofacial image"),
        "13.1.3": _image("a breast tomosynthesis image"),
        "20": _image("a nuclear medicine image"),
        "77.1.1": _image("an endoscopic image"),
        "77.1.2": _image("a microscopic image"),
        "77.1.3": _image("a microscopic image of a slide"),
        "77.1.4": _image("a photograph"),
        "77.1.5.1": _image("an ophthalmic photograph"),
        "77.1.5.2": _image("an ophthalmic photograph"),
        "77.1.5.4": _image("an ophthalmic tomogram"),
        "128": _image("a PET image"),
        "128.1": _image("a converted enhanced PET image"),
        "130": _image("an enhanced PET image"),
        "481.1": _image("a radiotherapy image"),
        "66.4": SEGMENTATION,
        "66.7": SEGMENTATION,
        "30": Kind("a parametric map", remedy="Save it as .nii.gz first, for instance with highdicom or 3D Slicer"),
        "66": Kind("raw data of a scanner", remedy="Export the reconstructed images"),
        "66.1": Kind("a spatial registration, which holds no image"),
        "66.2": Kind("fiducials, which hold no image"),
        "66.3": Kind("a deformable registration, which holds no image"),
        "66.5": Kind("a surface mesh", remedy="Export it as a DICOM-SEG or .nii.gz"),
        "77.1.6": _SLIDE,
        "77.1.1.1": _VIDEO,
        "77.1.2.1": _VIDEO,
        "77.1.4.1": _VIDEO,
        "91.1": Kind("annotations of a slide, which hold no image"),
        "104.1": Kind("a PDF document"),
        "104.2": Kind("a document"),
        "104.3": Kind("a 3D model for printing"),
        "481.2": Kind("a dose of radiotherapy", remedy="Save it as .nii.gz first, on the grid of its images"),
        "481.3": Kind("contours of radiotherapy (RTSTRUCT)", remedy=_CONTOURS),
        "481.5": Kind("a plan of radiotherapy, which holds no image"),
        "481.8": Kind("a plan of radiotherapy, which holds no image"),
    }
)
_FAMILIES = (("88.", _REPORT), ("11.", _PRESENTATION), ("9.", Kind("a waveform, such as an ECG")))
DIRECTORY = Kind("a DICOMDIR, which lists files and holds no image", remedy="Name the folder or the images themselves")


def kind_of(uid: str, modality: str) -> Kind:
    """The kind of objects of a SOP class; of one that nobody knows here, by the header's modality."""
    if uid == "1.2.840.10008.1.3.10":
        return DIRECTORY
    tail = uid.removeprefix(_ROOT)
    family = next((kind for start, kind in _FAMILIES if tail.startswith(start)), None)
    return (
        _KINDS.get(tail) or family or Kind(f"an object of an unknown class, with the modality {modality or 'unsaid'}")
    )
