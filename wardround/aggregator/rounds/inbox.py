"""One site's place in a round: what it was asked, and the reply that came, byte for byte as it was signed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from wardround.aggregator.rounds.records import Asked, read_record, write_record
from wardround.engine.basics.files import map_file, require_space, write_atomic
from wardround.federation.envelope import Envelope

_BODY, _SIGNATURE, _UPDATE = "body.json", "signature", "update.safetensors"


@dataclass(frozen=True)
class Inbox:
    """The inbox of one site in one round. A reply counts once its body is there; the body is written last."""

    folder: Path

    def asked(self) -> Asked | None:
        """What the site was asked, if it was."""
        return read_record(self.folder / "asked.json", Asked)

    def ask(self, asked: Asked) -> None:
        """Write down what the site is about to be asked."""
        if self.asked() != asked:
            write_record(self.folder / "asked.json", asked)

    def has_reply(self) -> bool:
        """Whether a whole reply is here."""
        return (self._reply / _BODY).exists()

    def put(self, envelope: Envelope) -> None:
        """Keep a reply durably."""
        require_space(self.folder, len(envelope.payload), f"the reply of {self.folder.name}")
        write_atomic(self._reply / _UPDATE, envelope.payload)
        write_atomic(self._reply / _SIGNATURE, envelope.signature)
        write_atomic(self._reply / _BODY, envelope.body)

    def get(self) -> Envelope:
        """The reply as it came. Raises FileNotFoundError when there is none, or its update was let go."""
        return Envelope(
            (self._reply / _BODY).read_bytes(),
            (self._reply / _SIGNATURE).read_bytes(),
            map_file(self._reply / _UPDATE),
        )

    def discard(self) -> None:
        """Forget a reply that cannot be used, so that the site is asked for it again."""
        (self._reply / _BODY).unlink(missing_ok=True)
        if self._reply.exists():
            shutil.rmtree(self._reply)

    def forget(self) -> None:
        """Forget what the site was asked, and its reply."""
        self.discard()
        (self.folder / "asked.json").unlink(missing_ok=True)

    def let_go(self) -> None:
        """Remove the update, which is folded; what the site signed stays."""
        (self._reply / _UPDATE).unlink(missing_ok=True)

    @property
    def _reply(self) -> Path:
        return self.folder / "reply"
