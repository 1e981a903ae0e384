"""Studies drawn from all parts: parameters from the types that state them, most of them as they are by default."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from wardround.engine.parts import Kind, Parameters, Part, builtin_and_plugins
from wardround.engine.parts.networks import TableNetworkParameters
from wardround.engine.study.nodes import Node, branches, choices, schema_of
from wardround.engine.study.sections import Inference, Patches, Training
from wardround.engine.trial.rows import example_of

TASKS = ("segmentation", "classification", "multilabel", "regression", "survival")
INPUTS = ("red", "green", "blue")
CLASSES = ("one", "two")
TARGETS = ("first", "second")
COLUMNS: Mapping[str, Any] = {"age": "number", "sex": ["female", "male"]}
SIDES = {2: (64, 64), 3: (64, 32, 32)}
"""Voxels of the cases, by their axes."""
_SMALL: Mapping[str, Any] = {
    "filters": 8,
    "width": 24,
    "heads": 2,
    "layers": 4,
    "levels": 3,
    "growth": 4,
    "hidden": [8],
}
"""What keeps a network small, where it can be told that."""
_WORDS = (*CLASSES, *INPUTS, "background", "elsewhere")
_SPANS: Mapping[str, tuple[float, float]] = {
    "learning_rate": (1e-4, 1e-2),
    "weight_decay": (0, 0.1),
    "spacing": (0.5, 3),
    "overlap": (0, 0.6),
    "epochs": (1, 2),
    "steps": (1, 4),
}
"""What a number is drawn from where its type allows what takes hours, or what no training survives."""


@dataclass(frozen=True)
class Form:
    """What a drawn study is given.

    Attributes:
        task: its task.
        axes: of its images.
        inputs: the names of its channels; none for a table alone.
        columns: of the table.
    """

    task: str
    axes: int
    inputs: tuple[str, ...]
    columns: Mapping[str, Any]


@st.composite
def studies(draw: st.DrawFn) -> dict[str, Any]:
    """The content of a study's file. Many cannot be meant, and are for `check` to refuse."""
    form = draw(forms())
    sections = (_truth(form), _images(form), _model(form), _learning(form))
    content = {"schema": 1, "study": "drawn", "task": form.task, "inputs": list(form.inputs)}
    for section in sections:
        content |= draw(section)
    return {**content, "columns": dict(form.columns)} if form.columns else content


@st.composite
def forms(draw: st.DrawFn) -> Form:
    """What a study is given."""
    task = draw(st.sampled_from(TASKS))
    inputs = draw(st.sampled_from((INPUTS[:1], INPUTS[:1], INPUTS)))
    if task == "segmentation" or draw(st.integers(0, 2)) != 0:
        return Form(task, draw(st.sampled_from((2, 2, 3))), inputs, {})
    return Form(task, 2, draw(st.sampled_from(((), inputs))), COLUMNS)


def values_of(node: Node, root: Node, name: str, axes: int) -> st.SearchStrategy[Any]:
    """What the schema of a key allows, from a range that a small case has room for."""
    return st.one_of([_of_branch(branch, root, name, axes) for branch in branches(node, root)])


def _of_branch(branch: Node, root: Node, name: str, axes: int) -> st.SearchStrategy[Any]:
    if only := choices(branch):
        return st.sampled_from(only)
    drawn: Mapping[str, Callable[[], st.SearchStrategy[Any]]] = {
        "null": st.none,
        "boolean": st.booleans,
        "integer": lambda: _whole(branch, name),
        "number": lambda: _number(branch, name),
        "string": lambda: st.sampled_from(("RAS", "LPI", "ASL") if "pattern" in branch else _WORDS),
        "array": lambda: _list(branch, root, name, axes),
        "object": lambda: _mapping(branch, root, name, axes),
    }
    return drawn[branch["type"]]()


def _whole(branch: Node, name: str) -> st.SearchStrategy[int]:
    if name == "size":
        return st.sampled_from((4, 8, 16, 24, 32))
    low = _SPANS[name][0] if name in _SPANS else branch.get("minimum", branch.get("exclusiveMinimum", -2))
    most = branch.get("maximum", branch.get("exclusiveMaximum", low + 4))
    step = branch.get("multipleOf", 1)
    return st.sampled_from(range(int(low), int(min(most, low + 4)) + 1, step))


def _number(branch: Node, name: str) -> st.SearchStrategy[float]:
    low = float(branch.get("minimum", branch.get("exclusiveMinimum", -1.0)))
    high = min(float(branch.get("maximum", branch.get("exclusiveMaximum", low + 2))), low + 100)
    low, high = _SPANS.get(name, (low, high))
    within = [round(low + (high - low) * share, 6) for share in (0.01, 0.2, 0.5, 0.9)]
    return st.sampled_from([*within, *([low] if "minimum" in branch else []), *([high] if "maximum" in branch else [])])


def _list(branch: Node, root: Node, name: str, axes: int) -> st.SearchStrategy[Any]:
    if "prefixItems" in branch:
        each = st.tuples(*(values_of(item, root, name, axes) for item in branch["prefixItems"])).map(list)
        return each.map(sorted) if _are_numbers(branch["prefixItems"]) else each
    least, most = branch.get("minItems", 0), branch.get("maxItems", 4)
    lengths = [length for length in (0, 1, 2, axes) if least <= length <= most] or [least]
    items = values_of(branch["items"], root, name, axes)
    return st.sampled_from(lengths).flatmap(lambda length: st.lists(items, min_size=length, max_size=length))


