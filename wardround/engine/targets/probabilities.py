"""Probabilities in cells of a table of predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from wardround.engine.basics.problems import InputError

if TYPE_CHECKING:
    import numpy as np


def probabilities(cells: Sequence[str], columns: Sequence[str]) -> np.ndarray:
    """float32, each between 0 and 1. Raises `InputError`, without a place, for what is none."""
    import numpy as np

    try:
        values = np.array([float(cell) for cell in cells], dtype=np.float32)
    except (TypeError, ValueError):
        expected = f"numbers in {', '.join(columns)}"
        raise InputError.one("these are not probabilities", expected=expected) from None
    if not (np.isfinite(values).all() and (values >= 0).all() and (values <= 1).all()):
        raise InputError.one("probabilities lie between 0 and 1", got=str(values.tolist()))
    return values
