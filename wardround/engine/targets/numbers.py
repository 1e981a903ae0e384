"""Numbers: one or several for a case, in cells of the table, such as an age or a volume."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wardround.engine.basics.flaws import Flaw
from wardround.engine.basics.problems import Problem
from wardround.engine.study.models import Study
from wardround.engine.study.truths import Outputs
from wardround.engine.targets.cells import number_in
from wardround.engine.targets.number_rows import BETWEEN, NumberRows
from wardround.engine.targets.target import Column, Columns, Form, Told
from wardround.engine.targets.unclassed import ill_named_targets, stray_classes

if TYPE_CHECKING:
    import numpy as np

VALUE = "ValueToPredict"
USUAL = "value"
"""The name of a single number that the study does not name."""
LEAST_SPREAD = 1e-12
"""Of the numbers of a column, as their standard deviation: less is no scale that hospitals can agree on."""
_QUARTERS = 4
_FEWEST = 8
"""Cases from which folds get the like of small and large numbers."""
_CALLED = frozenset({"value", "target", "number", "outcome", "y", "age", "score", "volume", "label"})


class Numbers(NumberRows):
    """Real numbers in the unit of the table; a network learns them in units of the training cases' spread."""

    name = "numbers"
    noun = "number"
    remedy = "Give it a ValueToPredict"
    title = "numbers"
    why_undefined = "Undefined: all cases have the same number, or the score is of a whole cohort."
    selectable = "with different numbers"
    report = "wardround.engine.report.agreement:add_agreement"

    def outputs(self, study: Study) -> Outputs:
        """The study's targets, or `value`."""
        return study.targets or (USUAL,)

    def flaws(self, study: Study) -> Iterator[Flaw]:
        """No classes, no background, and each name once, as the name of a column can end."""
        yield from stray_classes(study, "a regression", "`targets: [age]` names the numbers")
        yield from ill_named_targets(study)

    def columns(self, study: Study) -> Columns:
        """`ValueToPredict`, or `ValueToPredict_<name>` for each of the study's targets."""
        return tuple(Column(name, "the number of each row", _CALLED) for name in self._columns(study))

    def _columns(self, study: Study) -> tuple[str, ...]:
        return tuple(f"{VALUE}_{name}" for name in study.targets) or (VALUE,)

    def value(self, study: Study, cells: Mapping[str, str]) -> str:
        """The shortest text of each number, as float64 has it, in the order of the outputs."""
        return BETWEEN.join(repr(number_in(cells[column], column)) for column in self._columns(study))

    def spoken(self, study: Study, told: Told) -> str:
        """`43.2`, or `age 43.2, weight 71`."""
        return self._named(study, told.numbers)

    def stratum(self, value: str | None) -> str:
        """One for all: newcomers go where there is room, and no number is recorded beside a patient."""
        return ""

    def strata(self, values: Sequence[str | None]) -> list[str]:
        """The quarter of the cases that a case's first number is in; equal numbers are in one quarter."""
        import numpy as np

        numbers = np.array([float((value or "0").split(BETWEEN)[0]) for value in values])
        if len(numbers) < _FEWEST:
            return [""] * len(values)
        edges = np.quantile(numbers, np.arange(1, _QUARTERS) / _QUARTERS)
        return [str(place) for place in np.searchsorted(edges, numbers, side="right").tolist()]

    def table_flaws(self, study: Study, values: Sequence[str]) -> Iterator[Problem]:
        """A number that is the same in every row teaches nothing, and one whose spread vanishes cannot be scaled."""
        import numpy as np

        told = [self.told(study, value).numbers for value in values]
        for column, numbers in zip(self._columns(study), zip(*told, strict=True), strict=False):
            if len({*numbers}) == 1 and len(numbers) > 1:
                got = f"{numbers[0]:g} in all {len(told)} rows"
                other = f"Name the column that has the numbers {column}"
                remedy = f"{other}, or take this one out of the study's `targets`" if study.targets else other
                yield Problem(f"every row has the same number in {column}", "", got, "numbers that differ", remedy)
            elif len(numbers) > 1 and np.std(numbers) < LEAST_SPREAD:
                what, got = f"the numbers in {column} hardly differ", f"a standard deviation of {np.std(numbers):.2g}"
                remedy = "Write the numbers of this column in a smaller unit"
                yield Problem(what, "", got, f"{LEAST_SPREAD:g} or more", remedy)

    def perfect_scores(
        self, study: Study, metric: Any, truths: Sequence[Collection[float]]
    ) -> Iterator[Mapping[str, float]]:
        """Those of the cohort where each prediction is the truth."""
        import numpy as np

        known = np.array([tuple(each) for each in truths], dtype=np.float64)
        yield {name: summary.value for name, summary in metric.summarise(known, known, self.outputs(study)).items()}

    def cause(self, study: Study, truths: Sequence[Collection[float]]) -> str:
        """Equal numbers have no spread to explain."""
        return "where all cases have the same number" if len(set(map(tuple, truths))) == 1 else "with these cases"

    def numbers_to_scale(self, study: Study) -> int:
        """All of them."""
        return len(self.outputs(study))

    def forms(self, study: Study) -> Mapping[str, Form]:
        """`numbers`: in the unit of the table."""
        return {self.name: Form("float64", (len(self.outputs(study)),))}

    def example(self, study: Study, samples: int, shape: Sequence[int]) -> Mapping[str, np.ndarray]:
        """Normally distributed."""
        return {self.name: self.example_results(study, samples)[1]}

    def described(self, study: Study, values: Counter[str | None]) -> str:
        """Each number with its range and mean."""
        told = [self.told(study, value).numbers for value in values.elements() if value is not None]
        columns = dict(zip(self.outputs(study), zip(*told, strict=True), strict=False))
        ranges = (f"{name} {min(each):g} to {max(each):g}, mean {_mean(each):.4g}" for name, each in columns.items())
        return "; ".join(ranges)

    def header(self, study: Study) -> tuple[str, ...]:
        """`Prediction`, or `Prediction_<name>` for each of the study's targets."""
        return tuple(f"Prediction_{name}" for name in study.targets) or ("Prediction",)

    def verdict(self, study: Study, vector: np.ndarray, told: Told) -> str:
        """`truth 43.2, prediction 45.1`."""
        known = f"truth {self.spoken(study, told)}, " if told.numbers else ""
        return f"{known}prediction {self._named(study, vector.tolist())}"

    def example_results(self, study: Study, cases: int) -> tuple[np.ndarray, np.ndarray]:
        """Normally distributed, both."""
        import numpy as np

        made = np.random.default_rng(study.seed).normal(size=(2, cases, len(self.outputs(study))))
        return made[0], made[1]

    def _named(self, study: Study, numbers: Sequence[float]) -> str:
        names = study.targets if len(study.targets) > 1 else ("",)
        pairs = zip(names, numbers, strict=False)
        return ", ".join(f"{name} {value:.4g}".strip() for name, value in pairs)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


NUMBERS = Numbers()
