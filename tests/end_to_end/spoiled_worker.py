"""`site-client worker` whose engine gives numbers that are none: `... spoiled_worker CONFIG`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from wardround.site_client.agreement.agreement import Agreement, load_agreement
from wardround.site_client.agreement.settings import SiteSettings, load_settings
from wardround.site_client.events import EventLog, Role
from wardround.site_client.processes import on_duty
from wardround.site_client.worker.engine import Trained, TrainingJob, WarmEngine, Watch
from wardround.site_client.worker.process import run_worker


class SpoiledEngine(WarmEngine):
    """Trains as it should, then puts NaN into the first tensor."""

    def train(self, job: TrainingJob, watch: Watch) -> Trained:
        """The update with one tensor that is not a number."""
        trained = super().train(job, watch)
        name, array = next((name, array) for name, array in trained.model.items() if array.dtype == np.float32)
        return replace(trained, model={**trained.model, name: np.full_like(array, np.nan)})


def open_engine(settings: SiteSettings, agreement: Agreement) -> SpoiledEngine:
    """The spoiled engine on the site's own cohort."""
    engine = SpoiledEngine.open(settings, agreement)
    assert isinstance(engine, SpoiledEngine)
    return engine


def main() -> None:
    """Run the worker until SIGTERM."""
    settings = load_settings(Path(sys.argv[1]))
    with on_duty(settings.work, Role.WORKER) as stop:
        log = EventLog(settings.work, Role.WORKER)
        run_worker(settings, load_agreement(settings.accepted), log, stop, open_engine)


if __name__ == "__main__":
    main()
