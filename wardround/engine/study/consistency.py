"""What no section of a study can see alone: whether its parts serve its task, and what they say of the rest of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts import BreachError, Kind, Parameters, builtin_and_plugins
from wardround.engine.parts.answers import require_attributes
from wardround.engine.parts.augmentation import transform_of
from wardround.engine.parts.axes import per_axis
from wardround.engine.parts.networks.tabular import sees_table_alone
from wardround.engine.parts.preprocessing import step_of
from wardround.engine.parts.setting import Setting
from wardround.engine.study.part_names import PlacedUse


def inconsistencies(parts: Sequence[PlacedUse], setting: Setting) -> Iterator[Flaw]:
    """Everything in a study of sound sections that does not fit its parts; `setting` is what they may ask of it."""
    yield from _tasks(parts, setting.task)
    yield from _without_images(parts, setting)
    yield from per_axis(replace(setting, place=("patches", "size")), setting.patch)
    for part in parts:
        # Which package one is of that cannot answer is told at once: the study has no fault that could be told with it.
        yield from part.use.ask(part.kind, partial(_flaws, part, replace(setting, place=part.place)))


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


def _without_images(parts: Sequence[PlacedUse], setting: Setting) -> Iterator[Flaw]:
    """Parts that need images, in a study that has a table alone."""
    for part in parts if setting.columns and not setting.inputs else ():
        if part.kind is Kind.NETWORK and not sees_table_alone(part.use.parameters):
            what, remedy = f"the network {part.use.name!r} needs images", "Write `linear` or `dense`, or name `inputs`"
            yield Flaw(part.place, what, f"`{part.use.name}`", "a network of tables", remedy=remedy)
        if part.kind in (Kind.PREPROCESSING, Kind.AUGMENTATION):
            what, remedy = "a study without images has none to change", "Take the step out, or name `inputs`"
            yield Flaw(part.place, what, f"`{part.use.name}`", f"no `{part.kind}`", remedy=remedy)


def _flaws(part: PlacedUse, setting: Setting, parameters: Parameters) -> tuple[Flaw, ...]:
    owner = part.use.part(part.kind).owner
    if owner.package:
        require_attributes(part.use.parameters, owner)
    flaws = tuple(parameters.flaws(setting))
    if owner.package and not flaws:  # else the study may be at fault for what follows
        _require_fitting(parameters, setting)
    return flaws


def _require_fitting(parameters: Parameters, setting: Setting) -> None:
    """Raise `BreachError` unless what a part answers fits the number of axes, and a window has its ends in order."""
    step, axes = step_of(parameters), range(setting.dimensions)
    mirrored = transform_of(parameters).mirrored_axes(setting.dimensions)
    if step.target_spacing is not None and len(step.target_spacing) != len(axes):
        raise BreachError(f"{step.target_spacing} as its `target_spacing`", f"a number for each of {len(axes)} axes")
    for name, ends in (("window", step.window), ("pixels", step.pixels)):
        if ends is not None and ends[0] >= ends[1]:
            raise BreachError(f"{ends} as its `{name}`", "its lower end before its upper one")
    if any(axis not in axes for axis in mirrored):
        raise BreachError(f"{mirrored} as its `mirrored_axes`", f"axes from 0 to {axes[-1]}")
