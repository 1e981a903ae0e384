"""What pixels mean: the side that is up, colours by a profile, and transparency."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np

from wardround.engine.imaging.formats import unreadable
from wardround.engine.imaging.image import Role

ORIENTATION_TAG = 0x0112
_SIDEWAYS = (5, 6, 7, 8)
_ALPHA = "Remove the alpha channel (save as RGB or grey)"
_CONVERT = "Convert it to sRGB, or to grey"


def upright_shape(shape: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Rows and columns of an image once it is upright, by its orientation tag (1 to 8; anything else means 1)."""
    return shape[::-1] if orientation in _SIDEWAYS else shape


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Pixels, (rows, columns) or (rows, columns, channels), as their orientation tag says that they are to be seen."""
    turned = np.swapaxes(pixels, 0, 1) if orientation in _SIDEWAYS else pixels
    rows = slice(None, None, -1) if orientation in (3, 4, 7, 8) else slice(None)
    columns = slice(None, None, -1) if orientation in (2, 3, 6, 7) else slice(None)
    return turned[rows, columns]


def without_alpha(path: Path, pixels: np.ndarray) -> np.ndarray:
    """Pixels (rows, columns, 2 or 4) without their last channel. Raises `InputError` if that hides anything."""
    alpha = pixels[..., -1]
    opaque = np.iinfo(alpha.dtype).max if alpha.dtype.kind == "u" else 1
    if (alpha != opaque).any():
        kind = "an RGB image" if pixels.shape[-1] == 4 else "a grey image"
        raise unreadable(path, f"{kind} with an alpha channel that makes pixels transparent", _ALPHA)
    return pixels[..., :-1] if pixels.shape[-1] == 4 else pixels[..., 0]


def profile_of(path: Path, content: bytes | None, role: Role) -> Any:
    """The colour profile that pixels must be converted from; None where there is none, it is sRGB, or nobody sees them.

    Raises `InputError` for one that cannot be read.
    """
    from PIL import ImageCms

    if not content or role is Role.MASK:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        described = ImageCms.getProfileDescription(profile)
    except (ImageCms.PyCMSError, OSError):
        raise unreadable(path, "a colour profile that is damaged", "Save it without the profile, as sRGB") from None
    return None if "srgb" in described.lower() else profile


def require_no_profile(path: Path, profile: Any, kind: str) -> None:
    """Raise `InputError` where pixels of a kind would have to be converted that cannot be."""
    from PIL import ImageCms

    if profile is not None:
        described = ImageCms.getProfileDescription(profile).strip()
        raise unreadable(path, f"{kind} in the colours of the profile {described!r}", _CONVERT)


def to_srgb(path: Path, image: Any, profile: Any) -> Any:
    """A Pillow image of 8 bits in sRGB; a grey one stays grey."""
    from PIL import ImageCms

    if profile is None:
        return image
    try:
        converted: Any = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except ImageCms.PyCMSError:
        require_no_profile(path, profile, f"an image of mode {image.mode}")
        raise
    return converted.getchannel(1) if image.mode == "L" else converted
