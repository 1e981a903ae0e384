"""`site-client courier` on a machine whose clock is some seconds ahead: `... late_courier SECONDS CONFIG`."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from wardround.engine.cli.runner import run
from wardround.site_client.agreement.settings import load_settings
from wardround.site_client.cli import app


def main() -> int:
    """Shift the two clocks that a courier reads, then run it."""
    ahead, config = float(sys.argv[1]), sys.argv[2]
    from wardround.federation.flower import settings

    settings.prepare(load_settings(Path(config)).work / "transport")  # as the courier will, before Flower is imported
    from wardround.federation.flower import signing
    from wardround.federation.flower.node import probe

    signing._milliseconds = lambda: int((time.time() + ahead) * 1000)
    probe._local_time = lambda: time.time() + ahead
    return run(app, ["courier", "--config", config])


if __name__ == "__main__":
    sys.exit(main())
