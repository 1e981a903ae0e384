"""Read images, headers and masks of any supported format."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from wardround.engine.basics.dicom import REFUSING, Dicom
from wardround.engine.basics.places import folder_place, waits
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.imaging.contents import require_announced
from wardround.engine.imaging.formats import Format, format_of, is_dicom, unreadable
from wardround.engine.imaging.header import Header
from wardround.engine.imaging.image import Geometry, Image, Remark, Role
from wardround.engine.imaging.readable import ArrayReadable, Readable
from wardround.engine.imaging.sources import HeldFolder, Source

if TYPE_CHECKING:
    from wardround.engine.imaging.dicom.regridding import Regridding

    Onto: TypeAlias = Geometry | Regridding
    """The grid of an image, onto which a DICOM-SEG is laid; or how the image's slices are laid onto one."""


_LAID = Remark("the mask is a picture, which does not say where its pixels lie: they were laid on those of the image")


def read_header(path: Path, dicom: Dicom = REFUSING) -> Header:
    """Grid, channels and pixel type, without the voxels where the format allows. Raises `InputError`.

    `dicom` is the study's word on series that are not as they should be, here and in what follows.
    """
    return _header(Source(path), Role.IMAGE, dicom)


def read_label_header(path: Path, onto: Onto | None = None, dicom: Dicom = REFUSING) -> Header:
    """`read_header` of a mask, of which a palette's colours and a colour profile say nothing.

    `onto` is the grid of its image, as `label_grid` gives it.
    """
    return _header(Source(path), Role.MASK, dicom, onto)


def label_grid(label: Path, image: Path, dicom: Dicom = REFUSING) -> Onto | None:
    """The grid of an image onto which its mask is laid; None for a mask that has a grid of its own.

    Raises `InputError` for an image whose header cannot be read.
    """
    if not takes_grid(label, image):
        return None
    if dicom.resamples and is_dicom(image):
        from wardround.engine.imaging.dicom.regridding import grid_for

        return grid_for(image, dicom)
    return read_header(image, dicom).geometry


def takes_grid(label: Path, image: Path) -> bool:
    """Whether a mask lies where its image does: a DICOM-SEG, or a picture beside a DICOM image. A picture's pixels have
    rows and columns as a DICOM image's have, and no place or size of their own that could differ."""
    return is_dicom(label) or (is_dicom(image) and _is_picture(label))


def _is_picture(path: Path) -> bool:
    format_ = format_of(path)
    return not (format_.spatial or format_ in (Format.NIFTI, Format.DICOM))


def drawn_on(label: Path, image: Path) -> Problem | Remark | None:
    """What a DICOM-SEG says against having been drawn on this series; None where it fits, and for all other files.

    Raises `InputError` for a file that cannot be read.
    """
    if not (is_dicom(label) and is_dicom(image)):
        return None
    from wardround.engine.imaging.dicom import segments

    found = segments.segmentation_at(Source(label))
    return None if found is None else segments.drawn_on(found, Source(image))


def _header(source: Source, role: Role, dicom: Dicom = REFUSING, onto: Onto | None = None) -> Header:
    format_ = _existing(source)
    if format_ is Format.NIFTI:
        from wardround.engine.imaging import nifti

        return nifti.header(source)
    if format_ is Format.DICOM:
        return _dicom_header(source, role, dicom, onto)
    if format_.spatial:
        from wardround.engine.imaging import volumes

        return volumes.header(source)
    from wardround.engine.imaging import rasters

    found = rasters.header(source, role)
    laid = _laid(found.geometry, onto)
    return found if laid is found.geometry else replace(found, geometry=laid, remarks=(*found.remarks, _LAID))


def _laid(own: Geometry, onto: Onto | None) -> Geometry:
    """Where a picture lies that is the mask of an image on this grid: there, if it has as many pixels."""
    return onto if isinstance(onto, Geometry) and onto.shape == own.shape else own


def read_image(file: Path | Source, dicom: Dicom = REFUSING) -> Image:
    """All voxels as float32, shape (channels, *spatial). Raises `InputError` for a damaged or unsupported file."""
    source = _source(file)
    if _existing(source) is Format.DICOM:  # which are single precision as they come, and need no copy
        from wardround.engine.imaging.dicom import reader

        return Image(*reader.voxels(source, Role.IMAGE, dicom))
    return Image(*_voxels(source, _single_precision, Role.IMAGE))


