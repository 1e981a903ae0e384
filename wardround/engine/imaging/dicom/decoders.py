"""Decoders of packed pixels that pydicom lacks: lossless JPEG, JPEG of 12 bits and JPEG 2000, through imagecodecs.

pydicom takes decoders of others by name (`pydicom.pixels.decoders`, "plugins"): the module tells which transfer
syntaxes it decodes, and a function decodes one frame.
"""

from __future__ import annotations

import functools
from typing import Any

import imagecodecs
import numpy as np
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

_NAME = "wardround"
_JPEG = "1.2.840.10008.1.2.4."
_OF_JPEG = tuple(f"{_JPEG}{number}" for number in ("51", "57", "70"))
_OF_JPEG2000 = tuple(f"{_JPEG}{number}" for number in ("90", "91", "201", "202", "203"))
DECODER_DEPENDENCIES = dict.fromkeys(map(UID, (*_OF_JPEG, *_OF_JPEG2000)), ("imagecodecs",))
"""What pydicom asks a plugin for."""


def is_available(uid: str) -> bool:
    """Whether frames of a transfer syntax can be decoded here."""
    return str(uid) in (*_OF_JPEG, *_OF_JPEG2000)


def decode_frame(source: bytes, runner: Any) -> bytes:
    """The pixels of one packed frame, as pydicom asks for them: little endian, colours side by side."""
    pixels = _decoded(bytes(source), str(runner.transfer_syntax))
    if pixels.ndim > 2:
        runner.set_option("planar_configuration", 0)
        if "ICT" in runner.photometric_interpretation or "RCT" in runner.photometric_interpretation:
            runner.set_option("photometric_interpretation", "RGB")  # which JPEG 2000 decoders turn them into
    runner.set_option("bits_allocated", pixels.dtype.itemsize * 8)
    return pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes()


def _decoded(source: bytes, syntax: str) -> np.ndarray:
    if syntax in _OF_JPEG2000:
        return np.asarray(imagecodecs.jpeg2k_decode(source))
    if syntax == f"{_JPEG}51":
        return np.asarray(imagecodecs.jpeg8_decode(source, outcolorspace=None))
    return np.asarray(imagecodecs.ljpeg_decode(source))


@functools.cache
def register() -> None:
    """Make these known to pydicom, beside its own. Once in a process."""
    for uid in DECODER_DEPENDENCIES:
        decoder = get_decoder(uid)
        if _NAME not in decoder.available_plugins:
            decoder.add_plugin(_NAME, (__name__, decode_frame.__name__))


def can_decode(syntax: str) -> bool:
    """Whether pixels of a transfer syntax can be read here."""
    register()
    try:
        return bool(get_decoder(UID(syntax)).is_available)
    except RuntimeError:  # no such transfer syntax
        return False


def syntax_name(syntax: str) -> str:
    """What a transfer syntax is called, in words."""
    return UID(syntax).name
