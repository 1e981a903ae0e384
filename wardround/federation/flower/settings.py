"""Flower reads its settings from the environment when it is imported. This module sets them before that happens."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from pathlib import Path
from types import MappingProxyType

from wardround.engine.basics.printable import PrintableFormatter

DEFAULT_CHUNK_BYTES = 512 * 1024
"""Size of one object on the wire. Passes at 1 Mbit/s; take 256 KiB at 256 kbit/s."""

_CHUNK_VARIABLE = "FLWR_PRIVATE_MAX_ARRAY_CHUNK_SIZE"
_PRIVACY = MappingProxyType({"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1"})


def prepare(home: Path, chunk_bytes: int = DEFAULT_CHUNK_BYTES) -> None:
    """Fix Flower's settings for this process: no telemetry, no update check, a private home folder.

    Args:
        home: folder that Flower may use for itself; never the user's home folder.
        chunk_bytes: largest object on the wire, in bytes.

    Raises:
        RuntimeError: Flower was imported before with other settings, so these could not take effect.
        ValueError: `chunk_bytes` is not between 4 KiB and 4 MiB.
    """
    if not 4096 <= chunk_bytes <= 4 * 1024 * 1024:
        raise ValueError(f"chunk_bytes: got {chunk_bytes}, expected 4096 to 4194304 bytes")
    wanted = {**_PRIVACY, "FLWR_HOME": str(home.resolve()), _CHUNK_VARIABLE: str(chunk_bytes)}
    differing = [name for name, value in wanted.items() if os.environ.get(name) != value]
    if differing and "flwr" in sys.modules:
        raise RuntimeError(
            f"Flower's settings {', '.join(differing)} were changed after Flower was imported. "
            "Call settings.prepare() once, at the start of the process."
        )
    os.environ.update(wanted)


def chunk_bytes() -> int:
    """Largest object on the wire, in bytes, as `prepare` or `ensure` has fixed it."""
    return int(os.environ.get(_CHUNK_VARIABLE, DEFAULT_CHUNK_BYTES))


def ensure() -> None:
    """Give Flower safe settings where `prepare` has not: its home is then a fresh temporary folder. Quiet its log.

    Flower's own log lines below ERROR are dropped: what matters is reported as events. The others are made printable.
    """
    os.environ.update(_PRIVACY)
    if "FLWR_HOME" not in os.environ:
        os.environ["FLWR_HOME"] = tempfile.mkdtemp(prefix="wardround-flower-")
    os.environ.setdefault(_CHUNK_VARIABLE, str(DEFAULT_CHUNK_BYTES))
    import flwr.supercore  # noqa: F401  (creates Flower's logger and sets its level, so it must come first)

    flower = logging.getLogger("flwr")
    flower.setLevel(logging.ERROR)
    for handler in flower.handlers:
        handler.setFormatter(PrintableFormatter())
