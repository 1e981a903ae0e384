"""Which trackers there are, what each needs, and how one is made. Loads none of their libraries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from wardround.engine.basics.problems import Findings, InputError, did_you_mean
from wardround.engine.experiments.tracking.tracker import Tracker

OPTION = "--track"


@dataclass(frozen=True)
class Known:
    """A tracker that can be asked for.

    Attributes:
        title: what its makers call it.
        needs: packages beyond Wardround's own, as they are imported.
        home: `module:class` of the `Tracker`.
    """

    title: str
    needs: tuple[str, ...]
    home: str

    def make(self, folder: Path) -> Tracker:
        """Of the training in a folder."""
        module, _, name = self.home.partition(":")
        return cast(Tracker, getattr(import_module(module), name)(folder))


_HERE = "wardround.engine.experiments.tracking"
TRACKERS: Mapping[str, Known] = {
    "mlflow": Known("MLflow", ("mlflow", "sqlalchemy", "alembic"), f"{_HERE}.of_mlflow:MLflowTracker"),
    "wandb": Known("Weights & Biases", ("wandb",), f"{_HERE}.of_wandb:WandbTracker"),
}
"""By the name that people write."""


def require_trackers(names: Sequence[str]) -> tuple[str, ...]:
    """The names, if each is known, stands once and can be imported. Raises `InputError` with all that are not."""
    findings = Findings()
    for place, name in enumerate(names):
        if name not in TRACKERS:
            expected, remedy = ", ".join(TRACKERS), did_you_mean(name, TRACKERS)
            findings.add("unknown tracker", where=OPTION, got=repr(name), expected=expected, remedy=remedy)
        elif name in names[:place]:
            findings.add("this tracker is asked for twice", where=OPTION, got=name, expected="each once")
        else:
            with findings.gather():
                _require_installed(name, TRACKERS[name])
    findings.raise_if_any()
    return tuple(names)


def _require_installed(name: str, tracker: Known) -> None:
    missing = [package for package in tracker.needs if find_spec(package) is None]
    if missing:
        raise InputError.one(
            f"{tracker.title} needs packages that are not installed",
            where=f"{OPTION} {name}",
            got=f"no {' and no '.join(missing)}",
            remedy=f'Install them with `pip install -c constraints.txt "wardround[{name}]"`',
        )