def open_image(file: Path | Source, dicom: Dicom = REFUSING) -> Readable:
    """`read_image` by regions, float32: the header is read now, and voxels when they are asked for.

    Of an uncompressed NIfTI file each region is read by itself, of a DICOM series its slices. Any other file is read
    whole with its first region, and held. Raises `InputError` for a header that is damaged; what is returned raises it
    for voxels that are.
    """
    source = _source(file)
    format_ = _existing(source)
    if format_ is Format.DICOM:
        from wardround.engine.imaging.dicom import reader

        return reader.DicomReadable(source, dicom)
    if format_ is Format.NIFTI:
        from wardround.engine.imaging import nifti

        if nifti.can_be_read_by_region(source):
            return nifti.NiftiReadable(source)
    header = _header(source, Role.IMAGE)
    shape = (header.channels, *header.geometry.shape)
    load = functools.cache(lambda: read_image(source).data)
    return ArrayReadable(shape, header.geometry, np.dtype(np.float32), load)


def read_label(file: Path | Source, onto: Onto | None = None, dicom: Dicom = REFUSING) -> tuple[np.ndarray, Geometry]:
    """A mask's voxels as integers, shape (*spatial), and its grid.

    `onto` is the grid of its image, as `label_grid` gives it, onto which a DICOM-SEG is laid, which has frames only
    where it has a segment, and a picture of as many pixels.

    Files of a floating type are accepted when every voxel holds a whole number, and files of three colours when these
    are equal in every voxel. Raises `InputError` otherwise.
    """
    source = _source(file)
    path = source.path

    def convert(voxels: np.ndarray) -> np.ndarray:
        if voxels.shape[0] != 1 and not (voxels.shape[0] == 3 and _is_grey(voxels)):
            raise InputError.one(
                "a mask has one value per voxel",
                where=str(path),
                got=f"{voxels.shape[0]} channels",
                remedy="Save the mask as a grey image whose values are the class numbers",
            )
        return _whole_numbers(path, voxels[0])

    if _existing(source) is Format.DICOM:
        return _dicom_label(source, convert, onto, dicom)
    mask, own = _voxels(source, convert, Role.MASK)
    return mask, _laid(own, onto) if _is_picture(path) else own


def _dicom_header(source: Source, role: Role, dicom: Dicom, onto: Onto | None) -> Header:
    from wardround.engine.imaging.dicom import reader, regridding, segments

    found = segments.segmentation_at(source) if role is Role.MASK else None
    if found is None:
        return reader.header(source, role, dicom)
    if onto is None or isinstance(onto, Geometry):
        return segments.header(found, onto)
    return regridding.mask_header(onto, found)


def _dicom_label(
    source: Source, convert: Callable[[np.ndarray], np.ndarray], onto: Onto | None, dicom: Dicom
) -> tuple[np.ndarray, Geometry]:
    from wardround.engine.imaging.dicom import reader, regridding, segments

    found = segments.segmentation_at(source)
    if found is None:
        voxels, geometry = reader.voxels(source, Role.MASK, dicom)
        return convert(voxels), geometry
    if onto is None or isinstance(onto, Geometry):
        return segments.voxels(source, found, onto)
    return regridding.mask_on(onto, source, found), onto.grid


def _is_grey(colours: np.ndarray) -> bool:
    """Whether a picture that was saved in colours has none."""
    return bool((colours[1] == colours[0]).all() and (colours[2] == colours[0]).all())


_LARGEST = 2**31 - 1
_ROUNDING = 1e-3
"""Values of a mask that are as near to whole numbers as this were whole before they were saved."""
_LOOKED_AT = 1000
"""Of a plane's flawed voxels, for examples."""


