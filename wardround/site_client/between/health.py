"""How the worker has fared over its last processes, on disk, so that the courier can say so while it is away."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.closed import Closed
from wardround.engine.basics.files import DamagedError, discard, read_checked
from wardround.federation.protocol import Count, RefusalCode
from wardround.site_client.between.socket import Fault
from wardround.site_client.between.two_users import write_handed_checked

STARTS_WITHOUT_WORK = 3
"""So many starts after which no work was finished, and the worker counts as one that ends again and again."""


class Health(Closed):
    """The worker's record.

    Attributes:
        starts: processes that began since work was last finished or a process ended as it was told.
        failures: failures of work in a row, over all processes.
        fault: the last of them.
    """

    starts: Count = 0
    failures: Annotated[int, Field(ge=0)] = 0
    fault: Fault | None = None


@dataclass(frozen=True)
class HealthFile:
    """The record in the work folder: written by the worker, read by the courier. Losing it costs nothing but counts."""

    work: Path

    def read(self) -> Health:
        """The record; a fresh one where there is none, or a damaged one."""
        try:
            return Health.model_validate_json(read_checked(self._path))
        except (FileNotFoundError, DamagedError, ValidationError):
            return Health()

    def started(self) -> None:
        """A process begins."""
        health = self.read()
        self._write(health.model_copy(update={"starts": health.starts + 1}))

    def failed(self, fault: Fault) -> int:
        """Work has failed; how often in a row by now."""
        health = self.read()
        failures = health.failures + 1
        self._write(health.model_copy(update={"failures": failures, "fault": fault}))
        return failures

    def well(self) -> None:
        """Work was finished, or the process ends as it was told."""
        if self.read() != Health():
            self._write(Health())

    def trouble(self) -> Fault | RefusalCode | None:
        """Why the worker is away, as far as its record says."""
        health = self.read()
        if health.fault is not None:
            return health.fault
        return RefusalCode.WORKER_FAILED if health.starts >= STARTS_WITHOUT_WORK else None

    def _write(self, health: Health) -> None:
        with contextlib.suppress(OSError):  # a full disk must not keep the worker from saying that it is full
            if self._path.is_dir():
                discard(self._path)
            write_handed_checked(self._path, canonical_model(health))

    @property
    def _path(self) -> Path:
        return self.work / "worker.health"
