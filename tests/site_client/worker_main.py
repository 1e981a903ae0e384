"""A worker process with the fake engine, slow enough to be killed between two steps: `worker_main.py site.yaml`."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from tests.site_client.support import FakeEngine
from wardround.site_client.agreement.agreement import Agreement, load_agreement
from wardround.site_client.agreement.settings import SiteSettings, load_settings
from wardround.site_client.events import EventLog, Role
from wardround.site_client.processes import on_duty
from wardround.site_client.worker.engine import Trained, TrainingJob, Watch
from wardround.site_client.worker.process import run_worker


class SlowEngine(FakeEngine):
    """A fake engine that takes a while after each checkpoint."""

    def train(self, job: TrainingJob, watch: Watch) -> Trained:
        """Train slowly."""

        def pause(step: int) -> None:
            watch.on_checkpoint(step)
            time.sleep(0.3)

        return super().train(job, Watch(watch.on_step, pause, watch.halt))


def _open(settings: SiteSettings, agreement: Agreement) -> SlowEngine:
    return SlowEngine()


def main() -> None:
    """Run until SIGTERM."""
    settings = load_settings(Path(sys.argv[1]))
    log = EventLog(settings.work, Role.WORKER)
    with on_duty(settings.work, Role.WORKER) as stop:
        run_worker(settings, load_agreement(settings.accepted), log, stop, _open)
    assert threading.active_count() >= 1


if __name__ == "__main__":
    main()
