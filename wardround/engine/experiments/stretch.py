"""What the leader of several processes tells the others to train next."""

from __future__ import annotations

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.closed import Closed

NO_STRETCH = b""
"""What it tells when a run is over."""


class Stretch(Closed):
    """Steps from `start` up to, not including, `stop`, at rates that are multiplied by `rate_scale`."""

    start: int
    stop: int
    rate_scale: float

    def to_bytes(self) -> bytes:
        """As it is told."""
        return canonical_model(self)
