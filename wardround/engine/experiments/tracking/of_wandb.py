"""Runs kept by Weights & Biases: in `wandb` in the training's folder, or, if `WANDB_MODE` is `online`, on its server.

What lies in the folder is sent by `wandb sync` when a person wants it.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

from wardround.engine.experiments.tracking.tracker import Described, Ending, Scalars, TrackedRun

_OFFLINE, _ONLINE = "offline", "online"
_WITHHELD = "withheld"
_ERROR_REPORTS = "WANDB_ERROR_REPORTING"
_SECONDS = 60.0
"""How long a training may wait for the server, at its beginning and at its end."""


class WandbTracker:
    """Weights & Biases with all that it would find out by itself switched off: user, machine, command line, folders,
    installed packages, code and printed lines."""

    def __init__(self, folder: Path) -> None:
        os.environ.setdefault(_ERROR_REPORTS, "false")  # reports of its own faults go to its makers
        self._folder = Path(os.environ.get("WANDB_DIR") or folder)
        self._mode = os.environ.get("WANDB_MODE") or _OFFLINE

    def ready(self, project: str) -> None:
        """Its settings are right; where it is online, its server knows this user."""
        import wandb

        self._settings()
        if self._mode == _ONLINE:
            wandb.login(verify=True)

    def open(self, described: Described, known: str | None) -> TrackedRun:
        """A run with the settings and the digests as its configuration."""
        import wandb

        name = known or secrets.token_hex(8)
        config = {**described.settings, **{f"digest.{name}": each for name, each in described.digests.items()}}
        run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or described.project,
            name=described.name,
            id=name,
            resume="allow",
            config=config,
            reinit="create_new",
            settings=self._settings(),
        )
        return WandbRun(run, name)

    def _settings(self) -> Any:
        import wandb

        self._folder.mkdir(parents=True, exist_ok=True)
        return wandb.Settings(
            mode=self._mode,
            root_dir=str(self._folder),
            init_timeout=_SECONDS,
            finish_timeout=_SECONDS,
            finish_timeout_raises=True,
            host=_WITHHELD,  # what is left open it finds out
            username=_WITHHELD,
            email=_WITHHELD,
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            disable_job_creation=True,
            save_code=False,
            x_disable_meta=True,
            x_disable_stats=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
        )


class WandbRun:
    """One run of Weights & Biases'."""

    def __init__(self, run: Any, name: str) -> None:
        self._run, self._name = run, name

    @property
    def id(self) -> str:
        """Drawn here."""
        return self._name

    @property
    def last_step(self) -> int:
        """What the server says; a run that lies in the folder does not know what was added before."""
        return max(int(self._run.step) - 1, 0)

    def add(self, step: int, scalars: Scalars) -> None:
        """Log all at once, and as done: a step is kept back until one follows it, or it is committed."""
        self._run.log(dict(scalars), step=step, commit=True)

    def conclude(self, step: int, scalars: Scalars) -> None:
        """In the run's summary."""
        self._run.summary.update(dict(scalars))

    def close(self, ending: Ending) -> None:
        """Wait until all is sent or written."""
        self._run.finish(exit_code=0 if ending is Ending.FINISHED else 1)
