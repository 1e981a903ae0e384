"""The sections of a study: patches, training, validation, inference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, field_validator, model_validator

from wardround.engine.basics.closed import Added, Section, unfit
from wardround.engine.parts import Kind, builtin_and_plugins
from wardround.engine.parts.optimization import optimizer_of, schedule_of
from wardround.engine.parts.postprocessing import mask_step_of
from wardround.engine.study.assets import Asset
from wardround.engine.study.located_problems import Flaw, flawed, flaws_of, written
from wardround.engine.study.part_names import (
    LossUse,
    MetricUse,
    OptimizerUse,
    PartUse,
    PostprocessingUse,
    ScheduleUse,
    likely_parts,
)

LONGEST_SIDE = 1024
"""Voxels of a patch along an axis, at most."""
Layout = Literal["auto", "channels_first", "channels_last"]
ClipMode = Literal["norm", "value", "adaptive"]
_Side = Annotated[int, Field(ge=4, le=LONGEST_SIDE)]


class Patches(Section):
    """What the network sees at once.

    size: voxels per axis. per_case: patches of one case in an epoch. foreground: fraction of patches centred on a
    foreground voxel (its class drawn evenly among those present). padding: the value of what lies outside a case, after
    preprocessing: where it is smaller than a patch, in training and prediction, and where `spatial` looks beyond a
    patch. `minimum` takes the least value of each channel of the case. In masks background lies there. class_weights:
    how often a foreground voxel is of each class, in relation to the others that the case has; 1 where nothing is said,
    never for 0. balance: cases of rare classes give more patches, so that an epoch has as many of each class; of a
    classification.
    """

    size: tuple[_Side, ...] = Field(min_length=2, max_length=3, examples=[(64, 64, 64)])
    per_case: Annotated[int, Field(ge=1, le=1000)] = 1
    foreground: Annotated[float, Field(ge=0, le=1)] = 0.5
    padding: Annotated[float | Literal["minimum"], Added("0.2.0"), Field(examples=[-1.0])] = 0.0
    class_weights: Annotated[
        dict[str, Annotated[float, Field(ge=0)]], Added("0.4.0"), Field(examples=[{"tumour": 2.0}])
    ] = Field(default_factory=dict)
    balance: Annotated[bool, Added("0.4.0")] = False


class Training(Section):
    """How the model learns. `steps`, where given, replaces `epochs`; in a federation the horizon replaces both.

    accumulate: so many batches make one step, whose gradient is that of all their samples together: what a norm layer
    or a loss takes over a batch, it takes over each. gradient_clip: the most that the gradients may be, by
    gradient_clip_mode: the `norm` of all together, the `value` of each, or `adaptive`, each unit's norm in relation to
    that of its weights (Brock et al. 2021). ema: what is kept of an exponential moving average of the weights at each
    step, less at first, which is then what is validated and saved. validate_every: epochs between two validations;
    without it validation takes about a fifth of a run. patience: epochs without a better validation after which a run
    ends. Those last two are for a hospital's own runs: a federation's rounds take their place, and it refuses `ema`.
    start: a safetensors file whose tensors the network begins with, by their names, where shapes agree; the layer that
    gives the outputs begins afresh. A federation begins with the `initial` model of its own file instead.
    layout: whether a voxel's channels lie beside each other in memory (`channels_last`) while the network learns. It
    changes speed and last bits, nothing else. `auto` is `channels_last` for 3D convolutions in fp32 on CPUs whose
    widest instructions are AVX2, where it was measured to be quicker, and `channels_first` elsewhere; `wardround env`
    times both.
    """

    loss: LossUse
    optimizer: OptimizerUse = Field(default="adamw", validate_default=True)
    schedule: ScheduleUse = Field(default="cosine", validate_default=True)
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 50
    steps: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=4096)] = 2
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    gradient_clip: Annotated[float, Field(gt=0)] | None = None
    gradient_clip_mode: Annotated[ClipMode, Added("0.4.0")] = "norm"
    accumulate: Annotated[int, Added("0.4.0"), Field(ge=1, le=4096)] = 1
    ema: Annotated[Annotated[float, Field(gt=0, lt=1)] | None, Added("0.4.0"), Field(examples=[0.999])] = None
    validate_every: Annotated[Annotated[int, Field(ge=1)] | None, Added("0.4.0"), Field(examples=[5])] = None
    patience: Annotated[Annotated[int, Field(ge=1)] | None, Added("0.4.0"), Field(examples=[50])] = None
    start: Annotated[Asset | None, Added("0.4.0")] = None
    layout: Annotated[Layout, Added("0.4.0")] = "auto"

    @property
    def samples_per_step(self) -> int:
        """Samples that a step learns from."""
        return self.batch_size * self.accumulate

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        flaws = [*self._unheard_schedule(), *self._idle_mode()]
        if flaws:
            raise flawed("Training", flaws)
        return self

    def _idle_mode(self) -> Iterator[Flaw]:
        if self.gradient_clip is None and self.gradient_clip_mode != "norm":
            what, remedy = "there is no bound to clip gradients to", "Write for example `gradient_clip: 1` beside it"
            got = f"`{self.gradient_clip_mode}` alone"
            yield Flaw(("gradient_clip_mode",), what, got, "a `gradient_clip`", remedy=remedy)

    def _unheard_schedule(self) -> Iterator[Flaw]:
        """A schedule beside an optimiser that finds its own steps would change nothing, without a word."""
        follows = self.optimizer.ask(Kind.OPTIMIZER, lambda parameters: optimizer_of(parameters).follows_schedule)
        changes = self.schedule.ask(Kind.SCHEDULE, lambda parameters: schedule_of(parameters).changes_rate)
        if changes and not follows:
            what = f"the optimizer {self.optimizer.name!r} finds its own steps, whatever a schedule says"
            remedy = "Write `schedule: constant`"
            yield Flaw(("schedule",), what, f"`{self.schedule.name}`", "`constant`", remedy=remedy)


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


class Inference(Section):
    """Dense windows of the patch size, and how overlapping predictions are blended.

    With `mirror`, predictions are averaged over the mirror images that training shows: the axes that `flip` names.
    scales: they are averaged over windows of these sizes in relation to their own; 1 is the window as it is, and one
    above takes that much more memory along each axis.
    postprocessing: steps that change the predicted masks, in this order. `predict` and `evaluate` apply them on the
    grid of the file, `fit` where it scores the chosen weights, on the preprocessed grid; validations during training do
    not.
    """

    overlap: Annotated[float, Field(ge=0, le=0.9)] = 0.5
    blend: Literal["gaussian", "constant"] = "gaussian"
    mirror: bool = False
    batch_size: Annotated[int, Field(ge=1, le=1024)] = 4
    postprocessing: Annotated[tuple[PostprocessingUse, ...], Added("0.4.0"), Field(examples=[["fill_holes"]])] = ()
    scales: Annotated[
        tuple[Annotated[float, Field(ge=0.5, le=1.5)], ...],
        Added("0.4.0"),
        Field(max_length=9, examples=[[0.9, 1.0, 1.1]]),
    ] = ()

    @field_validator("scales")
    @classmethod
    def _scales_differ(cls, scales: tuple[float, ...]) -> tuple[float, ...]:
        if len({*scales}) != len(scales):
            what, remedy = "a scale stands twice", "Take one of the two out: each counts once"
            raise unfit(what, got=written(list(scales)), expected="sizes that differ", remedy=remedy)
        return scales

    @property
    def undecided(self) -> tuple[int, ...]:
        """The places of the steps of post-processing of which the end of a fit finds out whether they help."""
        return tuple(place for place, use in enumerate(self.postprocessing) if _is_tried(use))

    @property
    def decided(self) -> tuple[PartUse, ...]:
        """The steps that are always applied."""
        return tuple(use for use in self.postprocessing if not _is_tried(use))


def _is_tried(use: PartUse) -> bool:
    return use.ask(Kind.POSTPROCESSING, lambda parameters: mask_step_of(parameters).when) == "helps"
