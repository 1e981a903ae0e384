"""NRRD and MetaImage through SimpleITK, and the bridge between our arrays and ITK's images.

ITK's index order is (x, y, z), its numpy order the reverse. 3D arrays here are indexed (x, y, z); 2D ones are
(row, column), which is ITK's (y, x): in 2D all of a grid's properties are reversed, so that axis 0 is the row.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK

from wardround.engine.imaging.formats import Format, format_of, unreadable
from wardround.engine.imaging.integrity import require_whole
from wardround.engine.imaging.reading import Header
from wardround.engine.imaging.sources import Source
from wardround.engine.imaging.types import Geometry

sitk: Any = SimpleITK  # its annotations cover only a part of it
sitk.ProcessObject.SetGlobalWarningDisplay(False)  # our own checks speak instead, in the user's words

_IMAGE_IO = {Format.NRRD: "NrrdImageIO", Format.META: "MetaImageIO"}
_NUMPY_KINDS = {"signed integer": "int", "unsigned integer": "uint", "float": "float"}


def header(source: Source) -> Header:
    """Grid, channels and pixel type of a file, without its voxels."""
    require_whole(source)
    path = source.path
    with _reader(source) as reader:
        sizes, channels = reader.GetSize(), reader.GetNumberOfComponents()
        geometry = _geometry(path, sizes, reader.GetSpacing(), reader.GetOrigin(), reader.GetDirection())
        pixel_type = _pixel_type(path, sitk.GetPixelIDValueAsString(reader.GetPixelID()))
    return Header(geometry, channels * (sizes[3] if len(sizes) == 4 else 1), pixel_type)


def voxels(source: Source, convert: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, Geometry]:
    """All voxels, shape (channels, *spatial), and the grid; the source is released.

    `convert` is given the voxels in the stored type as a view of ITK's own memory, and must copy what it keeps: so no
    second array of the stored type is ever made.
    """
    require_whole(source)
    path = source.path
    with _reader(source) as reader:
        _pixel_type(path, sitk.GetPixelIDValueAsString(reader.GetPixelID()))
        image = reader.Execute()
    source.release()  # before the voxels are copied: a file in memory, ITK's voxels and ours would be one too many
    geometry = _geometry(path, image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    return convert(_channels_first(path, image)), geometry


def to_itk(array: np.ndarray, geometry: Geometry) -> Any:
    """An ITK image of one channel: `array` has the grid's shape."""
    return from_ordered(in_itk_order(array), geometry)


def in_itk_order(array: np.ndarray) -> np.ndarray:
    """An array of one channel as ITK orders axes, laid out for it."""
    return np.ascontiguousarray(_itk_order(array))


def from_ordered(array: np.ndarray, geometry: Geometry) -> Any:
    """An ITK image of what `in_itk_order` gave."""
    return _placed(sitk.GetImageFromArray(array), geometry)


def to_itk_vector(array: np.ndarray, geometry: Geometry) -> Any:
    """An ITK image of several values per voxel: `array` has shape (channels, *spatial)."""
    ordered = np.stack([_itk_order(channel) for channel in array], axis=-1)
    return _placed(sitk.GetImageFromArray(ordered, isVector=True), geometry)


def from_itk(image: Any) -> np.ndarray:
    """The array of a one-channel ITK image, in our axis order."""
    return np.array(_our_order(sitk.GetArrayViewFromImage(image)), order="C")


def itk_grid(geometry: Geometry) -> tuple[list[int], list[float], list[float], list[float]]:
    """Size, spacing, origin and direction as ITK orders them."""
    if geometry.dimensions == 3:
        return list(geometry.shape), list(geometry.spacing), list(geometry.origin), list(geometry.direction)
    reverse = slice(None, None, -1)
    return (
        list(geometry.shape[reverse]),
        list(geometry.spacing[reverse]),
        list(geometry.origin[reverse]),
        list(geometry.direction[reverse]),
    )


@contextlib.contextmanager
def _reader(source: Source) -> Iterator[Any]:
    """A reader whose header is read. The file gets a name with its suffix in an empty folder, for a copy in memory has
    none."""
    path = source.path
    reader = sitk.ImageFileReader()
    reader.SetImageIO(_IMAGE_IO[format_of(path)])
    with tempfile.TemporaryDirectory(prefix="wardround-") as folder:
        link = Path(folder) / path.name
        link.symlink_to(source.place.absolute())
        reader.SetFileName(str(link))
        try:
            reader.ReadImageInformation()
            yield reader
        except RuntimeError as error:
            raise unreadable(path, *_reason(str(error))) from None


def _reason(message: str) -> tuple[str, str]:
    """Reason and remedy for the message of an ITK error."""
    if "orthonormal" in message:
        return "axes that are not at right angles", "Resample it to a rectangular grid first"
    if "ImageIO" in message or "File cannot be read" in message:
        return "a file that is damaged, cut short or of another format", "Copy or export it again"
    return message.strip().splitlines()[-1].strip()[:200], "Copy or export it again"


def _geometry(path: Path, size: Any, spacing: Any, origin: Any, direction: Any) -> Geometry:
    axes = min(len(size), 3)
    if axes not in (2, 3) or len(size) > 4:
        raise unreadable(path, f"{len(size)} axes", "Save an image with 2 or 3 axes, or 4 with the channels last")
    matrix = np.asarray(direction, dtype=np.float64).reshape(len(size), len(size))[:axes, :axes] + 0.0
    shape = tuple(int(value) for value in size[:axes])
    steps = tuple(float(value) for value in spacing[:axes])
    start = tuple(float(value) + 0.0 for value in origin[:axes])
    if axes == 3:
        return Geometry(shape, steps, start, tuple(matrix.ravel().tolist()))
    return Geometry(shape[::-1], steps[::-1], start[::-1], tuple(matrix[::-1, ::-1].ravel().tolist()))


def _pixel_type(path: Path, description: str) -> str:
    """numpy's name for ITK's description, such as `vector of 16-bit signed integer`."""
    bits, _, kind = description.removeprefix("vector of ").partition("-bit ")
    if kind not in _NUMPY_KINDS or not bits.isdigit():
        raise unreadable(path, description, "Save real numbers, for instance the magnitude of a complex image")
    return f"{_NUMPY_KINDS[kind]}{bits}"


def _channels_first(path: Path, image: Any) -> np.ndarray:
    """A view of ITK's own memory, shape (channels, *spatial); it must not outlive `image`."""
    array: np.ndarray = sitk.GetArrayViewFromImage(image)
    vector = image.GetNumberOfComponentsPerPixel() > 1
    if image.GetDimension() == 4:
        if vector:
            raise unreadable(path, "a 4D image of vectors", "Save one file per channel")
        return array.transpose(0, 3, 2, 1)
    if vector:
        array = np.moveaxis(array, -1, 0)
        return array.transpose(0, 3, 2, 1) if array.ndim == 4 else array
    return _our_order(array)[None]


def _our_order(array: np.ndarray) -> np.ndarray:
    return array.transpose(2, 1, 0) if array.ndim == 3 else array


def _itk_order(array: np.ndarray) -> np.ndarray:
    return array.transpose(2, 1, 0) if array.ndim == 3 else array


def _placed(image: Any, geometry: Geometry) -> Any:
    _, spacing, origin, direction = itk_grid(geometry)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    image.SetDirection(direction)
    return image
