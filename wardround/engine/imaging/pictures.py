"""PNG and JPEG through Pillow."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from wardround.engine.imaging import colours
from wardround.engine.imaging.formats import unreadable
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.imaging.header import Header
from wardround.engine.imaging.image import Role
from wardround.engine.imaging.sources import Source

_Result = TypeVar("_Result")
_GREY = {
    "1": "uint8",
    "L": "uint8",
    "LA": "uint8",
    "I;16": "uint16",
    "I;16L": "uint16",
    "I;16B": "uint16",
    "I": "int32",
    "F": "float32",
}
_EXIF_TEXT = b"Raw profile type exif"
_COLOUR = ("RGB", "RGBA")
_DEEP = tuple(mode for mode in _GREY if mode not in ("1", "L", "LA"))
_KNOWN = (*_GREY, *_COLOUR, "P", "PA", "CMYK")
_INKS = ("a CMYK image without a colour profile", "Save it as RGB")


def header(source: Source, role: Role) -> Header:
    """Size, channels and pixel type of a file, upright and in sRGB."""
    return _opened(source, lambda image: _describe(source, image, role))


def pixels(source: Source, role: Role) -> np.ndarray:
    """All pixels, (rows, columns) or (rows, columns, 3), upright and in sRGB; a mask's as they are stored."""
    return _opened(source, lambda image: _pixels(source, image, role))


def _opened(source: Source, use: Callable[[Any], _Result]) -> _Result:
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


def _describe(source: Source, image: Any, role: Role) -> Header:
    profile = colours.profile_of(source.path, image.info.get("icc_profile"), role)
    _require_suitable(source, image, profile)
    grid = plain_geometry(colours.upright_shape((image.height, image.width), _orientation(source, image)))
    if image.mode in ("P", "PA"):
        return Header(grid, 1 if role is Role.MASK or _is_grey(image) else 3, "uint8")
    kind = _GREY.get(image.mode)
    return Header(grid, 3, "uint8") if kind is None else Header(grid, 1, kind)


def _require_suitable(source: Source, image: Any, profile: Any) -> None:
    """Raise `InputError` for what is neither grey nor colours that can be converted."""
    path, mode = source.path, image.mode
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":  # whose further frames are previews and depths
        raise unreadable(path, f"{image.n_frames} frames", "Save one frame per file")
    if mode in (*_COLOUR, "LA") and _has_deep_colour(source):
        kind = "grey and alpha" if mode == "LA" else "RGB"
        raise unreadable(path, f"{kind} with 16 bits per channel", "Save it as TIFF, or with 8 bits")
    if mode in _DEEP:
        colours.require_no_profile(path, profile, "more than 8 bits of grey")
    elif mode == "CMYK" and profile is None:
        raise unreadable(path, *_INKS)
    elif mode not in _KNOWN:
        raise unreadable(path, f"an image of mode {mode}", "Save it as grey or RGB")


def _orientation(source: Source, image: Any) -> int:
    """The orientation tag. Pillow decodes a PNG to look for one behind the pixels: it is asked only if there is one."""
    if image.format == "PNG" and not _has_exif(source):
        return 1
    return int(image.getexif().get(colours.ORIENTATION_TAG) or 1)


def _has_exif(source: Source) -> bool:
    """Whether a PNG has a chunk with tags, before its pixels or behind them."""
    with source.place.open("rb") as file:
        file.seek(8)
        while len(start := file.read(8)) == 8:
            length, name = struct.unpack(">I4s", start)
            text = file.read(min(length, len(_EXIF_TEXT))) if name in (b"tEXt", b"zTXt", b"iTXt") else b""
            if name == b"eXIf" or text == _EXIF_TEXT:
                return True
            file.seek(length + 4 - len(text), os.SEEK_CUR)
    return False


def _is_grey(image: Any) -> bool:
    """Whether a palette has greys alone."""
    palette = np.asarray(image.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())


def _pixels(source: Source, image: Any, role: Role) -> np.ndarray:
    expected = _describe(source, image, role)
    orientation = _orientation(source, image)
    profile = colours.profile_of(source.path, image.info.get("icc_profile"), role)
    array = np.asarray(_plain(source, image, role, profile), dtype=expected.pixel_type)
    if array.ndim == 3 and expected.channels == 1:
        array = array[..., 0]
    return colours.upright(array, orientation)


def _plain(source: Source, image: Any, role: Role, profile: Any) -> Any:
    """The image without palette, transparency and profile."""
    from PIL import Image as Pillow

    if image.mode in ("P", "PA"):
        if role is Role.MASK:
            return image.getchannel(0)
        image = image.convert("RGBA")
    elif "transparency" in image.info and image.mode in ("L", "RGB") and role is Role.IMAGE:
        image = image.convert("LA" if image.mode == "L" else "RGBA")
    if image.mode in ("LA", "RGBA"):
        image = Pillow.fromarray(np.ascontiguousarray(colours.without_alpha(source.path, np.asarray(image))))
    return colours.to_srgb(source.path, image, profile)


def _has_deep_colour(source: Source) -> bool:
    """Whether a PNG stores 16 bits per channel, of which Pillow would drop the lower half."""
    with source.place.open("rb") as file:
        start = file.read(25)
    return start[12:16] == b"IHDR" and start[24] == 16
