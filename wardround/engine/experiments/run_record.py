"""What a run's folder and its model say of themselves: the record of what a run is, and how well its weights do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from wardround.engine.basics.closed import Added, Closed
from wardround.engine.basics.files import DamagedError, read_checked
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.releases import later_release
from wardround.engine.experiments.claims import RUN
from wardround.engine.experiments.models import METRICS
from wardround.engine.training import Machine


class RunRecord(Closed):
    """What a run folder holds, so that the same command goes on and another one is refused.

    `identity` covers study, cohort, split and steps. The machine is not part of it, but decides the last bits. `steps`
    has the versions of the steps of preprocessing; a record of 0.1.0 has none. `fitted` is the digest of what they
    learned from the training cases; empty where nothing is fitted. `start` is the digest of the weights of a model that
    it began with; empty where they were random.
    """

    identity: str
    study: str
    cohort: str
    total_steps: int
    validate_every: int
    machine: Machine
    steps: Annotated[dict[str, int], Added("0.2.0")] = Field(default_factory=dict)
    fitted: Annotated[str, Added("0.3.0")] = ""
    start: Annotated[str, Added("0.4.0")] = ""


class Scores(Closed):
    """Mean scores of a set of cases by name, and how many cases there were."""

    cases: int
    values: dict[str, float]


class Metrics(Closed):
    """`metrics.json` of a model folder: how well its weights do. Names neither subject nor path.

    `best_step` is that of the best validation. It is None where the selecting metric was undefined at all of them: then
    the weights are those of the last step, and `chosen` says so. `stopped` is the step after which the study's patience
    ended the run before its `total_steps`; None where all were made.
    """

    study: str
    best_step: int | None
    total_steps: int
    train_cases: int
    validation: Scores
    test: Scores | None
    machine: Machine
    chosen: Annotated[str, Added("0.2.0")] = ""
    stopped: Annotated[int | None, Added("0.4.0")] = None

    @property
    def which(self) -> str:
        """Which weights they are, for people."""
        return "best" if self.best_step is not None else "last"


def read_record(folder: Path) -> RunRecord:
    """The record of the run in a folder. Raises `InputError` where there is none that can be read."""
    path = folder / RUN
    with naming(path):
        return RunRecord.model_validate_json(read_checked(path))


def read_metrics(folder: Path) -> Metrics:
    """What the weights of a finished run are worth. Raises `InputError` where that cannot be read."""
    path = folder / "model" / METRICS
    with naming(path):
        return Metrics.model_validate_json(path.read_bytes())


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """What cannot be read in the block is said of this file of a run."""
    try:
        yield
    except (OSError, DamagedError, ValidationError) as error:
        raise later_release(error, path) or _damaged(path) from None


def _damaged(path: Path) -> InputError:
    return InputError.one(
        "this file of a run is damaged or of another kind",
        where=str(path),
        remedy="Restore it from a copy, or choose another folder. Whole weights in `model` can still be used",
    )
