"""Write images and masks atomically, in the format that the file's suffix names."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from wardround.engine.basics.files import replacing
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.formats import Format, format_of, suffix_of
from wardround.engine.imaging.image import Geometry, Image


def write_image(path: Path, image: Image, like: Path | None = None) -> None:
    """Write all channels of an image. PNG, JPEG and TIFF take grey or RGB; PNG and JPEG need 8 or 16 bit integers.

    `like` is the file on whose grid the image lies: a NIfTI gets the transforms that another NIfTI has.

    Raises `InputError` when the format cannot hold the data; nothing is then written.
    """
    if image.data.shape[1:] != image.geometry.shape:
        raise ValueError(f"data of shape {image.data.shape} on a grid of shape {image.geometry.shape}")
    format_ = format_of(path)
    if format_ is Format.DICOM:
        remedy = "Write it as .nii.gz, or a mask as a segmentation of its series"
        raise InputError.one("images are not written as DICOM", where=str(path), remedy=remedy)
    if format_ is Format.NIFTI:
        _write_nifti(path, image, like)
    elif format_.spatial:
        _write_spatial(path, image)
    else:
        _require_flat(path, image, format_)
        _write_flat(path, image.data, format_)


def write_label(path: Path, label: np.ndarray, geometry: Geometry, like: Path | None = None) -> None:
    """Write a mask of shape (*spatial) as uint8, or as uint16 where values exceed 255; `like` is its image's file."""
    if format_of(path) is Format.JPEG:
        raise InputError.one("JPEG would change a mask's values", where=str(path), remedy="Write the mask as .png")
    if label.size and not 0 <= int(label.min()) <= int(label.max()) <= 65535:
        raise InputError.one("mask values must lie in 0..65535", where=str(path), got=f"{label.min()}..{label.max()}")
    kind = np.uint8 if label.size == 0 or int(label.max()) <= 255 else np.uint16
    write_image(path, Image(label.astype(kind)[None], geometry), like)


def _write_nifti(path: Path, image: Image, like: Path | None) -> None:
    from wardround.engine.imaging import nifti_writing

    model = like if like is not None and format_of(like) is Format.NIFTI else None
    with replacing(path) as temporary:
        nifti_writing.write(temporary, image, compressed=suffix_of(path) == ".nii.gz", like=model)


def _write_spatial(path: Path, image: Image) -> None:
    from wardround.engine.imaging import itk

    single = image.data.shape[0] == 1
    converted = itk.to_itk(image.data[0], image.geometry) if single else itk.to_itk_vector(image.data, image.geometry)
    with replacing(path) as temporary:
        sibling = temporary.with_name(temporary.name + suffix_of(path))  # ITK tells the format by the suffix
        try:
            itk.sitk.WriteImage(converted, str(sibling), useCompression=True)
            sibling.replace(temporary)
        finally:
            sibling.unlink(missing_ok=True)


def _require_flat(path: Path, image: Image, format_: Format) -> None:
    channels, kind = image.data.shape[0], image.data.dtype
    whole = kind == np.uint8 or (kind == np.uint16 and channels == 1 and format_ is Format.PNG)
    if image.data.ndim != 3 or channels not in (1, 3):
        got = f"{channels} channels on {image.data.ndim - 1} axes"
        raise InputError.one("this format holds grey and RGB images", where=str(path), got=got)
    if format_ is not Format.TIFF and not whole:
        raise InputError.one("this format cannot hold the values", where=str(path), got=str(kind), expected="uint8")


def _write_flat(path: Path, data: np.ndarray, format_: Format) -> None:
    pixels = np.ascontiguousarray(data[0] if data.shape[0] == 1 else np.moveaxis(data, 0, -1))
    with replacing(path) as temporary:
        if format_ is Format.TIFF:
            import tifffile

            photometric = "minisblack" if pixels.ndim == 2 else "rgb"
            tifffile.imwrite(temporary, pixels, photometric=photometric, compression="zlib", metadata=None)
        else:
            from PIL import Image as Pillow

            Pillow.fromarray(pixels).save(temporary, format=format_.name)
