"""One byte form for structured data, so that equal content has an equal digest on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, JsonValue


def canonical_json(value: JsonValue) -> bytes:
    """UTF-8 JSON with sorted keys and no spaces. Raises ValueError on NaN and infinities."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def canonical_model(model: BaseModel) -> bytes:
    """The canonical JSON of a typed model, defaults filled in."""
    return canonical_json(model.model_dump(mode="json", by_alias=True))


def sha256_hex(content: bytes | memoryview) -> str:
    """SHA-256 as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def sha256_of(parts: Iterable[bytes | memoryview]) -> str:
    """SHA-256 of parts that follow one another, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def digest_of(model: BaseModel) -> str:
    """SHA-256 of a model's canonical JSON."""
    return sha256_hex(canonical_model(model))


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in blocks."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
