"""The study: one typed, frozen model of the science. No paths, no hosts, no code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from wardround.engine.basics.canonical import digest_of
from wardround.engine.basics.closed import Added, Section, unfit
from wardround.engine.parts import Kind, Parameters, builtin_and_plugins
from wardround.engine.parts.augmentation import transform_of
from wardround.engine.parts.networks import NetworkParameters, network_of
from wardround.engine.parts.preprocessing import StepParameters, step_of
from wardround.engine.parts.setting import Setting
from wardround.engine.study.consistency import inconsistencies
from wardround.engine.study.expectations import flow
from wardround.engine.study.labels import ClassValues, Rest, Values, classes_instead, shared_values
from wardround.engine.study.located_problems import WRONG_VALUE, Flaw, flawed, flaws_of, written
from wardround.engine.study.part_names import (
    Answer,
    AugmentationUse,
    LossUse,
    MetricUse,
    NetworkUse,
    OptimizerUse,
    PlacedUse,
    PreprocessingUse,
    ScheduleUse,
    likely_parts,
)
from wardround.engine.study.truths import KindOfTruth, TaskName, likely_truth, truth_of_task

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._&+-]{0,63}$")]
PositiveInt = Annotated[int, Field(ge=1)]


LONGEST_SIDE = 1024
"""Voxels of a patch along an axis, at most."""
_Side = Annotated[int, Field(ge=4, le=LONGEST_SIDE)]


class Patches(Section):
    """What the network sees at once.

    size: voxels per axis. per_case: patches of one case in an epoch. foreground: fraction of patches centred on a
    foreground voxel (its class drawn evenly among those present). padding: the value of what lies outside a case, after
    preprocessing: where it is smaller than a patch, in training and prediction, and where `spatial` looks beyond a
    patch. `minimum` takes the least value of each channel of the case. In masks background lies there.
    """

    size: tuple[_Side, ...] = Field(min_length=2, max_length=3, examples=[(64, 64, 64)])
    per_case: Annotated[int, Field(ge=1, le=1000)] = 1
    foreground: Annotated[float, Field(ge=0, le=1)] = 0.5
    padding: Annotated[float | Literal["minimum"], Added("0.2.0"), Field(examples=[-1.0])] = 0.0


class Training(Section):
    """How the model learns. `steps`, where given, replaces `epochs`; in a federation the horizon replaces both."""

    loss: LossUse
    optimizer: OptimizerUse = Field(default="adamw", validate_default=True)
    schedule: ScheduleUse = Field(default="cosine", validate_default=True)
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 50
    steps: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 2
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    gradient_clip: Annotated[float, Field(gt=0)] | None = None


def _unmeasured(select: str, names: Sequence[str]) -> Flaw:
    what, expected = f"{select!r} is not one of the study's metrics", f"one of {', '.join(names)}"
    return Flaw(("select",), what, repr(select), expected, select, tuple(names))


def _stray_select(value: Any) -> Flaw | None:
    """What is wrong with a `select` that is none of the metrics as they are written, whether or not there are such."""
    written = value if isinstance(value, Mapping) else {}
    metrics, select = written.get("metrics"), written.get("select")
    names = [_name_of(each) for each in metrics] if isinstance(metrics, list | tuple) else []
    if not names or "" in names or not isinstance(select, str):
        return None
    return _against(select, names)


def _against(select: str, names: Sequence[str]) -> Flaw | None:
    """What is wrong with a `select` beside these names of metrics, some of which may be unknown."""
    meant = {name: _meant_metric(name) for name in names}
    if meant.get(select, select) != select:
        what, remedy = f"unknown metric {select!r}", f"Write `select: {meant[select]}` if you mean that metric"
        return Flaw(("select",), what, repr(select), "one of the study's metrics", remedy=remedy)
    if select in (*names, *meant.values()):
        return None
    known = [name for name in meant.values() if name in builtin_and_plugins().names(Kind.METRIC)]
    return _unmeasured(select, known or names)


def _meant_metric(name: str) -> str:
    """The metric that a name stands for: itself, or the likeliest where there is none of that name."""
    metrics = builtin_and_plugins().of(Kind.METRIC)
    return name if name in metrics.names else next(iter(likely_parts(metrics, name)), name)


def _name_of(metric: Any) -> str:
    """The name by which a metric is written; empty where that is none."""
    name = metric.get("name", next(iter(metric), "")) if isinstance(metric, Mapping) else metric
    return name if isinstance(name, str) else ""


class Validation(Section):
    """Nested folds grouped by patient, the metrics, and the one that selects the best model."""

    outer_folds: Annotated[int, Field(ge=2, le=50)] = 5
    inner_folds: Annotated[int, Field(ge=2, le=50)] = 5
    metrics: tuple[MetricUse, ...] = Field(min_length=1)
    select: Annotated[str, Field(examples=["dice"])]

    @model_validator(mode="wrap")
    @classmethod
    def _select_is_named(cls, value: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        """Whether `select` stands among the metrics is told also while one of these cannot be used."""
        try:
            return read(value)
        except ValidationError as error:
            flaws, stray = flaws_of(error, cls), _stray_select(value)
            if stray is None or any(flaw.location[:1] == ("select",) for flaw in flaws):
                raise
            raise flawed("Validation", [*flaws, stray]) from None

    @model_validator(mode="after")
    def _select_is_measured(self) -> Self:
        names = [metric.name for metric in self.metrics]
        flaws = [
            Flaw(
                ("metrics", index),
                f"the metric {name!r} stands twice",
                name,
                "each metric once",
                remedy="Take one of the two out",
            )
            for index, name in enumerate(names)
            if name in names[:index]
        ]
        if self.select not in names:
            flaws.append(_unmeasured(self.select, names))
        if flaws:
            raise flawed("Validation", flaws)
        return self


def _network(parameters: Parameters) -> NetworkParameters:
    """The answers of a network; the usual ones where it gives none."""
    return network_of(parameters) or NetworkParameters()


class Inference(Section):
    """Dense windows of the patch size, and how overlapping predictions are blended.

    With `mirror`, predictions are averaged over the mirror images that training shows: the axes that `flip` names.
    """

    overlap: Annotated[float, Field(ge=0, le=0.9)] = 0.5
    blend: Literal["gaussian", "constant"] = "gaussian"
    mirror: bool = False
    batch_size: Annotated[int, Field(ge=1, le=1024)] = 4


class Study(Section):
    """A whole study. `digest` is the SHA-256 of its canonical form with all defaults filled in.

    task: what is predicted, by the name of a task that is installed. classes: each name with the value, or the list of
    values, that stands for it in masks or in the table; the first value of a list is the one that predictions are
    written with. rest: what values of a mask that no class names are, an error or background. targets: names of the
    numbers of a regression, which has no classes; each has a column `ValueToPredict_<name>`. Without any there is one,
    in `ValueToPredict`.
    """

    schema_version: Literal[1] = Field(alias="schema")
    study: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    task: TaskName
    modality: Literal["radiology"] = "radiology"
    inputs: tuple[Name, ...] = Field(min_length=1, max_length=64)
    classes: dict[Name, ClassValues] = Field(examples=[{"tumour": 1}])
    rest: Annotated[Rest, Added("0.2.0")] = "error"
    targets: Annotated[tuple[Name, ...], Added("0.3.0"), Field(max_length=64, examples=[["age"]])] = ()
    preprocessing: tuple[PreprocessingUse, ...] = ()
    augmentation: tuple[AugmentationUse, ...] = ()
    patches: Patches
    model: NetworkUse
    training: Training
    validation: Validation
    inference: Inference = Inference()
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 42

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical form, 64 hexadecimal digits."""
        return digest_of(self)

    @property
    def dimensions(self) -> int:
        """2 or 3: the spatial axes that the network works on."""
        network = network_of(self.model.parameters)
        return len(self.patches.size) if network is None else network.dimensions

    @property
    def divisor(self) -> int:
        """What every side of a patch must be a multiple of."""
        return self.model.ask(Kind.NETWORK, lambda parameters: _network(parameters).divisor)

    @property
    def reduction(self) -> int:
        """How many voxels along each axis become one on the network's coarsest grid; 1 where that is not known."""
        return self.model.ask(Kind.NETWORK, lambda parameters: _network(parameters).reduction)

    @property
    def flipped_axes(self) -> tuple[int, ...]:
        """The axes of the patch that augmentation flips, counted from 0."""

        def mirrored(parameters: Parameters) -> tuple[int, ...]:
            return transform_of(parameters).mirrored_axes(self.dimensions)

        return tuple(sorted({axis for use in self.augmentation for axis in use.ask(Kind.AUGMENTATION, mirrored)}))

    def steps(self, question: Callable[[StepParameters], Answer]) -> tuple[Answer, ...]:
        """What each preprocessing step answers, in order. Raises `InputError` that names the package of one that
        cannot."""
        return tuple(use.ask(Kind.PREPROCESSING, lambda step: question(step_of(step))) for use in self.preprocessing)

    @property
    def parts(self) -> tuple[PlacedUse, ...]:
        """Every part that it names, in order."""
        steps, transforms = enumerate(self.preprocessing), enumerate(self.augmentation)
        metrics = enumerate(self.validation.metrics)
        return (
            *(PlacedUse(("preprocessing", n, use.name), Kind.PREPROCESSING, use) for n, use in steps),
            *(PlacedUse(("augmentation", n, use.name), Kind.AUGMENTATION, use) for n, use in transforms),
            PlacedUse(("model",), Kind.NETWORK, self.model),
            PlacedUse(("training", "loss"), Kind.LOSS, self.training.loss),
            PlacedUse(("training", "optimizer"), Kind.OPTIMIZER, self.training.optimizer),
            PlacedUse(("training", "schedule"), Kind.SCHEDULE, self.training.schedule),
            *(PlacedUse(("validation", "metrics", n), Kind.METRIC, use) for n, use in metrics),
        )

    @property
    def setting(self) -> Setting:
        """What its parts may ask of it, before one is placed."""
        return Setting(
            place=(),
            task=self.task,
            dimensions=self.dimensions,
            inputs=self.inputs,
            classes=self.class_names,
            patch=self.patches.size,
            batch_size=self.training.batch_size,
            masked=self.truth.on_grid,
        )

    @property
    def truth(self) -> KindOfTruth[Study]:
        """The kind of truth of its task."""
        return truth_of_task(self.task)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the network's output channels, in order: those of the classes, or of what else is predicted."""
        return self.truth.outputs(self)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the order of the network's outputs; a segmentation's first is the background."""
        return tuple(self.values_by_class)

    @property
    def class_values(self) -> tuple[int, ...]:
        """The value that is written for each class, in the order of `class_names`: the first of a class."""
        return tuple(values[0] for values in self.values_by_class.values())

    @property
    def values_by_class(self) -> dict[str, tuple[int, ...]]:
        """All values of each class in masks or tables, by its name, in the order of `class_names`."""
        return dict(self.truth.classes(self))

    @model_validator(mode="before")
    @classmethod
    def _no_classes_where_none_are(cls, content: Any) -> Any:
        """Only who predicts classes has to name some, which nobody can tell of a study whose task is no word."""
        if not isinstance(content, Mapping):
            return content
        task = content.get("task")
        return content if isinstance(task, str) and likely_truth(task).has_classes else {"classes": {}, **content}

    @field_validator("classes", mode="before")
    @classmethod
    def _classes_have_numbers(cls, value: Any, info: ValidationInfo) -> Any:
        """Names alone are told with the numbers that they may have, which depend on the task."""
        truth = likely_truth(info.data.get("task"))
        if not truth.has_classes and not isinstance(value, Mapping):
            what, remedy = f"a {info.data.get('task')} has no classes", "Take the line out"
            raise unfit(what, got=written(value), expected="no `classes`", remedy=remedy)
        remedy = classes_instead(value, truth.first_value)
        if remedy:
            raise unfit(WRONG_VALUE, got=written(value), expected="lines of the form `name: number`", remedy=remedy)
        return value

    @field_validator("classes")
    @classmethod
    def _values_differ(cls, classes: dict[str, Values]) -> dict[str, Values]:
        flaws = [*shared_values(classes)]
        if flaws:
            raise flawed("classes", flaws)
        return classes

    @field_validator("inputs")
    @classmethod
    def _inputs_differ(cls, inputs: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(inputs)) != len(inputs):
            raise unfit(
                "two inputs have the same name",
                got=flow(list(inputs)),
                expected="a name of its own for each input",
                remedy="Name each channel once, in the order of the columns Channel_0, Channel_1 ...",
            )
        return inputs

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        flaws = (*self.truth.flaws(self), *inconsistencies(self.parts, self.setting))
        if flaws:
            raise flawed("Study", flaws)
        return self
