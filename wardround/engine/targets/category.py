"""Categories: one class for a case, whose number or name stands in the table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wardround.engine.basics.problems import InputError, did_you_mean
from wardround.engine.study.labels import by_value, spoken
from wardround.engine.study.located_problems import Flaw, written
from wardround.engine.study.models import Study
from wardround.engine.study.truths import ValuesByClass
from wardround.engine.targets.classes import lacking_classes, stray_targets
from wardround.engine.targets.probabilities import probabilities
from wardround.engine.targets.target import Column, Columns, Form, Holding, RowTarget, Told

if TYPE_CHECKING:
    import numpy as np

VALUE = "ValueToPredict"
_COLUMN = Column(
    VALUE,
    "the class of each row",
    frozenset({"class", "label", "target", "diagnosis", "value", "category", "outcome", "y"}),
)
_TWO = {"healthy": 0, "ill": 1}


class Category(RowTarget):
    """One of two or more classes; a prediction is a probability for each."""

    name = "category"
    noun = "class"
    remedy = "Give it a ValueToPredict"
    why_undefined = "Undefined: all cases are of one class, or the score is of a whole cohort."
    selectable = "of at least two classes"
    report = "wardround.engine.report.classification:add_classification"
    warnings = "wardround.engine.report.classification:hardly_found"

    def classes(self, study: Study) -> ValuesByClass:
        """The study's, by their first values."""
        return by_value(study.classes)

    def flaws(self, study: Study) -> Iterator[Flaw]:
        """Two classes at least, and no background."""
        yield from stray_targets(study)
        yield from lacking_classes(study, least=2, example=_TWO)
        if len(study.classes) == 1:
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
                remedy="Take the line out. Leave rows with other values out of the table, or list their values in a "
                "class, such as `ill: [1, 2]`",
            )

    def columns(self, study: Study) -> Columns:
        """`ValueToPredict`."""
        return (_COLUMN,)

    def value(self, study: Study, cells: Mapping[str, str]) -> str:
        """The class's number; of several that the study lists for a class, the first."""
        cell, classes = cells[VALUE], study.values_by_class
        number = _whole(cell)
        by_name = [values for name, values in classes.items() if name == cell]
        for values in by_name or [values for values in classes.values() if number in values]:
            return str(values[0])
        raise InputError.one(
            "the value is not one of the study's classes",
            where=VALUE,
            got=repr(cell),
            expected=", ".join(f"{spoken(values)} ({name})" for name, values in classes.items()),
            remedy=_about_no_class(cell, classes),
        )

    def told(self, study: Study, value: str | None) -> Told:
        """The index of the class."""
        if value is None:
            return Told()
        try:
            return Told(category=study.class_values.index(int(value)))
        except ValueError:
            raise InputError.one(
                "this class is not in the study",
                where=VALUE,
                got=repr(value),
                expected=", ".join(map(str, study.class_values)),
            ) from None

    def contents(self, study: Study, value: str | None) -> Collection[float] | None:
        """The index of the class alone."""
        index = {str(each): place for place, values in enumerate(study.values_by_class.values()) for each in values}
        return frozenset({index[value]}) if value in index else None

    def classes_in_table(self, study: Study) -> Mapping[int, str]:
        """All of them."""
        return dict(enumerate(study.class_names))

    def perfect_scores(
        self, study: Study, metric: Any, truths: Sequence[Collection[float]]
    ) -> Iterator[Mapping[str, float]]:
        """Those of the cohort where the true class of each case is certain."""
        import numpy as np

        targets = np.array([min(found) for found in truths], dtype=np.int64)
        certain = np.eye(len(study.class_names), dtype=np.float32)[targets]
        summaries = metric.summarise(certain, targets, study.class_names)
        yield {name: summary.value for name, summary in summaries.items()}

    def cause(self, study: Study, truths: Sequence[Collection[float]]) -> str:
        """Cases of one class cannot be told apart."""
        classes = sorted({int(index) for found in truths for index in found})
        return f"where every case is {study.class_names[classes[0]]!r}" if len(classes) == 1 else "with these cases"

    def forms(self, study: Study) -> Mapping[str, Form]:
        """`category`: the index of the class."""
        return {self.name: Form("int64")}

    def is_known(self, case: Holding) -> bool:
        """Whether its class is known."""
        return case.target is not None

    def held(self, case: Holding) -> Mapping[str, Any]:
        """The index of the class."""
        import numpy as np

        return {self.name: np.asarray(case.target, dtype=np.int64)}

    def example(self, study: Study, samples: int, shape: Sequence[int]) -> Mapping[str, np.ndarray]:
        """Each class in turn."""
        import numpy as np

        return {self.name: np.arange(samples) % len(study.class_names)}

    def described(self, study: Study, values: Counter[str | None]) -> str:
        """Each class with the number of its cases; with its values where there are several."""
        named = study.values_by_class.items()
        return ", ".join(f"{_named(name, each)} ({values[str(each[0])]} cases)" for name, each in named)

    def header(self, study: Study) -> tuple[str, ...]:
        """The number and the name of the most probable class, then a probability for each."""
        return "Prediction", "Class", *self.needed(study)

    def row(self, study: Study, vector: np.ndarray) -> tuple[str | int, ...]:
        """Probabilities with six decimals."""
        index = int(vector.argmax())
        return study.class_values[index], study.class_names[index], *(f"{value:.6f}" for value in vector)

    def needed(self, study: Study) -> tuple[str, ...]:
        """The probabilities."""
        return tuple(f"Probability_{name}" for name in study.class_names)

    def vector(self, study: Study, cells: Sequence[str]) -> np.ndarray:
        """Probabilities, each between 0 and 1."""
        return probabilities(cells, self.needed(study))

    def verdict(self, study: Study, vector: np.ndarray, told: Told) -> str:
        """`truth ill, prediction healthy (73%)`."""
        found, spoken_truth = int(vector.argmax()), self.spoken(study, told)
        known = f"truth {spoken_truth}, " if spoken_truth else ""
        return f"{known}prediction {study.class_names[found]} ({float(vector[found]):.0%})"

    def truth(self, study: Study, told: Told) -> int:
        """The index of the class."""
        assert told.category is not None
        return told.category

    def spoken(self, study: Study, told: Told) -> str:
        """The name of the class."""
        return "" if told.category is None else study.class_names[told.category]

    def example_results(self, study: Study, cases: int) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities at random, and each class in turn."""
        import numpy as np

        scores = np.random.default_rng(study.seed).random((cases, len(study.class_names))).astype(np.float32)
        return scores / scores.sum(axis=1, keepdims=True), np.arange(cases) % len(study.class_names)


def _named(name: str, values: tuple[int, ...]) -> str:
    """A class of a table; its values only where there are several."""
    return name if len(values) == 1 else f"{name}, {spoken(values)}"


def _about_no_class(cell: str, classes: Iterable[str]) -> str:
    """What to do about a value of no class. A word is no number that a class could list."""
    remedy = "Correct the cell, or leave the row out"
    if _whole(cell) is not None:
        return "Correct the cell, leave the row out, or list the value in a class of the study: `name: [1, 2]`"
    likely = did_you_mean(cell, classes)
    return f"{likely} {remedy}" if likely.startswith("Did you mean") else remedy


def _whole(cell: str) -> int | None:
    """The whole number that a cell holds (`1`, `1.0`, `1,0`), or None."""
    try:
        number = float(cell.replace(",", "."))
    except ValueError:
        return None
    return int(number) if number.is_integer() else None


CATEGORY = Category()
