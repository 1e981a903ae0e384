"""What a training is told to do, and what it shows people; typed, so that another process can be given it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pydantic import TypeAdapter

from wardround.engine.basics.problems import InputError
from wardround.engine.cohort import Folds
from wardround.engine.experiments.fit import RunResult
from wardround.engine.experiments.folds import Leaderboard
from wardround.engine.experiments.start import Start
from wardround.engine.experiments.tracking.following import Tracking
from wardround.engine.experiments.workbench import Workbench
from wardround.engine.inspection.assets import require_assets
from wardround.engine.study import Study


@dataclass(frozen=True)
class Order:
    """What is to be trained, on what, and where.

    Attributes:
        study: the study.
        study_file: where it was read from, for problems to name.
        manifest: the CSV with one row per case.
        out: the run's folder.
        work: where preprocessed cases are kept; the run's folder where it is None.
        folds: an outer fold's number, all of them, or nested.
        device: auto, cpu, cuda or cuda:N.
        threads: CPU threads; None for all that the machine has.
        store_limit: bytes that preprocessed cases may take.
        start_from: a model folder whose weights it begins with; None for random ones, or those of the study's asset.
        assets: where the files lie that the study needs, by their names.
        track: the trackers that are told how the training goes; they are installed.
    """

    study: Study
    study_file: Path
    manifest: Path
    out: Path
    work: Path | None = None
    folds: Folds | int = 0
    device: str = "auto"
    threads: int | None = None
    store_limit: int | None = None
    start_from: Path | None = None
    assets: Mapping[str, Path] = field(default_factory=dict)
    track: tuple[str, ...] = ()

    @property
    def tracking(self) -> Tracking:
        """The trackers, which keep their files in the run's folder."""
        return Tracking(self.track, self.out)

    def start(self) -> Start | None:
        """What the networks begin with: a model folder, an asset of the study, or None for random weights.

        Raises `InputError` for both, for assets that are not there, and for weights that do not fit.
        """
        require_assets(self.study, self.assets)
        asset = self.study.training.start
        if self.start_from is None:
            return None if asset is None else Start.of_asset(self.assets[asset.asset], self.study)
        if asset is not None:
            raise InputError.one(
                "the study says already what the training starts from",
                where="--start-from",
                got=f"{self.start_from}, and the asset {asset.asset!r} in the study",
                expected="one of them",
                remedy="Leave --start-from out, or take `start` out of the study",
            )
        return Start.of(self.start_from, self.study)


class Pages(Protocol):
    """Makes what people look at."""

    def require_own(self, out: Path) -> None:
        """Raise `InputError` where the pages that compare splits would replace something else."""

    def of_run(self, workbench: Workbench, result: RunResult, name: str) -> Path:
        """Write the page of one split's run."""

    def of_splits(self, workbench: Workbench, board: Leaderboard, out: Path) -> Path:
        """Write the page that compares splits."""


@dataclass(frozen=True)
class SplitOrder:
    """What a process is told that trains one split of a run, whose cases are prepared and whose sets are written.

    Attributes:
        order: that of the run, with this process's own device and threads.
        name: the split's.
        sharing: how many processes share the memory of this machine.
        is_verbose: whether its log tells every step.
    """

    order: Order
    name: str
    sharing: int
    is_verbose: bool

    def to_json(self) -> bytes:
        """On one line."""
        return _SPLIT_ORDER.dump_json(self, by_alias=True)

    @classmethod
    def from_json(cls, line: bytes) -> SplitOrder:
        """What `to_json` wrote."""
        return _SPLIT_ORDER.validate_json(line)


_SPLIT_ORDER = TypeAdapter(SplitOrder)
