"""What a kind of truth is: all that depends on what stands for the truth of a case, in one place.

A room asks `target_of(study)` and does what it is told; none asks for the name of a task. What a kind of truth needs of
its own in a room above lies there in a file of its own, which it names.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

from pydantic import Field

from wardround.engine.basics.problems import Problem
from wardround.engine.study.located_problems import Flaw
from wardround.engine.study.models import Study
from wardround.engine.study.truths import Outputs, ValuesByClass

if TYPE_CHECKING:
    import numpy as np


class Written(StrEnum):
    """How predictions are written: a mask for each case, images for each case, or a row of one table."""

    FILE = "file"
    IMAGE = "image"
    ROW = "row"


class Activation(StrEnum):
    """What turns the outputs of a network into a prediction."""

    SOFTMAX = "softmax"
    SIGMOID = "sigmoid"
    IDENTITY = "identity"


@dataclass(frozen=True)
class Column:
    """A column of the manifest that tells the truth.

    Attributes:
        name: as it must be written.
        holds: what stands in it, in words.
        also_called: what else people call it, in small letters and digits alone.
        is_file: whether its cells are paths of files.
        may_be_empty: whether a row without it can still have truth in other columns.
        is_image: whether those files are images that are to be made, on the grid of the case's own, and no masks.
    """

    name: str
    holds: str
    also_called: frozenset[str]
    is_file: bool = False
    may_be_empty: bool = False
    is_image: bool = False


Columns = Annotated[tuple[Column, ...], Field(min_length=1)]
"""Where the truth stands: in one column at least."""


@dataclass(frozen=True)
class Told:
    """What a table tells of the truth of one case.

    Attributes:
        category: index of the class in `Study.class_names`.
        numbers: in the unit of the table, as many and in the order that the kind of truth has them; empty where it
            tells none.
    """

    category: int | None = None
    numbers: tuple[float, ...] = ()

    @classmethod
    def of(cls, case: Holding) -> Told:
        """That of a stored case."""
        return cls(case.target, case.numbers)


@dataclass(frozen=True)
class Form:
    """The form of one tensor of truth, of one sample.

    Attributes:
        dtype: by torch's name, as narrow as the values allow.
        shape: of the sample's own; where `on_grid`, of what each voxel of the patch has.
        on_grid: whether it has values for each voxel of the patch.
    """

    dtype: str
    shape: tuple[int, ...] = ()
    on_grid: bool = False


class Holding(Protocol):
    """A stored case, as far as its truth goes."""

    @property
    def mask(self) -> Any:
        """Class indices on the case's grid, as a readable; None where there is no mask."""

    @property
    def has_label(self) -> bool:
        """Whether there is a mask, without touching it."""

    @property
    def wanted(self) -> Any:
        """The images that are to be made, on the case's grid, as a readable; None where there are none."""

    @property
    def has_wanted(self) -> bool:
        """Whether there are such images, without touching them."""

    @property
    def target(self) -> int | None:
        """Index of the class."""

    @property
    def numbers(self) -> tuple[float, ...]:
        """As `Told.numbers`."""


