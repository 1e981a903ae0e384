"""`site-client` whose worker meets the troubles that stand in `trouble.json`: `... unlucky_site CONFIG`.

The supervisor, the courier and all of the worker but its training are those of every site.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from wardround.engine.cli.runner import run
from wardround.lab.processes import module_command
from wardround.site_client import supervisor
from wardround.site_client.agreement.agreement import Agreement, load_agreement
from wardround.site_client.agreement.settings import SiteSettings, load_settings
from wardround.site_client.cli import app
from wardround.site_client.events import EventLog, Role
from wardround.site_client.processes import only_one, stopping
from wardround.site_client.worker.engine import HaltedError, Trained, TrainingJob, WarmEngine, Watch
from wardround.site_client.worker.process import run_worker

Troubles = Mapping[str, tuple[str, int]]
"""For a round: which trouble, and how many times."""


def trouble_file(site_folder: Path) -> Path:
    """Where a site's troubles are written down."""
    return site_folder / "trouble.json"


def write_troubles(site_folder: Path, troubles: Troubles) -> None:
    """Let a site meet these troubles from now on, and no others."""
    waiting = trouble_file(site_folder).with_suffix(".new")
    waiting.write_text(json.dumps(troubles))
    waiting.replace(trouble_file(site_folder))


class UnluckyEngine(WarmEngine):
    """Trains as it should, unless a trouble is due."""

    site_folder: Path
    local_steps: int

    def train(self, job: TrainingJob, watch: Watch) -> Trained:
        """The update; or the trouble of the round."""
        number = str(job.start // self.local_steps + 1)
        while self._is_held(number):
            if watch.halt():
                raise HaltedError("halted")
            time.sleep(0.05)
        self._meet(number)
        return super().train(job, watch)

    def _is_held(self, number: str) -> bool:
        return self._read().get(number, ("", 0))[0] == "hold"

    def _meet(self, number: str) -> None:
        troubles = self._read()
        kind, times = troubles.get(number, ("", 0))
        if times <= 0:
            return
        write_troubles(self.site_folder, {**troubles, number: (kind, times - 1)})
        if kind == "device":
            raise RuntimeError("CUDA error: an illegal memory access was encountered (of patient Doe)")
        if kind == "memory":
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB for patient Doe")
        os._exit(9)

    def _read(self) -> Troubles:
        path = trouble_file(self.site_folder)
        return json.loads(path.read_text()) if path.exists() else {}


def open_engine(settings: SiteSettings, agreement: Agreement) -> UnluckyEngine:
    """The engine on the site's own cohort."""
    engine = UnluckyEngine.open(settings, agreement)
    assert isinstance(engine, UnluckyEngine)
    engine.site_folder = settings.accepted.parent
    engine.local_steps = agreement.plan.horizon.local_steps
    return engine


def work(config: Path) -> int:
    """The worker, until it is told to end or needs a fresh process."""
    settings = load_settings(config)
    with only_one(settings.work, Role.WORKER), stopping(follow_parent=True) as stop:
        log = EventLog(settings.work, Role.WORKER)
        return run_worker(settings, load_agreement(settings.accepted), log, stop, open_engine)


def main() -> int:
    """The site, or its worker with `worker` before the site file."""
    if sys.argv[1] == "worker":
        return work(Path(sys.argv[2]))
    usual = supervisor._command

    def command(role: Role, config: Path) -> tuple[str, ...]:
        if role is not Role.WORKER:
            return usual(role, config)
        return module_command("tests.end_to_end.unlucky_site", "worker", config.resolve())

    supervisor._command = command
    return run(app, ["--config", sys.argv[1]])


if __name__ == "__main__":
    sys.exit(main())