def _single_precision(voxels: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.array(voxels, dtype=np.float32, order="C")


def _whole_numbers(path: Path, mask: np.ndarray) -> np.ndarray:
    """A compact copy: wide types of which nobody uses the width would cost a big mask eight bytes a voxel."""
    if np.issubdtype(mask.dtype, np.integer):
        return np.array(mask, dtype=_compact(mask), order="C")
    out = np.empty(mask.shape, dtype=np.int32)
    broken = _Broken()
    for plane, values in zip(out, mask, strict=True):
        flawed = ~np.isfinite(values) | (values != np.rint(values)) | (np.abs(values) > _LARGEST)
        broken.note(values, flawed)
        plane[...] = np.where(flawed, 0, values)
    if broken.count:
        what, remedy = broken.told
        got = f"{broken.examples} in {broken.count:,} voxels of type {mask.dtype}"
        raise InputError.one(what, where=str(path), got=got, remedy=remedy)
    return out


class _Broken:
    """What a mask holds that is no whole number."""

    def __init__(self) -> None:
        self.count = 0
        self._found: list[Any] = []
        self._distance, self._is_wild = 0.0, False
        self._lowest, self._highest = math.inf, -math.inf

    def note(self, values: np.ndarray, flawed: np.ndarray) -> None:
        """Look at the voxels of a plane and at those that are flawed among them."""
        self._lowest, self._highest = min(self._lowest, values.min()), max(self._highest, values.max())
        found = values[flawed]
        if found.size:
            self.count += found.size
            self._found += list(np.unique(found[:_LOOKED_AT])[:3])
            small = found[np.abs(found) <= _LARGEST]  # which NaN is not
            self._is_wild |= small.size < found.size
            self._distance = max(self._distance, float(np.abs(small - np.rint(small)).max(initial=0)))

    @property
    def examples(self) -> str:
        """A few values, with all the digits that tell them from whole numbers."""
        shown = dict.fromkeys(np.format_float_positional(value, trim="-") for value in self._found[:200])
        return ", ".join([*shown][:3])

    @property
    def told(self) -> tuple[str, str]:
        """What is wrong, and what to do about it."""
        if self._is_wild:
            remedy = "Export the mask again, or correct these voxels in the program that made it"
            return "a mask holds whole numbers, and not NaN or numbers as large as these", remedy
        if self._distance < _ROUNDING:
            return (
                "a mask holds whole numbers, and these differ from them by rounding",
                "Round the mask to the nearest whole numbers before it is saved as such (such as `uint8`): many "
                "programs cut 0.9999 down to 0 when only the type is changed",
            )
        if self._lowest >= 0 and self._highest <= 1:
            return (
                "a mask holds whole numbers, and these are fractions between 0 and 1, as probabilities are",
                "For one class save the mask with 1 where the fraction is at least 0.5 and 0 elsewhere; for several "
                "export it again with the number of each class. Was it resampled with linear interpolation? Use "
                "nearest neighbour",
            )
        return (
            "a mask holds whole numbers",
            "Was the mask resampled with linear interpolation? Use nearest neighbour. Is it an image? Name the mask",
        )


def _compact(mask: np.ndarray) -> np.dtype[Any]:
    native = mask.dtype.newbyteorder("=")
    if mask.dtype.itemsize <= 2 or not mask.size:
        return native
    fits = int(mask.min()) >= 0 and int(mask.max()) <= np.iinfo(np.uint16).max
    return np.dtype(np.uint16) if fits else native


def _source(file: Path | Source) -> Source:
    return file if isinstance(file, Source) else Source(file)


def _voxels(source: Source, convert: Callable[[np.ndarray], np.ndarray], role: Role) -> tuple[np.ndarray, Geometry]:
    format_ = _existing(source)
    if format_ is Format.NIFTI:
        from wardround.engine.imaging import nifti

        return nifti.voxels(source, convert)
    if format_.spatial:
        from wardround.engine.imaging import volumes

        return volumes.voxels(source, convert)
    from wardround.engine.imaging import rasters

    pixels, geometry = rasters.voxels(source, role)
    return convert(pixels), geometry


def _require_no_pipe(source: Source) -> None:
    if source.place.exists() and waits(source.place):
        raise unreadable(source.path, "a pipe, a socket or a device in the place of a file", "Name the image itself")


def _existing(source: Source) -> Format:
    """The file's format. Raises `InputError` where there is no such file, or no such format."""
    if isinstance(source, HeldFolder) or folder_place(source.path) is not None:
        return Format.DICOM
    if not source.place.is_file():
        _require_no_pipe(source)
        format_of(source.path)
        raise InputError.one("there is no such file", where=str(source.path))
    return require_announced(source)