class Target(ABC):
    """A kind of truth.

    Attributes:
        name: of the kind, and of its tensor in `Batch.truth`.
        noun: what a case with truth has, in words, such as `mask`.
        remedy: what to do about a case without truth.
        title: what a summary of a study calls its outputs.
        has_classes: whether a study must name classes.
        needs_targets: whether a study must name `targets`.
        has_regions: whether a study may name regions that overlap, and voxels to ignore: whether the truth is a mask.
        first_value: the least value that a class may have.
        on_grid: whether each voxel has its own truth, so that a network's outputs have the grid of its inputs.
        written: how predictions are written.
        activation: what turns outputs into a prediction, unless `activation_of` answers for a study.
        scores_tell_truths: whether scores of very few cases would tell what the table says of each.
        unread: what only the voxels tell, in words.
        why_undefined: why a case or a cohort may lack a score, in a sentence.
        selectable: with what cases a validation set could select the best model, in words.
        report: `module:attribute` of what a page shows beside scores and pictures; empty for nothing.
        warnings: `module:attribute` of what people must be told of predictions that are no good; empty for nothing.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    remedy: ClassVar[str]
    title: ClassVar[str] = "classes"
    has_classes: ClassVar[bool] = True
    needs_targets: ClassVar[bool] = False
    has_regions: ClassVar[bool] = False
    first_value: ClassVar[int] = 0
    on_grid: ClassVar[bool] = False
    written: ClassVar[Written] = Written.ROW
    activation: ClassVar[Activation] = Activation.SOFTMAX
    scores_tell_truths: ClassVar[bool] = False
    unread: ClassVar[tuple[str, ...]] = ("voxels", "intensities")
    why_undefined: ClassVar[str]
    selectable: ClassVar[str]
    report: ClassVar[str] = ""
    warnings: ClassVar[str] = ""

    @abstractmethod
    def classes(self, study: Study) -> ValuesByClass:
        """All values of each class in masks or tables, by its name, in the order of the network's outputs."""

    def outputs(self, study: Study) -> Outputs:
        """Names of the network's output channels, in order."""
        return tuple(self.classes(study))

    def activation_of(self, study: Study) -> Activation:
        """What turns the outputs of a study's network into a prediction."""
        return self.activation

    def title_of(self, study: Study) -> str:
        """What a summary calls the outputs of a study."""
        return self.title

    @abstractmethod
    def flaws(self, study: Study) -> Iterator[Flaw]:
        """What a study of sound sections says of its truth that does not fit."""

    def grid(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The grid of a network's outputs, for inputs on a grid of this shape."""
        return tuple(shape) if self.on_grid else ()

    @abstractmethod
    def columns(self, study: Study) -> Columns:
        """The columns of the manifest that tell it."""

    def value(self, study: Study, cells: Mapping[str, str]) -> str:
        """A row's filled cells, by column, as they are kept in `Case.value`: one text for all that mean the same.

        Raises `InputError`, without a place, for what cannot stand in a cell; a problem's `where` is its column.
        """
        raise TypeError(f"the {self.noun} of a case does not stand in cells, but in a file")

    def told(self, study: Study, value: str | None) -> Told:
        """What a `Case.value` tells. Raises `InputError`, without a place, where the study knows no such value."""
        return Told()

    def spoken(self, study: Study, told: Told) -> str:
        """What the table tells of a case in a word; empty where it tells nothing."""
        return ""

    def stratum(self, value: str | None) -> str:
        """Of which cases each fold gets its share: those whose values have the same stratum. It is recorded beside the
        patient, and decides where newcomers go."""
        return value or ""

    def strata(self, values: Sequence[str | None]) -> list[str]:
        """Those of all cases of a table, for fresh folds: here they may depend on the others."""
        return [self.stratum(value) for value in values]

    def mixed_by(self, case: Holding) -> str:
        """What batches have the like of: samples of each kind are spread evenly over an epoch. One kind by default."""
        return ""

    def table_notices(self, study: Study, values: Sequence[str]) -> Iterator[Problem]:
        """What may surprise of the values that one model is trained on; problems have no place yet."""
        return iter(())

    def table_flaws(self, study: Study, values: Sequence[str]) -> Iterator[Problem]:
        """What is wrong with the values of a whole table, each of which is sound; problems have no place yet."""
        return iter(())

    def contents(self, study: Study, value: str | None) -> Collection[float] | None:
        """What the table tells of a case, for `perfect_scores`; None where only its files tell, or nothing."""
        return None

    def made_of_inputs(self, study: Study) -> tuple[int, ...]:
        """The places of inputs that are themselves to be made again, as an autoencoder does; none where the truth lies
        elsewhere."""
        return ()

    def classes_in_masks(self, study: Study) -> Mapping[int, str]:
        """The classes that masks show, by index."""
        return {}

    def structures(self, study: Study) -> Mapping[str, frozenset[int]]:
        """What masks show, by name: the indices of the classes of which each structure is made."""
        return {name: frozenset({index}) for index, name in self.classes_in_masks(study).items()}

    def classes_in_table(self, study: Study) -> Mapping[int, str]:
        """The classes that a table's rows have, by index."""
        return {}

    def classes_told(self, study: Study, value: str | None) -> Collection[float]:
        """Which of `classes_in_table` a row with this value has."""
        return self.contents(study, value) or ()

    @abstractmethod
    def perfect_scores(
        self, study: Study, metric: Any, truths: Sequence[Collection[float]]
    ) -> Iterator[Mapping[str, float]]:
        """Scores of cases with these contents by one of the study's metrics, if a model is right about all of them."""

    @abstractmethod
    def cause(self, study: Study, truths: Sequence[Collection[float]]) -> str:
        """Why the selecting metric may be undefined for such cases, as a clause that begins with where or with."""

    def bytes_per_voxel(self, study: Study) -> int:
        """Disk that the truth of a stored case takes for each of its voxels."""
        return 0

    def numbers_to_scale(self, study: Study) -> int:
        """Of how many numbers a model has to know mean and spread over the training cases: one for each output, or
        none."""
        return 0

    @abstractmethod
    def forms(self, study: Study) -> Mapping[str, Form]:
        """The tensors of truth that a batch has, by name."""

    @abstractmethod
    def is_known(self, case: Holding) -> bool:
        """Whether a stored case has truth, without touching its arrays."""

    @abstractmethod
    def held(self, case: Holding) -> Mapping[str, Any]:
        """A known truth of a stored case by the names of `forms`: an array; or, where it is on the grid, what gives its
        regions (`imaging.readable.Readable`)."""

    @abstractmethod
    def example(self, study: Study, samples: int, shape: Sequence[int]) -> Mapping[str, np.ndarray]:
        """Made-up truth of a few samples on a grid, always the same, in the forms of `forms`."""

    @abstractmethod
    def described(self, study: Study, values: Counter[str | None]) -> str:
        """The study's outputs in a line for people; `values` counts the cases of each `Case.value`."""


class RowTarget(Target):
    """A kind of truth that stands in cells of the table; a prediction is a vector, and is written as a row."""

    @abstractmethod
    def header(self, study: Study) -> tuple[str, ...]:
        """Names of the columns of a table of predictions, behind `SubjectID`."""

    @abstractmethod
    def row(self, study: Study, vector: np.ndarray) -> tuple[str | int, ...]:
        """A prediction's cells, in the order of `header`."""

    @abstractmethod
    def needed(self, study: Study) -> tuple[str, ...]:
        """Those columns of `header` from which a prediction can be read back."""

    @abstractmethod
    def vector(self, study: Study, cells: Sequence[str]) -> np.ndarray:
        """A prediction from the cells of `needed`. Raises `InputError`, without a place, unless they are one."""

    @abstractmethod
    def verdict(self, study: Study, vector: np.ndarray, told: Told) -> str:
        """A prediction beside the truth, if it is known, in words."""

    @abstractmethod
    def truth(self, study: Study, told: Told) -> int | np.ndarray:
        """The truth of a case as a metric takes it: beside a vector of one prediction. It is known."""

    @abstractmethod
    def example_results(self, study: Study, cases: int) -> tuple[np.ndarray, np.ndarray]:
        """Made-up predictions (cases, outputs) and their truths (cases, ...), for a trial of metrics."""
