"""Global models and strategies' states as packed arrays, each in a file named by the SHA-256 of its bytes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.files import map_file, require_space
from wardround.engine.basics.problems import InputError
from wardround.federation.envelope import Payload
from wardround.federation.packing import packed_digest, packed_size, write_packed
from wardround.federation.payload import payload_digest, unpack_kept
from wardround.federation.strategies.protocol import Arrays

_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class ArrayStore:
    """Packed arrays under `root`, by digest."""

    root: Path

    def put(self, arrays: Arrays) -> str:
        """Keep arrays durably and return their digest. Equal arrays are kept once."""
        digest = packed_digest(arrays)
        path = self.path(digest)
        if not path.exists():
            require_space(self.root, packed_size(arrays), "the global model")
            write_packed(path, arrays)
        return digest

    def read(self, digest: str) -> Payload:
        """The packed bytes, mapped from their file. Raises `InputError` when they are missing or damaged."""
        path = self.path(digest)
        try:
            content = map_file(path)
        except OSError as error:
            raise _unusable(path, error.strerror or "") from None
        if payload_digest(content) != digest:
            raise _unusable(path, "other bytes than its name says")
        return content

    def get(self, digest: str) -> Arrays:
        """The arrays, mapped from their file. Raises `InputError` when they are missing or damaged."""
        return unpack_kept(self.read(digest))

    def size(self, digest: str) -> int:
        """Bytes of the packed arrays of a digest; 0 when they are not here."""
        path = self.path(digest)
        return path.stat().st_size if path.exists() else 0

    def restore(self, digest: str, arrays: Arrays) -> bool:
        """Write `arrays` in place of a file that is damaged; False, and nothing is done, when they are others."""
        if packed_digest(arrays) != digest:
            return False
        require_space(self.root, packed_size(arrays), "the global model")
        write_packed(self.path(digest), arrays)
        return True

    def prune(self, keep: Iterable[str]) -> None:
        """Remove all but the named ones."""
        kept = set(keep)
        for path in self.root.glob(f"*{_SUFFIX}"):
            if path.name.removesuffix(_SUFFIX) not in kept:
                path.unlink()

    def path(self, digest: str) -> Path:
        """Where the arrays of a digest lie."""
        return self.root / f"{digest}{_SUFFIX}"


def _unusable(path: Path, reason: str) -> InputError:
    return InputError.one(
        "a global model of the run cannot be used",
        where=str(path),
        got=reason,
        remedy="Restore the state folder from a copy, or begin again with an empty one",
    )
