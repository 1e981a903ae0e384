"""A small study that names one part, so that the part can be held against what all of its kind must do."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from wardround.engine.parts import BreachError, Kind, Part, builtin_and_plugins
from wardround.engine.parts.answers import answers_of
from wardround.engine.parts.networks import TableNetworkParameters, network_of
from wardround.engine.study import Study
from wardround.engine.study.located_problems import flaws_of
from wardround.engine.study.truths import USUAL_TASK, truth_of_task
from wardround.engine.trial.rows import example_of

_USUAL: Mapping[Kind, str] = {Kind.NETWORK: "unet", Kind.LOSS: "dice_ce", Kind.METRIC: "dice"}
_SIDE = 32
_COLOURS = ("red", "green", "blue")


def studies_with(part: Part) -> tuple[Study, ...]:
    """Studies that name the part with nothing but what must be given, of which it has to go with one.

    That is one of volumes, or else of flat images, of one channel, or else of three; both for a network that is not
    told which they are. Raises `BreachError` where none can have it.
    """
    found, said = [], ""
    for given, axes in product(_given(part), (3, 2)):
        try:
            found.append(Study.model_validate({**_content(part, axes), **given}))
        except ValidationError as error:
            said = said or "; ".join(f"{flaw.what} (got {flaw.got})" for flaw in flaws_of(error, Study))
    if not found:
        raise BreachError(f"no study that can have it: {said}", "parameters with which a small study can name it")
    is_open = part.kind is Kind.NETWORK and "dimensions" not in part.parameters.model_fields
    return tuple(found[:2] if is_open else found[:1])


def _content(part: Part, axes: int) -> dict[str, Any]:
    task, use = _task_of(part), {"name": part.name, **example_of(part.parameters)}
    named = {kind: use if part.kind is kind else _usual(kind, task) for kind in _USUAL}
    truth, metric = truth_of_task(task), named[Kind.METRIC]
    return {
        "schema": 1,
        "study": "example",
        "task": task,
        **({"classes": {"one": truth.first_value, "two": truth.first_value + 1}} if truth.has_classes else {}),
        **({"targets": ("one", "two")} if truth.needs_targets else {}),
        "preprocessing": (use,) if part.kind is Kind.PREPROCESSING else (),
        "augmentation": (use,) if part.kind is Kind.AUGMENTATION else (),
        "patches": {"size": _sides_of(part, axes)},
        "model": {**_common(_network(part, named), axes), **named[Kind.NETWORK]},
        "training": {
            "loss": named[Kind.LOSS],
            "optimizer": use if part.kind is Kind.OPTIMIZER else "adamw",
            "schedule": use if part.kind is Kind.SCHEDULE else "constant",
        },
        "validation": {"metrics": (metric,), "select": metric["name"]},
        "inference": {"postprocessing": (use,) if part.kind is Kind.POSTPROCESSING else ()},
    }


def _given(part: Part) -> tuple[dict[str, Any], ...]:
    """Images of one channel, or of three; or the columns of a table for a network that sees these alone."""
    if part.kind is Kind.NETWORK and issubclass(part.parameters, TableNetworkParameters):
        return ({"inputs": (), "columns": {"age": "number", "sex": ("female", "male")}},)
    return ({"inputs": ("image",)}, {"inputs": _COLOURS})


def _network(part: Part, named: Mapping[Kind, Mapping[str, Any]]) -> Part:
    return part if part.kind is Kind.NETWORK else builtin_and_plugins().find(Kind.NETWORK, named[Kind.NETWORK]["name"])


def _common(network: Part, axes: int) -> dict[str, Any]:
    """What a network is told beside what it must be given, where it can be told that."""
    told: dict[str, Any] = {"dimensions": axes, "norm": "group"}
    fields = network.parameters.model_fields
    return {key: value for key, value in told.items() if key in fields and value in choices_of(fields[key], value)}


def choices_of(field: FieldInfo, usual: Any) -> tuple[Any, ...]:
    """The words or numbers that a field takes; where its type lists none, the usual one."""
    return get_args(field.annotation) or (usual,)


def _sides_of(part: Part, axes: int) -> tuple[int, ...]:
    """The sides of a small patch, which a network must be able to divide."""
    if part.kind is not Kind.NETWORK:
        return (_SIDE,) * axes
    given = {**example_of(part.parameters), **_common(part, axes)}
    network = network_of(answers_of(part.parameters.model_validate(given), part.owner))
    divisors = (1,) * axes if network is None else network.divisors
    side = _SIDE if network is None else max(_SIDE, network.least_side)
    return tuple(-(-side // divisor) * divisor for divisor in divisors)


def _task_of(part: Part) -> str:
    """The task that a part is, or one that it serves."""
    if part.kind is Kind.TASK:
        return part.name
    return USUAL_TASK if part.serves(USUAL_TASK) else min(part.tasks)


def _usual(kind: Kind, task: str) -> dict[str, Any]:
    """The usual part of a kind, or the first that serves the task."""
    row = builtin_and_plugins().find(Kind.TASK, task)
    serving = (each for each in builtin_and_plugins().parts(kind) if any(map(each.serves, row.tasks | {row.name})))
    fitting = [each.name for each in serving if not issubclass(each.parameters, TableNetworkParameters)]
    if not fitting:
        raise BreachError(f"the task {task!r}, which no {kind} serves", f"a {kind} for it")
    return {"name": _USUAL[kind] if _USUAL[kind] in fitting else fitting[0]}
