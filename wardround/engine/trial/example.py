"""A small study that names one part, so that the part can be held against what all of its kind must do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from wardround.engine.parts import BreachError, Kind, Part, builtin_and_plugins
from wardround.engine.parts.networks import network_of
from wardround.engine.study import Study
from wardround.engine.study.located_problems import flaws_of
from wardround.engine.study.truths import USUAL_TASK, truth_of_task
from wardround.engine.trial.rows import example_of

_USUAL: Mapping[Kind, str] = {Kind.NETWORK: "unet", Kind.LOSS: "dice_ce", Kind.METRIC: "dice"}
_SIDE = 32


def study_with(part: Part) -> Study:
    """A study of volumes, or else of flat images, that names the part with nothing but what must be given.

    Raises `BreachError` where none can have it.
    """
    said = ""
    for axes in (3, 2):
        try:
            return Study.model_validate(_content(part, axes))
        except ValidationError as error:
            said = said or "; ".join(f"{flaw.what} (got {flaw.got})" for flaw in flaws_of(error, Study))
    raise BreachError(f"no study that can have it: {said}", "parameters with which a small study can name it")


def _content(part: Part, axes: int) -> dict[str, Any]:
    task, use = _task_of(part), {"name": part.name, **example_of(part.parameters)}
    named = {kind: use if part.kind is kind else _usual(kind, task) for kind in _USUAL}
    truth, metric = truth_of_task(task), named[Kind.METRIC]
    return {
        "schema": 1,
        "study": "example",
        "task": task,
        "inputs": ("image",),
        **({"classes": {"one": truth.first_value, "two": truth.first_value + 1}} if truth.has_classes else {}),
        "preprocessing": (use,) if part.kind is Kind.PREPROCESSING else (),
        "augmentation": (use,) if part.kind is Kind.AUGMENTATION else (),
        "patches": {"size": (_side_of(part, axes),) * axes},
        "model": {"dimensions": axes, "norm": "group", **named[Kind.NETWORK]},
        "training": {
            "loss": named[Kind.LOSS],
            "optimizer": use if part.kind is Kind.OPTIMIZER else "adamw",
            "schedule": use if part.kind is Kind.SCHEDULE else "cosine",
        },
        "validation": {"metrics": (metric,), "select": metric["name"]},
    }


def _side_of(part: Part, axes: int) -> int:
    """The side of a small patch, which a network must be able to divide."""
    if part.kind is not Kind.NETWORK:
        return _SIDE
    network = network_of(part.parameters.model_validate({**example_of(part.parameters), "dimensions": axes}))
    divisor = 1 if network is None else network.divisor
    return -(-_SIDE // divisor) * divisor


def _task_of(part: Part) -> str:
    """The task that a part is, or one that it serves."""
    if part.kind is Kind.TASK:
        return part.name
    return USUAL_TASK if part.serves(USUAL_TASK) else min(part.tasks)


def _usual(kind: Kind, task: str) -> dict[str, Any]:
    """The usual part of a kind, or the first that serves the task."""
    row = builtin_and_plugins().find(Kind.TASK, task)
    fitting = [each.name for each in builtin_and_plugins().parts(kind) if any(map(each.serves, row.tasks | {row.name}))]
    if not fitting:
        raise BreachError(f"the task {task!r}, which no {kind} serves", f"a {kind} for it")
    return {"name": _USUAL[kind] if _USUAL[kind] in fitting else fitting[0]}
