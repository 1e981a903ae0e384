"""The constant bundle that a run must name, because Flower wants every run to have one.

It holds one text file and no code. Sites never fetch, unpack or run a bundle: they only compare the hash that a run
names with `STUB_SHA256` and refuse everything else. The zip is written without compression and with fixed time
stamps, so its bytes do not depend on the machine.
"""

from __future__ import annotations

import io
import zipfile

STUB_SHA256 = "f2b5371afb6b924813b43ff1dd49d3f8e2baeafbae2ec28c6af90800a4df2ad5"
"""SHA-256 of `stub_bundle()`, published so that anyone can compare."""

_NAME = "README.txt"
_TEXT = b"Wardround runs no code from bundles. This file stands in for one.\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3


def stub_bundle() -> bytes:
    """The bytes of the bundle, the same on every machine."""
    entry = zipfile.ZipInfo(_NAME, date_time=_EPOCH)
    entry.compress_type = zipfile.ZIP_STORED
    entry.create_system = _UNIX
    entry.external_attr = 0o444 << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression=zipfile.ZIP_STORED) as archive:
        archive.writestr(entry, _TEXT)
    return buffer.getvalue()
