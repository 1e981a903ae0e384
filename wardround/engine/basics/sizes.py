"""Amounts of bytes as people write them, such as `200 GB`. Imports no torch."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
BLOCK_BYTES = 4096
"""What the usual file systems give out at once: a file of one byte takes as much."""
_WRITTEN = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kKMGT]?B?)\s*")


def parse_size(text: str) -> int:
    """Bytes of `1500`, `800 MB`, `1.5 TB`. Raises ValueError for anything else."""
    found = _WRITTEN.fullmatch(text)
    unit = found.group(2).upper() if found else None
    if found is None or unit not in _UNITS:
        raise ValueError(f"{text!r} is no size")
    return int(float(found.group(1)) * _UNITS[unit])


def shown_size(count: float) -> str:
    """Bytes for people, with three digits."""
    unit = next((unit for unit in ("TB", "GB", "MB", "KB") if count >= _UNITS[unit]), "B")
    value = count / _UNITS[unit]
    return f"{value:,.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.3g} {unit}"


def on_disk(count: int) -> int:
    """What a file of so many bytes takes of a disk. Of a million small images that is most of what they take."""
    return -(-count // BLOCK_BYTES) * BLOCK_BYTES


def _read(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse_size(value)
    except ValueError:
        raise PydanticCustomError("size", "Input should be a size such as '200 GB'") from None


Size = Annotated[int, BeforeValidator(_read), Field(ge=1, examples=["200 GB"])]
"""Bytes, written as a number or as text with a unit."""
