"""From a study to its task."""

from __future__ import annotations

from wardround.engine.parts import BreachError, Kind, answering, builtin_and_plugins
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.engine.study import Study
from wardround.engine.tasks.task import Task


def build_task(study: Study, state: FittedState = EMPTY) -> Task:
    """The study's task, with what was fitted to its training cases.

    Raises `InputError` that names the package of one that cannot be built.
    """
    part = builtin_and_plugins().find(Kind.TASK, study.task)
    found: object = part.make(study, state)
    with answering(part.owner):
        if not isinstance(found, Task):
            raise BreachError(f"a {type(found).__name__}", "a Task")
    return found
