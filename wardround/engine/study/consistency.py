"""What no section of a study can see alone: classes and parts against the task, axes, patch against network."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from wardround.engine.parts import Kind, Parameters, answering, builtin_and_plugins
from wardround.engine.parts.augmentation import Flip
from wardround.engine.parts.losses import CrossEntropy
from wardround.engine.parts.networks import NetworkParameters, UNet
from wardround.engine.parts.preprocessing import Orient, Resample, Resize
from wardround.engine.study.expectations import Location, flow
from wardround.engine.study.labels import BACKGROUND, listed
from wardround.engine.study.located_problems import Flaw, written
from wardround.engine.study.part_names import PartUse

if TYPE_CHECKING:
    from wardround.engine.study.models import Study

_ORIENTED = "2D images have no anatomical orientation"
_OTHER_NUMBER = "the number of axes does not fit"
_NO_AXIS = "there is no such axis"
OF_AXES = frozenset({_ORIENTED, _OTHER_NUMBER, _NO_AXIS})
"""What is said of lines that belong to the number of axes."""


def inconsistencies(study: Study) -> Iterator[Flaw]:
    """Everything in a study of sound sections that does not fit together."""
    yield from _classes(study)
    yield from _tasks(study)
    yield from _axes(study)
    yield from _flips(study)
    yield from _patch(study)
    yield from _coarsest_grid(study)
    yield from _class_weights(study)


def _classes(study: Study) -> Iterator[Flaw]:
    if study.task == "segmentation":
        yield from _background(study)
        return
    if len(study.classes) < 2:
        yield Flaw(
            ("classes",),
            "a classification needs at least two classes",
            "1",
            "2 or more",
            remedy="Name the other class too, for example `classes: {healthy: 0, ill: 1}`",
        )
    if study.rest != "error":
        yield Flaw(
            ("rest",),
            "a classification has no background",
            written(study.rest),
            "no `rest`",
            remedy="Take the line out. Leave rows with other values out of the table, or list their values in a class, "
            "such as `ill: [1, 2]`",
        )


def _background(study: Study) -> Iterator[Flaw]:
    for name, values in study.classes.items():
        if name.lower() == BACKGROUND:
            yield Flaw(
                ("classes", name),
                "the background of a segmentation is no class",
                flow(values),
                "classes of the foreground only",
                remedy="Take the line out: 0 is background without being named; with `rest: background` so is every "
                "value that no class has",
            )
        elif 0 in listed(values):
            alone = len(listed(values)) == 1
            yield Flaw(
                ("classes", name),
                "0 is the background of a segmentation and cannot have a name",
                flow(values),
                "1 or more",
                remedy=f"Take the {'line' if alone else '0'} out: what has no class is background",
            )


def _tasks(study: Study) -> Iterator[Flaw]:
    uses: list[tuple[Location, Kind, PartUse]] = [
        (("model",), Kind.NETWORK, study.model),
        (("training", "loss"), Kind.LOSS, study.training.loss),
    ]
    metrics = enumerate(study.validation.metrics)
    uses += [(("validation", "metrics", index), Kind.METRIC, metric) for index, metric in metrics]
    for location, kind, use in uses:
        tasks = use.part(kind).tasks
        if tasks and study.task not in tasks:
            served = ", ".join(sorted(tasks))
            known = [part.name for part in builtin_and_plugins().parts(kind) if part.serves(study.task)]
            what, expected = f"the {kind} {use.name!r} serves {served} only", f"one for {study.task}"
            yield Flaw(location, what, f"`{use.name}`", expected, remedy=f"Write one of {', '.join(known)}")


def _axes(study: Study) -> Iterator[Flaw]:
    if len(study.patches.size) != study.dimensions:
        yield _wrong_axes(study, ("patches", "size"), study.patches.size)
    for index, use in enumerate(study.preprocessing):
        location: Location = ("preprocessing", index, use.name)
        values = _per_axis(use.parameters)
        if values is not None and len(values) != study.dimensions:
            yield _wrong_axes(study, location, values)
        if isinstance(use.parameters, Orient) and study.dimensions == 2:
            yield Flaw(
                location,
                _ORIENTED,
                "`orient`",
                "steps for 2D images",
                remedy="Take the step out, or set `dimensions: 3` in `model` if the images are volumes",
            )


def _wrong_axes(study: Study, location: Location, values: tuple[float, ...]) -> Flaw:
    expected = f"{study.dimensions}, as the model has {study.dimensions} dimensions"
    fitting = [*values, *values[-1:] * study.dimensions][: study.dimensions]
    remedy = f"Write one number per axis, such as {written(fitting)}, or change `dimensions` in `model`"
    return Flaw(location, _OTHER_NUMBER, written(values), expected, remedy=remedy)


def _flips(study: Study) -> Iterator[Flaw]:
    for index, use in enumerate(study.augmentation):
        if isinstance(use.parameters, Flip) and use.parameters.axes != "all":
            beyond = [axis for axis in use.parameters.axes if axis >= study.dimensions]
            if beyond:
                location: Location = ("augmentation", index, use.name)
                expected = f"0 to {study.dimensions - 1}"
                remedy = "Axes are counted from 0; take out those that the images do not have"
                yield Flaw(location, _NO_AXIS, written(beyond), expected, remedy=remedy)


def _per_axis(parameters: Parameters) -> tuple[float, ...] | None:
    if isinstance(parameters, Resample):
        return parameters.spacing
    return parameters.size if isinstance(parameters, Resize) else None


def _patch(study: Study) -> Iterator[Flaw]:
    model, size = study.model.parameters, study.patches.size
    if not isinstance(model, UNet):
        return
    step = 2 ** (model.levels - 1)
    if any(side % step for side in size):
        fitting = [max(step, -(-side // step) * step) for side in size]
        expected = f"multiples of {step} for {model.levels} levels, such as {fitting}"
        what = "the network cannot halve this patch often enough"
        remedy = f"Write for example `size: {fitting}`, or fewer `levels` in `model`"
        yield Flaw(("patches", "size"), what, written(size), expected, remedy=remedy)


def _coarsest_grid(study: Study) -> Iterator[Flaw]:
    """Instance norm takes its variance over a sample's voxels, batch norm over those of the batch: one has none."""
    model, size = study.model.parameters, study.patches.size
    if not isinstance(model, NetworkParameters) or model.norm == "group":
        return
    with answering(study.model.part(Kind.NETWORK).owner):
        _ = model.reduction  # of another package it may be code of its own
    samples = study.training.batch_size if model.norm == "batch" else 1
    if samples == 1 and all(side <= model.reduction for side in size):
        what = f"the network shrinks this patch to one voxel, of which {model.norm} norm has no variance"
        expected = f"a side longer than {model.reduction}, or `norm: group`"
        remedy = "Make the patch larger, or write `norm: group` in `model`"
        yield Flaw(("patches", "size"), what, written(size), expected, remedy=remedy)


def _class_weights(study: Study) -> Iterator[Flaw]:
    loss, names = study.training.loss.parameters, study.class_names
    if isinstance(loss, CrossEntropy) and loss.class_weights and len(loss.class_weights) != len(names):
        expected = f"{len(names)}, one for each of {', '.join(names)}"
        where: Location = ("training", "loss", "class_weights")
        what = "the number of weights does not fit the classes"
        remedy = f"Write for example `class_weights: {[1] * len(names)}`"
        yield Flaw(where, what, written(loss.class_weights), expected, remedy=remedy)
