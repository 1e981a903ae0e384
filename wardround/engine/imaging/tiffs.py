"""TIFF of one page through tifffile: grey, RGB and palette."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from wardround.engine.imaging import colours
from wardround.engine.imaging.formats import unreadable
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.imaging.header import Header
from wardround.engine.imaging.image import Role
from wardround.engine.imaging.sources import Source

_Result = TypeVar("_Result")
_PROFILE_TAG = 34675
_REFUSED = {
    "MINISWHITE": ("an image in which 0 is white", "Save it with 0 as black"),
    "SEPARATED": ("a CMYK image", "Save it as RGB"),
    "CIELAB": ("an image in CIELAB colours", "Save it as RGB"),
    "ICCLAB": ("an image in CIELAB colours", "Save it as RGB"),
    "ITULAB": ("an image in CIELAB colours", "Save it as RGB"),
    "MASK": ("a mask of transparency", "Save it as grey"),
}
_ALPHA = ("ASSOCALPHA", "UNASSALPHA")
_JPEGS = ("JPEG", "OJPEG", "JPEG_LOSSY", "APERIO_JP2000_YCBC")


def header(source: Source, role: Role) -> Header:
    """Size, channels and pixel type of a file, upright and in sRGB."""

    def describe(file: Any) -> Header:
        page = _only_page(source.path, file)
        _profile(source.path, page, role)
        shape = colours.upright_shape((page.imagelength, page.imagewidth), _orientation(page))
        kind = "uint8" if page.dtype.kind == "b" else page.dtype.name
        if _is_palette(page):
            colour = role is Role.IMAGE and not _is_grey(page)
            return Header(plain_geometry(shape), 3 if colour else 1, "uint8" if role is Role.IMAGE else kind)
        return Header(plain_geometry(shape), page.samplesperpixel - len(page.extrasamples), kind)

    return _opened(source, describe)


def pixels(source: Source, role: Role) -> np.ndarray:
    """All pixels, (rows, columns) or (rows, columns, 3), upright and in sRGB; a mask's as they are stored."""
    return _opened(source, lambda file: _pixels(source.path, _only_page(source.path, file), role))


def is_jpeg_inside(source: Source) -> bool:
    """Whether a page is packed in a way that keeps its pixels only roughly."""
    return _opened(source, lambda file: any(page.compression.name in _JPEGS for page in file.pages))


def _opened(source: Source, use: Callable[[Any], _Result]) -> _Result:
    import tifffile

    path = source.path
    try:
        # As a stream: by name it would follow links to where they end, and a copy in memory lies nowhere.
        with source.place.open("rb") as stream, tifffile.TiffFile(stream) as file:
            return use(file)
    except (OSError, ValueError, KeyError, IndexError, RuntimeError, struct.error, zlib.error) as error:
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise unreadable(path, reason[0][:200], "Copy or export it again") from None


def _pixels(path: Path, page: Any, role: Role) -> np.ndarray:
    array = np.asarray(page.asarray())
    array = array.astype(np.uint8) if array.dtype.kind == "b" else array
    array = np.moveaxis(array, 0, -1) if page.axes == "SYX" else array
    if _is_palette(page) and role is Role.IMAGE:
        array = _colours(page)[array]
        array = array[..., 0] if _is_grey(page) else array
    if page.extrasamples:
        array = colours.without_alpha(path, array)
    return colours.upright(_in_srgb(path, array, _profile(path, page, role)), _orientation(page))


def _in_srgb(path: Path, array: np.ndarray, profile: Any) -> np.ndarray:
    from PIL import Image as Pillow

    if profile is None:
        return array
    return np.asarray(colours.to_srgb(path, Pillow.fromarray(np.ascontiguousarray(array)), profile))


def _only_page(path: Path, file: Any) -> Any:
    """The page of a single-page TIFF, grey, RGB or palette. Everything else is refused by name."""
    if len(file.pages) != 1:
        raise unreadable(path, f"{len(file.pages)} pages", "Save one page per file, or a volume as .nii.gz")
    page = file.pages[0]
    _require_known_colours(path, page)
    extra = [sample.name for sample in page.extrasamples]
    if extra and (len(extra) > 1 or extra[0] not in _ALPHA or page.samplesperpixel not in (2, 4)):
        got = f"{page.samplesperpixel} values per pixel, of which {len(extra)} are not colours"
        raise unreadable(path, got, "Remove the alpha channel (save as RGB or grey)")
    if page.dtype is None or page.dtype.kind not in "uifb" or page.axes not in ("YX", "YXS", "SYX"):
        raise unreadable(path, f"axes {page.axes} of type {page.dtype}", "Save it as a grey or RGB image")
    return page


def _require_known_colours(path: Path, page: Any) -> None:
    name = _photometric(page)
    if name in ("MINISBLACK", "RGB", "PALETTE") or (name == "YCBCR" and page.compression.name in _JPEGS):
        return
    raise unreadable(path, *_REFUSED.get(name, (f"an image in {name} colours", "Save it as grey or RGB")))


def _photometric(page: Any) -> str:
    return str(page.photometric.name) if page.photometric is not None else "MINISBLACK"


def _is_palette(page: Any) -> bool:
    return _photometric(page) == "PALETTE"


def _colours(page: Any) -> np.ndarray:
    """The palette, (colours, 3), in 8 bits."""
    return np.asarray(np.asarray(page.colormap).T >> 8, dtype=np.uint8)


def _is_grey(page: Any) -> bool:
    palette = _colours(page)
    return bool((palette == palette[:, :1]).all())


def _orientation(page: Any) -> int:
    tag = page.tags.get(colours.ORIENTATION_TAG)
    return 1 if tag is None else int(tag.value)


def _profile(path: Path, page: Any, role: Role) -> Any:
    """The colour profile that pixels must be converted from. Raises `InputError` where they cannot be."""
    tag = page.tags.get(_PROFILE_TAG)
    profile = colours.profile_of(path, None if tag is None else bytes(tag.value), role)
    if page.dtype != np.uint8:
        colours.require_no_profile(path, profile, f"values of type {page.dtype}")
    return profile
