"""Where the checkout is: for tests of files that lie outside the package."""

from __future__ import annotations

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
