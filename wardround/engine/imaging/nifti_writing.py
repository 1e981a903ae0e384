"""NIfTI files through nibabel: both transforms are written, so that every reader sees the same place in space."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel
import numpy as np

from wardround.engine.imaging.image import Geometry, Image
from wardround.engine.imaging.nifti import raw_header
from wardround.engine.imaging.sources import Source
from wardround.engine.imaging.transforms import millimetres, nifti_affine, qform_grid, sform_grid

nib: Any = nibabel  # its annotations cover only a part of it

_SCANNER = 1
_LONGEST_AXIS = 32767
"""Voxels that version 1 can count."""
_LEVEL = 4
_QFORM = (*(f"quatern_{name}" for name in "bcd"), *(f"qoffset_{name}" for name in "xyz"), "qform_code")
_SFORM = (*(f"srow_{name}" for name in "xyz"), "sform_code")


def write(path: Path, image: Image, *, compressed: bool, like: Path | None) -> None:
    """Write all channels of an image. With `like`, a NIfTI on the same grid, the transforms are that file's.

    Where `like` codes only one transform, the other one is written as well, with the same place and the same code;
    where it codes none, none is coded.
    """
    model = None if like is None else raw_header(Source(like))
    header = _header(image, model)
    with path.open("wb") as file:
        if not compressed:
            _fill(cast(BinaryIO, file), header, image)
            return
        with gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed:
            _fill(cast(BinaryIO, packed), header, image)


def _header(image: Image, model: Any) -> Any:
    sizes = image.geometry.shape if image.geometry.dimensions == 3 else image.geometry.shape[::-1]
    big = max(sizes) > _LONGEST_AXIS or isinstance(model, nib.Nifti2Header)
    header: Any = nib.Nifti2Header() if big else nib.Nifti1Header()
    header.set_data_dtype(image.data.dtype.newbyteorder("="))
    channels = image.data.shape[0]
    header.set_data_shape(sizes if channels == 1 else (*(*sizes, 1)[:3], 1, channels))
    if channels > 1:
        header.set_intent("vector")
    header.set_slope_inter(1, 0)
    header.set_data_offset(header.single_vox_offset)
    header["magic"] = header.single_magic
    _place(header, image.geometry, model)
    return header


def _place(header: Any, geometry: Geometry, model: Any) -> None:
    affine, pixdim = nifti_affine(geometry), header["pixdim"]
    if model is None:
        header.set_xyzt_units("mm")
        header.set_qform(affine, _SCANNER)
        header.set_sform(affine, _SCANNER)
        return
    solid = (*geometry.shape[::-1], 1) if geometry.dimensions == 2 else geometry.shape
    sform, qform = sform_grid(model, solid), qform_grid(model, solid)
    header["xyzt_units"] = int(model["xyzt_units"]) & 7
    affine[:3] /= millimetres(model)
    _copy(header, model, _SFORM)
    if isinstance(sform, Geometry) and not isinstance(qform, Geometry):
        header.set_qform(affine, int(model["sform_code"]))
        return
    _copy(header, model, _QFORM)
    pixdim[:4] = np.asarray(model["pixdim"][:4])
    if sform is None and qform is not None:
        header.set_sform(_qform_affine(header), int(model["qform_code"]))


def _qform_affine(header: Any) -> np.ndarray:
    """As nibabel reads it; a header without a sign of its handedness, or a third axis, means the usual."""
    copy = header.copy()
    copy["pixdim"][0] = -1 if float(copy["pixdim"][0]) < 0 else 1
    return np.asarray(copy.get_qform(coded=False))


def _copy(header: Any, model: Any, fields: tuple[str, ...]) -> None:
    for field in fields:
        header[field] = model[field]


def _fill(file: BinaryIO, header: Any, image: Image) -> None:
    file.write(header.binaryblock)
    file.write(b"\0" * (int(header["vox_offset"]) - len(header.binaryblock)))
    for channel in image.data:
        # One slice at a time in the file's order, first axis fastest, without a second array of all voxels.
        slices = np.moveaxis(channel, -1, 0) if channel.ndim == 3 else [channel.T]
        for plane in slices:
            file.write(np.ascontiguousarray(plane.T).tobytes())
