"""What no section of a study can see alone: whether its parts serve its task, and what they say of the rest of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts import BreachError, Kind, Parameters, builtin_and_plugins
from wardround.engine.parts.axes import per_axis
from wardround.engine.parts.setting import Setting
from wardround.engine.study.part_names import PlacedUse


def inconsistencies(parts: Sequence[PlacedUse], setting: Setting) -> Iterator[Flaw]:
    """Everything in a study of sound sections that does not fit its parts; `setting` is what they may ask of it."""
    yield from _tasks(parts, setting.task)
    yield from per_axis(replace(setting, place=("patches", "size")), setting.patch)
    for part in parts:
        # Which package one is of that cannot answer is told at once: the study has no fault that could be told with it.
        yield from part.use.ask(part.kind, partial(_told, replace(setting, place=part.place)))


def _tasks(parts: Sequence[PlacedUse], task: str) -> Iterator[Flaw]:
    row = builtin_and_plugins().find(Kind.TASK, task)
    lent = row.tasks | {row.name}
    for part in parts:
        kind, name, tasks = part.kind, part.use.name, part.use.part(part.kind).tasks
        if tasks and not tasks & lent:
            served = ", ".join(sorted(tasks))
            known = [each.name for each in builtin_and_plugins().parts(kind) if any(map(each.serves, lent))]
            what, expected = f"the {kind} {name!r} serves {served} only", f"one for {task}"
            yield Flaw(part.place, what, f"`{name}`", expected, remedy=f"Write one of {', '.join(known)}")


def _told(setting: Setting, parameters: Parameters) -> tuple[Flaw, ...]:
    flaws = tuple(parameters.flaws(setting))
    strangers: list[object] = [each for each in flaws if not isinstance(each, Flaw)]
    if strangers:
        raise BreachError(f"a {type(strangers[0]).__name__} among its flaws", "a Flaw")
    return flaws
