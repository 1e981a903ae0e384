"""The study: one typed, frozen model of the science. No paths, no hosts, no code."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from wardround.engine.basics.canonical import digest_of
from wardround.engine.parts import Kind
from wardround.engine.parts.losses import CrossEntropy
from wardround.engine.parts.networks import NetworkParameters, UNet
from wardround.engine.parts.preprocessing import Orient, Resample, Resize
from wardround.engine.study.uses import (
    AugmentationUse,
    LossUse,
    MetricUse,
    NetworkUse,
    OptimizerUse,
    PartUse,
    PreprocessingUse,
    ScheduleUse,
)

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._&+-]{0,63}$")]
PositiveInt = Annotated[int, Field(ge=1)]


class Frozen(BaseModel):
    """Base of every section: frozen, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)


class Patches(Frozen):
    """What the network sees at once.

    size: voxels per axis. per_case: patches of one case in an epoch. foreground: fraction of patches centred on a
    foreground voxel (its class drawn evenly among those present). A case smaller than a patch is zero-padded.
    """

    size: tuple[Annotated[int, Field(ge=4, le=1024)], ...] = Field(min_length=2, max_length=3)
    per_case: Annotated[int, Field(ge=1, le=1000)] = 1
    foreground: Annotated[float, Field(ge=0, le=1)] = 0.5


class Training(Frozen):
    """How the model learns. `steps`, where given, replaces `epochs`; in a federation the horizon replaces both."""

    loss: LossUse
    optimizer: OptimizerUse = Field(default="adamw", validate_default=True)
    schedule: ScheduleUse = Field(default="cosine", validate_default=True)
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 50
    steps: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 2
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    gradient_clip: Annotated[float, Field(gt=0)] | None = None


class Validation(Frozen):
    """Nested folds grouped by patient, the metrics, and the one that selects the best model."""

    outer_folds: Annotated[int, Field(ge=2, le=50)] = 5
    inner_folds: Annotated[int, Field(ge=2, le=50)] = 5
    metrics: tuple[MetricUse, ...] = Field(min_length=1)
    select: str

    @model_validator(mode="after")
    def _select_is_measured(self) -> Self:
        names = [metric.name for metric in self.metrics]
        if self.select not in names:
            raise ValueError(f"select is {self.select!r}, which is not one of the metrics {names}")
        if len(set(names)) != len(names):
            raise ValueError(f"a metric stands twice in {names}")
        return self


class Inference(Frozen):
    """Dense windows of the patch size, and how overlapping predictions are blended."""

    overlap: Annotated[float, Field(ge=0, le=0.9)] = 0.5
    blend: Literal["gaussian", "constant"] = "gaussian"
    mirror: bool = False
    batch_size: Annotated[int, Field(ge=1, le=1024)] = 4


class Study(Frozen):
    """A whole study. `digest` is the SHA-256 of its canonical form with all defaults filled in."""

    schema_version: Literal[1] = Field(alias="schema")
    study: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    task: Literal["segmentation", "classification"]
    modality: Literal["radiology"] = "radiology"
    inputs: tuple[Name, ...] = Field(min_length=1, max_length=64)
    classes: dict[Name, Annotated[int, Field(ge=0, le=65535)]] = Field(min_length=1)
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
        parameters = self.model.parameters
        return parameters.dimensions if isinstance(parameters, NetworkParameters) else len(self.patches.size)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the network's output channels, in order. A segmentation's channel 0 is the background."""
        by_value = sorted(self.classes, key=lambda name: self.classes[name])
        return ("background", *by_value) if self.task == "segmentation" else tuple(by_value)

    @property
    def class_values(self) -> tuple[int, ...]:
        """The value in masks or tables of each output channel, in the order of `class_names`."""
        values = tuple(sorted(self.classes.values()))
        return (0, *values) if self.task == "segmentation" else values

    @field_validator("classes")
    @classmethod
    def _values_differ(cls, classes: dict[str, int]) -> dict[str, int]:
        if len(set(classes.values())) != len(classes):
            raise ValueError(f"two classes have the same value in {classes}")
        return classes

    @field_validator("inputs")
    @classmethod
    def _inputs_differ(cls, inputs: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(inputs)) != len(inputs):
            raise ValueError(f"two inputs have the same name in {list(inputs)}")
        return inputs

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [*self._class_problems(), *self._task_problems(), *self._axis_problems(), *self._patch_problems()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _class_problems(self) -> list[str]:
        if self.task == "segmentation" and 0 in self.classes.values():
            return ["classes: 0 is the background of a segmentation and cannot be given a name"]
        if self.task == "classification" and len(self.classes) < 2:
            return ["classes: a classification needs at least two classes"]
        return []

    def _task_problems(self) -> list[str]:
        uses: list[tuple[str, Kind, PartUse]] = [
            ("model", Kind.NETWORK, self.model),
            ("training.loss", Kind.LOSS, self.training.loss),
            *(("validation.metrics", Kind.METRIC, metric) for metric in self.validation.metrics),
        ]
        unfit = [
            (place, use) for place, kind, use in uses if use.part(kind).tasks and self.task not in use.part(kind).tasks
        ]
        return [f"{place}: {use.name!r} does not serve the task {self.task}" for place, use in unfit]

    def _axis_problems(self) -> list[str]:
        found = []
        if len(self.patches.size) != self.dimensions:
            found.append(f"patches.size: {len(self.patches.size)} numbers for a model of {self.dimensions} dimensions")
        for use in self.preprocessing:
            step = use.parameters
            axes = (
                len(step.spacing)
                if isinstance(step, Resample)
                else len(step.size)
                if isinstance(step, Resize)
                else None
            )
            if axes is not None and axes != self.dimensions:
                found.append(f"preprocessing.{use.name}: {axes} numbers for a model of {self.dimensions} dimensions")
            if isinstance(step, Orient) and self.dimensions == 2:
                found.append("preprocessing.orient: 2D images have no anatomical orientation")
        return found

    def _patch_problems(self) -> list[str]:
        loss, model = self.training.loss.parameters, self.model.parameters
        found = []
        if isinstance(model, UNet):
            step = 2 ** (model.levels - 1)
            if any(side % step for side in self.patches.size):
                fit = [max(step, -(-side // step) * step) for side in self.patches.size]
                found.append(f"patches.size: a model of {model.levels} levels needs multiples of {step}, such as {fit}")
        if isinstance(loss, CrossEntropy) and loss.class_weights and len(loss.class_weights) != len(self.class_names):
            found.append(
                f"training.loss.class_weights: expected {len(self.class_names)}, one per class {self.class_names}"
            )
        return found
