"""Runs kept by MLflow: on the server that `MLFLOW_TRACKING_URI` names, else in `mlflow.db` in the training's folder."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from wardround.engine.experiments.tracking.tracker import Described, Ending, Scalars, SettingValue, TrackedRun

DATABASE = "mlflow.db"
_LOSS = "train/loss"
"""What every row has, written last: a step that has it has all."""
_STATUS = {Ending.FINISHED: "FINISHED", Ending.STOPPED: "KILLED", Ending.FAILED: "FAILED"}
_RUNNING = "RUNNING"
_MOST_SETTINGS, _MOST_METRICS = 100, 1000
"""What MLflow takes at once."""
_SPELT = {"&": "and", "+": "plus"}
_REFUSED = re.compile(r"[^/\w.\- :]")

# MLflow is set up by its environment alone. A person's own settings stay as they are; without them it would send its
# makers that it is used, print links where results go, and keep a training waiting for minutes for a server that is
# gone.
_MANNERS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}


class MLflowTracker:
    """MLflow's tracking, by its client: the module-level functions would add the user, the program and its folder."""

    def __init__(self, folder: Path) -> None:
        for name, value in _MANNERS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        given = os.environ.get("MLFLOW_TRACKING_URI")
        self._client: Any = MlflowClient(given or _database(folder))

    def ready(self, project: str) -> None:
        """Make the experiment, which the runs of all folds share."""
        self._experiment(project)

    def open(self, described: Described, known: str | None) -> TrackedRun:
        """A run with the settings as its parameters and the digests as its tags."""
        if known is not None:
            self._client.update_run(known, status=_RUNNING)
            return MLflowRun(self._client, known)
        tags = {f"wardround.{name}": digest for name, digest in described.digests.items()}
        made = self._client.create_run(self._experiment(described.project), tags=tags, run_name=described.name)
        for some in _portions(described.settings):
            self._client.log_batch(made.info.run_id, params=_parameters(some))
        return MLflowRun(self._client, made.info.run_id)

    def _experiment(self, project: str) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or project
        found = self._client.get_experiment_by_name(name)
        return str(self._client.create_experiment(name) if found is None else found.experiment_id)


class MLflowRun:
    """One run of MLflow's."""

    def __init__(self, client: Any, run: str) -> None:
        self._client, self._run = client, run
        self._is_sure = True

    @property
    def id(self) -> str:
        """MLflow's own."""
        return self._run

    @property
    def last_step(self) -> int:
        """By the history of the loss."""
        return max((each.step for each in self._client.get_metric_history(self._run, _LOSS)), default=0)

    def add(self, step: int, scalars: Scalars) -> None:
        """Log all at once. After a failure nobody knows what has arrived, and values that are told twice stand twice:
        MLflow is asked first."""
        if not self._is_sure and self.last_step >= step:
            return
        self._is_sure = False
        self._log(step, scalars)
        self._is_sure = True

    def conclude(self, step: int, scalars: Scalars) -> None:
        """Log the scores as of the last step."""
        self._log(step, scalars)

    def close(self, ending: Ending) -> None:
        """Set the run's status."""
        self._client.set_terminated(self._run, _STATUS[ending])

    def _log(self, step: int, scalars: Scalars) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        last_is_loss = sorted(scalars.items(), key=lambda pair: pair[0] == _LOSS)
        found = [Metric(metric_name(name), value, now, step) for name, value in last_is_loss]
        for start in range(0, len(found), _MOST_METRICS):
            self._client.log_batch(self._run, metrics=found[start : start + _MOST_METRICS])


def metric_name(name: str) -> str:
    """A name as MLflow takes it: of what it refuses, `&` and `+` are spelt out, the rest is `_`."""
    for sign, word in _SPELT.items():
        name = name.replace(sign, word)
    return _REFUSED.sub("_", name)


def _database(folder: Path) -> str:
    """The address of a database in a folder, whatever characters its path has."""
    from sqlalchemy import URL

    folder.mkdir(parents=True, exist_ok=True)
    return URL.create("sqlite", database=str(folder.resolve() / DATABASE)).render_as_string()


def _portions(settings: Mapping[str, SettingValue]) -> Iterator[Sequence[tuple[str, SettingValue]]]:
    left = iter(settings.items())
    while some := [*islice(left, _MOST_SETTINGS)]:
        yield some


def _parameters(settings: Sequence[tuple[str, SettingValue]]) -> list[Any]:
    from mlflow.entities import Param

    return [Param(name, str(value)) for name, value in settings]
