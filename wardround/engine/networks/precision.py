"""In which number format networks compute, for training and for predicting."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import torch

Precision = Literal["auto", "fp32", "bf16"]
_PLAIN = "ieee"
"""torch's word for float32 that is not rounded to TF32 (ten bits of mantissa) on its way into the multipliers."""


def resolve_precision(precision: Precision, device: torch.device) -> Literal["fp32", "bf16"]:
    """`auto` is bf16 on a CUDA device that computes in it, fp32 elsewhere."""
    if precision != "auto":
        return precision
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"


@contextmanager
def autocast(precision: Literal["fp32", "bf16"], device: torch.device) -> Iterator[None]:
    """The context in which a forward pass computes; weights stay in fp32."""
    if precision == "fp32":
        yield
        return
    with torch.autocast(device.type, dtype=torch.bfloat16):
        yield


@contextmanager
def plain_fp32() -> Iterator[None]:
    """While the block runs, fp32 is fp32: convolutions and products on CUDA devices do not round to TF32.

    cuDNN's convolutions do by default, which a run whose record says `fp32` must not.
    """
    backends: Any = torch.backends
    places = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)
    before = [place.fp32_precision for place in places]
    try:
        for place in places:
            place.fp32_precision = _PLAIN
        yield
    finally:
        for place, old in zip(places, before, strict=True):
            place.fp32_precision = old
