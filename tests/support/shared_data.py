"""Where the folder of real images lies, for the tests that are marked `shared_data`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "WARDROUND_SHARED_DATA"


def shared_data() -> Path:
    """The folder of real images: `$WARDROUND_SHARED_DATA`, or `shared/data` beside the checkout. Skips without one."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    folder = Path(os.environ.get(VARIABLE, beside))
    if not folder.is_dir():
        pytest.skip(f"no folder of real images at {folder}; set {VARIABLE}")
    return folder
