"""From a study to its kind of truth."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from wardround.engine.parts import BreachError, Kind, answering, builtin_and_plugins
from wardround.engine.study.models import Study
from wardround.engine.study.truths import truth_of_task
from wardround.engine.targets.target import RowTarget, Target


def target_of(study: Study) -> Target:
    """The kind of truth of a study's task, which answers as `truth_of_task` says. Raises as that does."""
    found: object = truth_of_task(study.task)
    with answering(builtin_and_plugins().find(Kind.TASK, study.task).owner):
        if not isinstance(found, Target):
            raise BreachError(f"a {type(found).__name__} as its kind of truth", "a Target")
    return found


def strata_of(study: Study, values: Sequence[str | None]) -> list[str]:
    """A stratum for each of these values of cases (`Target.strata`). Raises as `target_of`."""
    found = target_of(study).strata(values)
    with answering(builtin_and_plugins().find(Kind.TASK, study.task).owner):
        if len(found) != len(values):
            raise BreachError(f"{len(found)} strata of {len(values)} cases", "one for each")
    return found


def loaded(study: Study, address: str) -> Any:
    """What a study's kind of truth names as `module:attribute` in a room above. Raises as `target_of`."""
    module, _, attribute = address.partition(":")
    with answering(builtin_and_plugins().find(Kind.TASK, study.task).owner):
        return getattr(import_module(module), attribute)


def row_target_of(study: Study) -> RowTarget:
    """That of a study whose predictions are rows of a table; ValueError for any other."""
    found = target_of(study)
    if not isinstance(found, RowTarget):
        raise ValueError(f"predictions of a {study.task} are no rows of a table")
    return found
