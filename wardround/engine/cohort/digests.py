"""Content names of cases and cohorts: equal bytes have equal names, whatever the files are called."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from pydantic import JsonValue

from wardround.engine.basics.canonical import canonical_json, file_sha256, sha256_hex
from wardround.engine.cohort.models import Case


def case_digest(case: Case, digest_file: Callable[[Path], str] = file_sha256) -> str:
    """SHA-256 that names a case by the bytes of its channels and its truth, in their roles, its value and its columns.

    Subject, patient, file names and place in the manifest play no part. `digest_file` may be a cached form of
    `file_sha256`, or one that names a folder by the bytes of a series in it.
    """
    content: dict[str, JsonValue] = {
        "channels": [digest_file(channel) for channel in case.channels],
        "label": None if case.label is None else digest_file(case.label),
        "value": case.value,
    }
    columns: dict[str, JsonValue] = {"columns": [*case.columns]} if case.columns else {}
    targets: dict[str, JsonValue] = {"targets": [*map(digest_file, case.targets)]} if case.targets else {}
    return sha256_hex(canonical_json({**content, **columns, **targets}))


def cohort_digest(digests: Iterable[str]) -> str:
    """SHA-256 that names a cohort by its cases' digests, in whatever order they come."""
    return sha256_hex(canonical_json([*sorted(digests)]))
