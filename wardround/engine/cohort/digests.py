"""Content names of cases and cohorts: equal bytes have equal names, whatever the files are called."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import JsonValue

from wardround.engine.basics.canonical import canonical_json, file_sha256, sha256_hex
from wardround.engine.cohort.models import Case

_DETACHED = re.compile(r"^(?:ElementDataFile\s*=|data file:)\s*(\S.*?)\s*$", re.MULTILINE | re.IGNORECASE)
_IN_THE_SAME_FILE = "LOCAL"


def source_files(path: Path) -> tuple[Path, ...]:
    """The files that hold an image: one, or two where a header (`.mhd`, `.nhdr`, `.hdr`) stands beside the voxels."""
    suffix = path.suffix.lower()
    if suffix == ".hdr":
        return (path, path.with_suffix(".img"))
    if suffix in (".mhd", ".nhdr"):
        named = _DETACHED.findall(path.read_text(encoding="latin-1"))
        return (path, *(path.parent / name for name in named if name != _IN_THE_SAME_FILE))
    return (path,)


def source_sha256(path: Path) -> str:
    """SHA-256 of an image's bytes, its detached voxels included."""
    parts = [file_sha256(part) for part in source_files(path)]
    return parts[0] if len(parts) == 1 else sha256_hex(canonical_json([*parts]))


def case_digest(case: Case, digest_file: Callable[[Path], str] = source_sha256) -> str:
    """SHA-256 that names a case by the bytes of its channels and label, in their roles, and its value.

    Subject, patient, file names and place in the manifest play no part. `digest_file` may be a cached form of
    `source_sha256`.
    """
    content: JsonValue = {
        "channels": [digest_file(channel) for channel in case.channels],
        "label": None if case.label is None else digest_file(case.label),
        "value": case.value,
    }
    return sha256_hex(canonical_json(content))


def cohort_digest(digests: Iterable[str]) -> str:
    """SHA-256 that names a cohort by its cases' digests, in whatever order they come."""
    return sha256_hex(canonical_json([*sorted(digests)]))
