"""PNG and JPEG through Pillow, TIFF through tifffile: 2D images, indexed (row, column)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from wardround.engine.imaging.formats import Format, format_of, unreadable
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.imaging.reading import Header
from wardround.engine.imaging.sources import Source
from wardround.engine.imaging.types import Geometry

_Result = TypeVar("_Result")
_GREY = {
    "1": "uint8",
    "L": "uint8",
    "I;16": "uint16",
    "I;16L": "uint16",
    "I;16B": "uint16",
    "I": "int32",
    "F": "float32",
}
_REFUSED = {
    "P": ("a palette image, whose values are colour numbers", "Save it as grey or RGB"),
    "PA": ("a palette image with transparency", "Save it as grey or RGB"),
    "RGBA": ("an RGB image with an alpha channel", "Remove the alpha channel (save as RGB or grey)"),
    "LA": ("a grey image with an alpha channel", "Remove the alpha channel (save as grey)"),
    "CMYK": ("a CMYK image", "Save it as RGB"),
}


def header(source: Source) -> Header:
    """Size, channels and pixel type of a file, without its pixels."""
    return _tiff_header(source) if _is_tiff(source) else _pillow(source, lambda image: _describe(source, image))


def voxels(source: Source) -> tuple[np.ndarray, Geometry]:
    """All pixels in the stored type, shape (channels, rows, columns), and a plain grid; the source is released."""
    array = _tiff_pixels(source) if _is_tiff(source) else _pillow(source, lambda image: _pixels(source, image))
    source.release()
    planes = array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)
    return np.ascontiguousarray(planes), plain_geometry(planes.shape[1:])


def _is_tiff(source: Source) -> bool:
    return format_of(source.path) is Format.TIFF


def _pillow(source: Source, use: Callable[[Any], _Result]) -> _Result:
    """Open a PNG or JPEG and use it; Pillow's errors become ours."""
    from PIL import Image as Pillow

    path = source.path
    try:
        with Pillow.open(source.place, formats=("PNG", "JPEG")) as image:
            return use(image)
    except Pillow.DecompressionBombError:
        raise unreadable(path, "more pixels than one image may have", "Cut it into tiles") from None
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error) as error:
        reason = "a file that is neither PNG nor JPEG" if "cannot identify" in str(error) else str(error)
        raise unreadable(path, reason, "Copy or export it again") from None


def _describe(source: Source, image: Any) -> Header:
    path = source.path
    grid = plain_geometry((image.height, image.width))
    if getattr(image, "n_frames", 1) > 1:
        raise unreadable(path, f"{image.n_frames} frames", "Save one frame per file")
    if image.mode == "RGB" and _has_deep_colour(source):
        raise unreadable(path, "RGB with 16 bits per channel", "Save it as TIFF, or with 8 bits")
    if image.mode == "RGB":
        return Header(grid, 3, "uint8")
    if image.mode in _GREY:
        return Header(grid, 1, _GREY[image.mode])
    raise unreadable(path, *_REFUSED.get(image.mode, (f"an image of mode {image.mode}", "Save it as grey or RGB")))


def _pixels(source: Source, image: Any) -> np.ndarray:
    expected = _describe(source, image)
    return np.asarray(image, dtype=expected.pixel_type)


def _has_deep_colour(source: Source) -> bool:
    """Whether a PNG stores 16 bits per channel, of which Pillow would drop the lower half."""
    with source.place.open("rb") as file:
        start = file.read(25)
    return start[12:16] == b"IHDR" and start[24] == 16


def _tiff(source: Source, use: Callable[[Any], _Result]) -> _Result:
    import tifffile

    path = source.path
    try:
        # As a stream: by name it would follow links to where they end, and a copy in memory lies nowhere.
        with source.place.open("rb") as stream, tifffile.TiffFile(stream) as file:
            return use(file)
    except (OSError, ValueError, KeyError, IndexError, RuntimeError, struct.error, zlib.error) as error:
        raise unreadable(path, str(error).strip().splitlines()[-1][:200] or type(error).__name__) from None


def _tiff_header(source: Source) -> Header:
    def describe(file: Any) -> Header:
        page = _only_page(source.path, file)
        return Header(plain_geometry((page.imagelength, page.imagewidth)), page.samplesperpixel, page.dtype.name)

    return _tiff(source, describe)


def _tiff_pixels(source: Source) -> np.ndarray:
    def pixels(file: Any) -> np.ndarray:
        page = _only_page(source.path, file)
        array = np.asarray(page.asarray())
        return np.moveaxis(array, 0, -1) if page.axes == "SYX" else array

    return _tiff(source, pixels)


def _only_page(path: Path, file: Any) -> Any:
    """The page of a single-page TIFF, grey or RGB. Everything else is refused by name."""
    if len(file.pages) != 1:
        raise unreadable(path, f"{len(file.pages)} pages", "Save one page per file, or a volume as .nii.gz")
    page = file.pages[0]
    photometric = page.photometric.name if page.photometric is not None else "MINISBLACK"
    if photometric == "PALETTE":
        raise unreadable(path, *_REFUSED["P"])
    if photometric == "MINISWHITE":
        raise unreadable(path, "an image in which 0 is white", "Save it with 0 as black")
    if page.extrasamples:
        raise unreadable(path, *_REFUSED["RGBA" if photometric == "RGB" else "LA"])
    if page.dtype is None or page.dtype.kind not in "uif" or page.axes not in ("YX", "YXS", "SYX"):
        raise unreadable(path, f"axes {page.axes} of type {page.dtype}", "Save it as a grey or RGB image")
    return page
