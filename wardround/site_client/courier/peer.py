"""What the aggregator can do beyond the first protocol, as it said at its last hello."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.closed import Closed
from wardround.engine.basics.files import DamagedError, discard, read_checked, write_checked
from wardround.federation.protocol import Features


class _Peer(Closed):
    features: Features = ()


@dataclass(frozen=True)
class PeerFile:
    """The note in the work folder. Without it the aggregator is one of the first release until its next hello."""

    work: Path

    def features(self) -> tuple[str, ...]:
        """What the aggregator named."""
        try:
            return _Peer.model_validate_json(read_checked(self._path)).features
        except (FileNotFoundError, DamagedError, ValidationError):
            return ()

    def note(self, features: tuple[str, ...]) -> None:
        """Keep what a hello named."""
        if self.features() != features:
            discard(self._path)
            write_checked(self._path, canonical_model(_Peer(features=features)))

    @property
    def _path(self) -> Path:
        return self.work / "aggregator.features"
