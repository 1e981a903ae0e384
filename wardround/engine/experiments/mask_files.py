"""Files of predicted masks: what they are called, in which format they are written, and what a format cannot hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import numpy as np

from wardround.engine.basics.made import Made
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.cohort import Case, Cohort
from wardround.engine.imaging import write_label
from wardround.engine.imaging.formats import Format, format_of, is_dicom, suffix_of
from wardround.engine.imaging.image import Geometry
from wardround.engine.study import Study
from wardround.engine.targets import Written, target_of


class MaskFormat(StrEnum):
    """In which format masks are written."""

    LIKE_IMAGE = "like-image"
    """That of the image: NIfTI for NIfTI, PNG for PNG and JPEG, DICOM-SEG for DICOM."""
    NIFTI = "nifti"
    NRRD = "nrrd"
    MHA = "mha"
    PNG = "png"
    TIFF = "tiff"
    DICOM_SEG = "dicom-seg"


_SUFFIXES: Mapping[MaskFormat, str] = MappingProxyType(
    {
        MaskFormat.NIFTI: ".nii.gz",
        MaskFormat.NRRD: ".nrrd",
        MaskFormat.MHA: ".mha",
        MaskFormat.PNG: ".png",
        MaskFormat.TIFF: ".tif",
        MaskFormat.DICOM_SEG: ".dcm",
    }
)
_FLAT = (MaskFormat.PNG, MaskFormat.TIFF)
# JPEG would change a mask's values.
_MASK_SUFFIX = {".jpg": ".png", ".jpeg": ".png"}


def mask_name(case: Case, format_: MaskFormat = MaskFormat.LIKE_IMAGE) -> str:
    """The name of a case's predicted mask: its subject, and the ending of the format."""
    return case.subject + (_SUFFIXES.get(format_) or _suffix_like(case.channels[0]))


def possible_names(case: Case) -> tuple[str, ...]:
    """All names that a case's predicted mask may have, that of its image's format first."""
    return tuple(dict.fromkeys(mask_name(case, format_) for format_ in MaskFormat))


def _suffix_like(image: Path) -> str:
    suffix = suffix_of(image)
    if image.is_dir() or suffix not in {each for known in Format for each in known.value}:
        return _SUFFIXES[MaskFormat.DICOM_SEG] if is_dicom(image) else suffix
    if suffix in Format.DICOM.value:
        return _SUFFIXES[MaskFormat.DICOM_SEG]
    return _MASK_SUFFIX.get(suffix, suffix)


def require_format(study: Study, cohort: Cohort, format_: MaskFormat) -> None:
    """Raise `InputError` where predictions of a study for these images cannot be written in a format."""
    problems = [*_problems(study, cohort, format_)]
    if problems:
        raise InputError(problems)


def _problems(study: Study, cohort: Cohort, format_: MaskFormat) -> Iterator[Problem]:
    how = target_of(study).written
    if how is Written.IMAGE:
        yield from _image_problems(study, format_)
        return
    if how is not Written.FILE:
        if format_ is not MaskFormat.LIKE_IMAGE:
            what = "predictions of this model are one table, and have no format"
            yield Problem(what, "--format", format_.value, remedy="Leave `--format` out")
        return
    if format_ in _FLAT and study.dimensions != len(_FLAT):
        what = "this format holds flat images, and the masks are volumes"
        yield Problem(what, "--format", format_.value, "nifti, nrrd, mha or dicom-seg", "Write `--format nifti`")
    segmented = [case for case in cohort.cases if _is_segmentation(case, format_)]
    if segmented:
        yield from _number_problems(study)
    for case in segmented:
        if not is_dicom(case.channels[0]):
            yield Problem(
                "a DICOM-SEG names the DICOM series that it was made from, and this image is none",
                cohort.place(case, "Channel_0"),
                case.channels[0].name,
                "a DICOM series",
                "Leave `--format` out, so that each mask has the format of its image",
            )


def _image_problems(study: Study, format_: MaskFormat) -> Iterator[Problem]:
    """Images have fractions, and lie on as many axes as the study has."""
    others = [MaskFormat.NIFTI, MaskFormat.NRRD, MaskFormat.MHA]
    others += [MaskFormat.TIFF] if study.dimensions == len(_FLAT) else []
    if format_ not in (MaskFormat.LIKE_IMAGE, *others):
        what, expected = "images that are made cannot be written in this format", ", ".join(others)
        yield Problem(what, "--format", format_.value, expected, "Write `--format nifti`")


def _number_problems(study: Study) -> Iterator[Problem]:
    """Segments are numbered from 1, without gaps: a class must have that number for a mask to be read back."""
    values = study.class_values[1:]
    if values != tuple(range(1, len(values) + 1)):
        yield Problem(
            "segments of a DICOM-SEG are numbered 1, 2, 3 and so on, and the classes of this study are not",
            "--format",
            ", ".join(map(str, values)),
            f"1 to {len(values)}",
            "Write the masks in another format: `--format nifti`",
        )


def _is_segmentation(case: Case, format_: MaskFormat) -> bool:
    return mask_name(case, format_).endswith(_SUFFIXES[MaskFormat.DICOM_SEG])


def write_mask(
    study: Study, case: Case, labels: np.ndarray, geometry: Geometry, made: Made, format_: MaskFormat
) -> Path:
    """Write class indices of a case, (*spatial), with the values that the study gives its classes. Gives the file."""
    name, image = mask_name(case, format_), case.channels[0]
    values = np.asarray(study.class_values, dtype=np.uint16)
    with made.writing(name) as path:
        if format_of(path) is Format.DICOM:
            from wardround.engine.imaging.dicom import segment_writing

            segment_writing.write(path, labels, study.class_names[1:], image, study.dicom)
        else:
            write_label(path, values[labels], geometry, like=image)
    return made.folder / name
