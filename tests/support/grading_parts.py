"""An installed package with a task of its own: grades that a table writes as letters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from wardround.engine.parts import Kind, Parameters, Part, builtin_and_plugins
from wardround.engine.preprocessing.fitted import FittedState
from wardround.engine.study import Study
from wardround.engine.targets.category import VALUE, Category

LETTERS = "ABC"


class Grading(Parameters):
    """A grade for a case, written as a letter."""


class Grade(Category):
    """A class whose cells are letters: A is the first."""

    def value(self, study: Study, cells: Mapping[str, str]) -> str:
        """The number of the letter."""
        return super().value(study, {VALUE: str(LETTERS.find(cells[VALUE]))})


def build_task(study: Study, state: FittedState) -> Any:
    """What a classification does."""
    from wardround.engine.tasks.classification import ClassificationTask

    return ClassificationTask(study, state)


def build_nothing(study: Study, state: FittedState) -> Any:
    """No task."""
    return {"study": study}


GRADE = Grade()
NO_TRUTH = "a grade"
_HOME = "tests.support.grading_parts"
_LENT = frozenset({"classification"})
PARTS = (
    Part(Kind.TASK, "grading", Grading, f"{_HOME}:build_task", _LENT, truth=f"{_HOME}:GRADE"),
    Part(Kind.TASK, "guessing", Grading, f"{_HOME}:build_nothing", _LENT, truth=f"{_HOME}:GRADE"),
    Part(Kind.TASK, "knowing", Grading, f"{_HOME}:build_task", _LENT, truth=f"{_HOME}:NO_TRUTH"),
)


def install(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the package into this process, as pip would leave it in the folder `site`."""
    metadata = site / "my_grades-1.2.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-grades\nVersion: 1.2\n")
    (metadata / "entry_points.txt").write_text(f"[wardround.parts]\ngrades = {_HOME}:PARTS\n")
    monkeypatch.syspath_prepend(site)
    builtin_and_plugins.cache_clear()
