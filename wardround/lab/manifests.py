"""Write manifests."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from wardround.engine.basics.files import write_atomic


def write_manifest(path: Path, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Path:
    """Write a manifest as CSV, atomically; returns its path."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_atomic(path, text.getvalue().encode())
    return path
