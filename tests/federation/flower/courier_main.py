"""A courier as a process, for tests that kill it: `courier_main PORT CA KEY`. The body `slow` takes it 1.5 s."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tests.federation.flower.world import echo
from wardround.federation.envelope import Envelope
from wardround.federation.flower.node.node import serve


def answer(envelope: Envelope) -> Envelope:
    """Echo; slowly when asked to."""
    if envelope.body == b"slow":
        time.sleep(1.5)
    return echo(envelope)


def main(port: str, ca: str, key: str) -> None:
    """Serve until killed. Fails if torch was imported on the way."""
    private = cast(EllipticCurvePrivateKey, load_pem_private_key(Path(key).read_bytes(), None))
    assert "torch" not in sys.modules, "the courier must not import torch"
    serve(
        address=f"127.0.0.1:{port}",
        ca=Path(ca).read_bytes(),
        key=private,
        handler=answer,
        stop=threading.Event(),
        poll_seconds=0.1,
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