def _are_numbers(items: list[Node]) -> bool:
    return all(item.get("type") in ("number", "integer") for item in items)


def _mapping(branch: Node, root: Node, name: str, axes: int) -> st.SearchStrategy[Any]:
    inner = branch.get("additionalProperties")
    values = values_of(inner, root, name, axes) if isinstance(inner, Mapping) else st.none()
    return st.dictionaries(st.sampled_from(_WORDS), values, min_size=branch.get("minProperties", 0), max_size=2)


@st.composite
def uses(draw: st.DrawFn, kind: Kind, form: Form) -> dict[str, Any]:
    """A part of a kind with parameters, of which one or two are drawn."""
    part = draw(st.sampled_from(fitting(kind, form)))
    return {part.name: draw(_parameters(part, form))}


def fitting(kind: Kind, form: Form) -> tuple[Part, ...]:
    """The parts of a kind that serve a task, and of networks those that see what the study has."""
    row = builtin_and_plugins().find(Kind.TASK, form.task)
    lent = row.tasks | {row.name}
    serving = (part for part in builtin_and_plugins().parts(kind) if any(map(part.serves, lent)))
    if kind is not Kind.NETWORK:
        return tuple(serving)
    return tuple(
        part for part in serving if issubclass(part.parameters, TableNetworkParameters) is not bool(form.inputs)
    )


@st.composite
def _parameters(draw: st.DrawFn, part: Part, form: Form) -> dict[str, Any]:
    model = part.parameters
    fields = schema_of(model).get("properties", {})
    given = {**example_of(model), **_usual(part, model, form)}
    free = [key for key in fields if key not in ("dimensions", "channels")]
    changed = draw(st.lists(st.sampled_from(free), max_size=2, unique=True)) if free else []
    return given | {key: draw(values_of(fields[key], schema_of(model), key, form.axes)) for key in changed}


def _usual(part: Part, model: type[Parameters], form: Form) -> dict[str, Any]:
    """What keeps it small, and fits the axes."""
    if part.kind is not Kind.NETWORK:
        return {"spacing": [1.5] * form.axes} if part.name == "resample" else {}
    given: dict[str, Any] = {"dimensions": form.axes, **_SMALL}
    if "depth" in model.model_fields:
        given["depth"] = min(choices(schema_of(model)["properties"]["depth"]), default=1)
    return {key: value for key, value in given.items() if key in model.model_fields}


@st.composite
def _truth(draw: st.DrawFn, form: Form) -> dict[str, Any]:
    if form.task == "segmentation":
        regions = {"regions": {"whole": [1, 2], "core": 2}}
        truths = ({"classes": {"one": 1, "two": 2}}, {"classes": {"one": [1, 2]}}, regions)
        return {**draw(st.sampled_from(truths)), **draw(st.sampled_from(({"rest": "background"}, {"ignore": 3})))}
    if form.task == "classification":
        return {"classes": {"one": 0, "two": 1}}
    return {"targets": list(TARGETS)} if form.task == "multilabel" or form.task == "regression" else {}


@st.composite
def _images(draw: st.DrawFn, form: Form) -> dict[str, Any]:
    """How images come to patches."""
    if not form.inputs:
        return {}
    found = {
        str(kind): draw(st.lists(uses(kind, form), max_size=2)) for kind in (Kind.PREPROCESSING, Kind.AUGMENTATION)
    }
    patches = draw(_section(Patches, form, ("foreground", "padding", "class_weights", "balance", "per_case")))
    sides = SIDES[form.axes]
    smaller = (tuple(side // 2 for side in sides),) * 2 if form.task == "segmentation" else ()
    return {**found, "patches": {**patches, "size": list(draw(st.sampled_from((*smaller, sides))))}}


@st.composite
def _model(draw: st.DrawFn, form: Form) -> dict[str, Any]:
    return {"model": draw(uses(Kind.NETWORK, form))}


@st.composite
def _learning(draw: st.DrawFn, form: Form) -> dict[str, Any]:
    """How it learns, and what is measured."""
    kinds = {"loss": Kind.LOSS, "optimizer": Kind.OPTIMIZER, "schedule": Kind.SCHEDULE}
    free = ("precision", "gradient_clip", "gradient_clip_mode", "accumulate", "ema", "batch_size")
    training = {key: draw(uses(kind, form)) for key, kind in kinds.items()} | draw(_section(Training, form, free))
    metrics = draw(st.lists(uses(Kind.METRIC, form), min_size=1, max_size=3, unique_by=lambda use: next(iter(use))))
    inference = draw(_section(Inference, form, ("overlap", "blend", "mirror", "batch_size")))
    steps = draw(st.lists(uses(Kind.POSTPROCESSING, form), max_size=1)) if fitting(Kind.POSTPROCESSING, form) else []
    return {
        "training": training,
        "validation": {"outer_folds": 3, "inner_folds": 2, "metrics": metrics, "select": next(iter(metrics[0]))},
        "inference": {**inference, **({"postprocessing": steps} if steps else {})},
    }


@st.composite
def _section(draw: st.DrawFn, model: type, form: Form, free: tuple[str, ...]) -> dict[str, Any]:
    """Up to two of the named keys of a section of the study."""
    root = schema_of(model)
    changed = draw(st.lists(st.sampled_from(free), max_size=2, unique=True))
    return {key: draw(values_of(root["properties"][key], root, key, form.axes)) for key in changed}
