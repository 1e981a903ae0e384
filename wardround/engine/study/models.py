"""The study: one typed, frozen model of the science. No paths, no hosts, no code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from wardround.engine.basics.canonical import digest_of
from wardround.engine.basics.closed import Added, Section, unfit
from wardround.engine.basics.dicom import REFUSING, Dicom
from wardround.engine.parts import BreachError, Kind, Parameters
from wardround.engine.parts.augmentation import transform_of
from wardround.engine.parts.networks import NetworkParameters, network_of
from wardround.engine.parts.preprocessing import StepParameters, step_of
from wardround.engine.parts.setting import Setting
from wardround.engine.study.assets import Asset
from wardround.engine.study.consistency import inconsistencies
from wardround.engine.study.drawing import drawing_flaws
from wardround.engine.study.expectations import flow
from wardround.engine.study.labels import BACKGROUND, ClassValues, Rest, Values, classes_instead, listed, shared_values
from wardround.engine.study.located_problems import WRONG_VALUE, Flaw, flawed, written
from wardround.engine.study.names import NAME
from wardround.engine.study.part_names import (
    Answer,
    AugmentationUse,
    NetworkUse,
    PlacedUse,
    PreprocessingUse,
)
from wardround.engine.study.regions import Regions, regions_over
from wardround.engine.study.sections import Inference, Patches, Training, Validation
from wardround.engine.study.tabular import LARGEST_TABLE, NO_IMAGE, ColumnName, ColumnUse, column_flaws, in_order
from wardround.engine.study.truths import KindOfTruth, TaskName, likely_truth, truth_of_task

Name = Annotated[str, Field(pattern=NAME)]
PositiveInt = Annotated[int, Field(ge=1)]


class Study(Section):
    """A whole study. `digest` is the SHA-256 of its canonical form with all defaults filled in.

    task: what is predicted, by the name of a task that is installed. classes: each name with the value, or the list of
    values, that stands for it in masks or in the table; the first value of a list is the one that predictions are
    written with. regions: for a segmentation whose structures overlap, each name with all values of a mask that lie in
    it; then the network says of each region by itself whether a voxel lies in it, and `classes` may be left out. rest:
    what values of a mask that no class and no region names are, an error or background. ignore: values of a mask whose
    voxels are neither learned from nor scored. targets: names of the numbers of a regression, or of the labels of a
    multi-label study, which have no classes; each has a column `ValueToPredict_<name>`. A regression without any has
    one number, in `ValueToPredict`. Those of a synthesis are images, in columns `Target_0` and so on in their order, or
    names of inputs that are to be made again. columns: what of the manifest the network is given, beside the images or,
    with `inputs: []`, alone: each name with `number`, or with the list of its levels. dicom: what is done with DICOM
    series that are not as they should be; they are refused where nothing is said.
    """

    schema_version: Literal[1] = Field(alias="schema")
    study: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    task: TaskName
    modality: Literal["radiology"] = "radiology"
    inputs: tuple[Name, ...] = Field(max_length=64, examples=[["T1w"]])
    classes: dict[Name, ClassValues] = Field(examples=[{"tumour": 1}])
    regions: Annotated[
        dict[Name, ClassValues], Added("0.4.0"), Field(max_length=64, examples=[{"whole": [1, 2], "core": 1}])
    ] = Field(default_factory=dict)
    rest: Annotated[Rest, Added("0.2.0")] = "error"
    ignore: Annotated[ClassValues | None, Added("0.4.0"), Field(examples=[255])] = None
    targets: Annotated[tuple[Name, ...], Added("0.3.0"), Field(max_length=64, examples=[["age"]])] = ()
    columns: Annotated[dict[ColumnName, ColumnUse], Added("0.4.0"), Field(max_length=LARGEST_TABLE)] = Field(
        default_factory=dict, examples=[{"age": "number"}]
    )
    dicom: Annotated[Dicom, Added("0.4.0"), Field(examples=[{"uneven": "resample"}])] = Dicom()
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
    def divisors(self) -> tuple[int, ...]:
        """What each side of a patch must be a multiple of."""
        return self._factors(lambda network: network.divisors)

    @property
    def reductions(self) -> tuple[int, ...]:
        """How many voxels along each axis become one on the network's coarsest grid; 1 where that is not known."""
        return self._factors(lambda network: network.reductions)

    @property
    def least_side(self) -> int:
        """What every side of a patch must have at least, so that the network leaves something of it."""

        def answered(parameters: Parameters) -> int:
            network = network_of(parameters)
            return 1 if network is None else network.least_side

        return self.model.ask(Kind.NETWORK, answered)

    def _factors(self, question: Callable[[NetworkParameters], tuple[int, ...]]) -> tuple[int, ...]:
        """What the network answers of each axis; 1 where it says nothing of itself."""

        def answered(parameters: Parameters) -> tuple[int, ...]:
            network = network_of(parameters)
            found = (1,) * self.dimensions if network is None else question(network)
            if len(found) != self.dimensions:
                raise BreachError(f"{found} of its axes", f"a number for each of {self.dimensions} axes")
            return found

        return self.model.ask(Kind.NETWORK, answered)

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
        metrics, after = enumerate(self.validation.metrics), enumerate(self.inference.postprocessing)
        return (
            *(PlacedUse(("preprocessing", n, use.name), Kind.PREPROCESSING, use) for n, use in steps),
            *(PlacedUse(("augmentation", n, use.name), Kind.AUGMENTATION, use) for n, use in transforms),
            PlacedUse(("model",), Kind.NETWORK, self.model),
            PlacedUse(("training", "loss"), Kind.LOSS, self.training.loss),
            PlacedUse(("training", "optimizer"), Kind.OPTIMIZER, self.training.optimizer),
            PlacedUse(("training", "schedule"), Kind.SCHEDULE, self.training.schedule),
            *(PlacedUse(("validation", "metrics", n), Kind.METRIC, use) for n, use in metrics),
            *(PlacedUse(("inference", "postprocessing", n, use.name), Kind.POSTPROCESSING, use) for n, use in after),
        )

    @property
    def assets(self) -> dict[str, Asset]:
        """Every file that it needs, by the key that names it."""
        return {} if self.training.start is None else {"training.start": self.training.start}

    @property
    def setting(self) -> Setting:
        """What its parts may ask of it, before one is placed."""
        return Setting(
            place=(),
            task=self.task,
            dimensions=self.dimensions,
            inputs=self.inputs,
            classes=self.outputs if self.regions or self.truth.needs_targets else self.class_names,
            patch=self.patches.size,
            batch_size=self.training.batch_size,
            masked=self.truth.on_grid and self.truth.has_classes,
            columns=tuple(in_order(self.columns)),
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

    @property
    def overlaps(self) -> Regions | None:
        """How its regions lie over the classes of its masks; None where classes are predicted."""
        return regions_over(self.values_by_class, self.regions) if self.regions else None

    @property
    def ignored_values(self) -> tuple[int, ...]:
        """The values of masks whose voxels are neither learned from nor scored."""
        return () if self.ignore is None else listed(self.ignore)

    @property
    def ignored_class(self) -> int | None:
        """The index of such voxels in a mask, behind those of all classes; None where every voxel counts."""
        return None if self.ignore is None else len(self.class_names)

    @property
    def mask_indices(self) -> int:
        """How many indices a mask may have: one for each class, and one for voxels that do not count."""
        return len(self.class_names) + (self.ignore is not None)

    @model_validator(mode="before")
    @classmethod
    def _no_patches_without_images(cls, content: Any) -> Any:
        """A study of a table alone need not say what a patch is."""
        is_table = isinstance(content, Mapping) and content.get("inputs") in ([], ())
        return {"patches": {"size": NO_IMAGE}, **content} if is_table else content

    @model_validator(mode="before")
    @classmethod
    def _no_classes_where_none_are(cls, content: Any) -> Any:
        """Only who predicts classes has to name some, which nobody can tell of a study whose task is no word."""
        if not isinstance(content, Mapping):
            return content
        task = content.get("task")
        has_classes = isinstance(task, str) and likely_truth(task).has_classes and not content.get("regions")
        return content if has_classes else {"classes": {}, **content}

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
        own = column_flaws(self.columns, self.inputs, on_grid=self.truth.on_grid)
        flaws = (*self._truth_flaws(), *own, *inconsistencies(self.parts, self.setting), *self._of_drawing())
        if flaws:
            raise flawed("Study", flaws)
        return self

    def _of_drawing(self) -> Iterator[Flaw]:
        named = [name for name in self.class_names if name != BACKGROUND]
        yield from drawing_flaws(self.patches, self.truth, named)

    def _truth_flaws(self) -> Iterator[Flaw]:
        yield from self.truth.flaws(self)
        if not self.truth.has_regions:
            yield from _stray_of_masks(self)
        if not self.inputs:
            yield from _stray_of_images(self)


def _stray_of_images(study: Study) -> Iterator[Flaw]:
    """A flaw for each key that says something of images, in a study of a table alone."""
    remedy = "Take the line out"
    if study.dicom != REFUSING:
        what = "a study without images reads no DICOM"
        yield Flaw(("dicom",), what, flow(study.dicom.model_dump()), "no `dicom`", remedy=f"{remedy}, or name `inputs`")
    if study.training.layout != "auto":
        what = "a table has no voxels whose channels could lie one way or the other"
        yield Flaw(("training", "layout"), what, study.training.layout, "no `layout`", remedy=remedy)
    if study.inference.scales:
        what, got = "a study without images has none of another size", flow(list(study.inference.scales))
        yield Flaw(("inference", "scales"), what, got, "no `scales`", remedy=remedy)


def _stray_of_masks(study: Study) -> Iterator[Flaw]:
    """A flaw for each key that says something of masks, in a study without masks."""
    for key, got in (("regions", flow(study.regions)), ("ignore", flow(study.ignore))):
        if getattr(study, key):
            what, remedy = f"a {study.task} has no masks, to which `{key}` belongs", "Take the line out"
            yield Flaw((key,), what, got, f"no `{key}`", remedy=remedy)
