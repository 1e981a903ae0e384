"""What no section of a study can see alone: classes and parts against the task, axes, patch against network."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from wardround.engine.parts import BreachError, Kind, Parameters, builtin_and_plugins
from wardround.engine.parts.axes import per_axis
from wardround.engine.parts.setting import Setting
from wardround.engine.study.expectations import Location
from wardround.engine.study.located_problems import Flaw
from wardround.engine.study.part_names import PartUse

if TYPE_CHECKING:
    from wardround.engine.study.models import Study


def inconsistencies(study: Study) -> Iterator[Flaw]:
    """Everything in a study of sound sections that does not fit together."""
    yield from study.truth.flaws(study)
    yield from _tasks(study)
    yield from _axes(study)
    yield from _of_parts(study)


def named_parts(study: Study) -> Iterator[tuple[Location, Kind, PartUse]]:
    """Every part that a study names, with the place where it does."""
    for index, use in enumerate(study.preprocessing):
        yield ("preprocessing", index, use.name), Kind.PREPROCESSING, use
    for index, use in enumerate(study.augmentation):
        yield ("augmentation", index, use.name), Kind.AUGMENTATION, use
    yield ("model",), Kind.NETWORK, study.model
    yield ("training", "loss"), Kind.LOSS, study.training.loss
    yield ("training", "optimizer"), Kind.OPTIMIZER, study.training.optimizer
    yield ("training", "schedule"), Kind.SCHEDULE, study.training.schedule
    for index, use in enumerate(study.validation.metrics):
        yield ("validation", "metrics", index), Kind.METRIC, use


def _tasks(study: Study) -> Iterator[Flaw]:
    row = builtin_and_plugins().find(Kind.TASK, study.task)
    lent = row.tasks | {row.name}
    for location, kind, use in named_parts(study):
        tasks = use.part(kind).tasks
        if tasks and not tasks & lent:
            served = ", ".join(sorted(tasks))
            known = [part.name for part in builtin_and_plugins().parts(kind) if any(map(part.serves, lent))]
            what, expected = f"the {kind} {use.name!r} serves {served} only", f"one for {study.task}"
            yield Flaw(location, what, f"`{use.name}`", expected, remedy=f"Write one of {', '.join(known)}")


def _axes(study: Study) -> Iterator[Flaw]:
    yield from per_axis(_setting(study, ("patches", "size")), study.patches.size)


def _of_parts(study: Study) -> Iterator[Flaw]:
    """What the parts themselves say; it is told at once of which package one is that cannot answer."""
    for location, kind, use in named_parts(study):
        yield from use.ask(kind, partial(_told, _setting(study, location)))


def _told(setting: Setting, parameters: Parameters) -> tuple[Flaw, ...]:
    flaws = tuple(parameters.flaws(setting))
    strangers: list[object] = [each for each in flaws if not isinstance(each, Flaw)]
    if strangers:
        raise BreachError(f"a {type(strangers[0]).__name__} among its flaws", "a Flaw")
    return flaws


def _setting(study: Study, place: Location) -> Setting:
    return Setting(
        place,
        study.task,
        study.dimensions,
        study.inputs,
        study.class_names,
        study.patches.size,
        study.training.batch_size,
    )
