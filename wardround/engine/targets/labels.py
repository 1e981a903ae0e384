"""Labels: several findings of a case, each of which is there, is not there, or is unknown."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wardround.engine.basics.flaws import Flaw
from wardround.engine.basics.problems import InputError
from wardround.engine.study.models import Study
from wardround.engine.study.truths import Outputs, ValuesByClass
from wardround.engine.targets.probabilities import probabilities
from wardround.engine.targets.target import Activation, Column, Columns, Form, Holding, RowTarget, Told
from wardround.engine.targets.unclassed import ill_named_targets, stray_classes

if TYPE_CHECKING:
    import numpy as np

VALUE = "ValueToPredict"
THRESHOLD = 0.5
"""A label with this probability or more is predicted to be there."""
UNKNOWN = -1.0
"""Stands for a label of which nobody has said anything, where a number must stand."""
_BETWEEN = ";"
_SPELT = {"1": "1", "1.0": "1", "0": "0", "0.0": "0", "": "?"}
_MEANT = {
    "1": frozenset({"yes", "y", "true", "t", "positive", "pos", "present", "+", "ja", "oui"}),
    "0": frozenset({"no", "n", "false", "f", "negative", "neg", "absent", "-", "nein", "non"}),
    "": frozenset({"?", "unknown", "unsure", "uncertain", "na", "n/a", "nan", "none", "null", "-1", "-1.0"}),
}
"""What else people write, by what has to stand there."""


class Labels(RowTarget):
    """Several findings, any number of which a case may have; a prediction is a probability for each."""

    name = "labels"
    noun = "label"
    remedy = "Give it a 0 or a 1 in one of its columns ValueToPredict_..."
    title = "labels"
    has_classes = False
    needs_targets = True
    activation = Activation.SIGMOID
    why_undefined = "Undefined: a label has no positive or no negative case, or the score is of a whole cohort."
    selectable = "with and without each label"
    report = "wardround.engine.report.labels:add_labels"
    warnings = "wardround.engine.report.classification:hardly_found"

    def classes(self, study: Study) -> ValuesByClass:
        """None: labels do not exclude one another."""
        return {}

    def outputs(self, study: Study) -> Outputs:
        """The study's targets."""
        return study.targets or ("label",)

    def flaws(self, study: Study) -> Iterator[Flaw]:
        """No classes, no background, and a name for each label."""
        yield from stray_classes(study, "a multi-label study", "`targets: [effusion, nodule]` names the labels")
        yield from ill_named_targets(study)
        if not study.targets:
            what, remedy = "a multi-label study names no labels", "Write for example `targets: [effusion, nodule]`"
            yield Flaw(("targets",), what, "none", "the name of each label", remedy=remedy)

    def columns(self, study: Study) -> Columns:
        """`ValueToPredict_<name>` for each label."""
        return tuple(
            Column(f"{VALUE}_{name}", "1 or 0 in each row, or nothing", frozenset({_letters(name)}), may_be_empty=True)
            for name in self.outputs(study)
        )

    def value(self, study: Study, cells: Mapping[str, str]) -> str:
        """`1`, `0` or `?` for each label, in their order."""
        spelt = [_spelt(cells[column.name], column.name) for column in self.columns(study)]
        if {*spelt} == {"?"}:
            what, remedy = "no label of the row is known", "Give it a 0 or a 1 in one column, or leave the row out"
            raise InputError.one(what, got="empty cells", expected="0 or 1", remedy=remedy)
        return _BETWEEN.join(spelt)

    def told(self, study: Study, value: str | None) -> Told:
        """1, 0 or `UNKNOWN` for each label."""
        if value is None:
            return Told()
        return Told(numbers=tuple(UNKNOWN if each == "?" else float(each) for each in value.split(_BETWEEN)))

    def spoken(self, study: Study, told: Told) -> str:
        """The labels that are there, or `none`."""
        there = [name for name, value in zip(self.outputs(study), told.numbers, strict=False) if value == 1]
        return (", ".join(there) or "none") if told.numbers else ""

    def stratum(self, value: str | None) -> str:
        """One for all: newcomers go where there is room, and no finding is recorded beside a patient."""
        return ""

    def strata(self, values: Sequence[str | None]) -> list[str]:
        """The combination of a case's labels."""
        return [value or "" for value in values]

    def contents(self, study: Study, value: str | None) -> Collection[float] | None:
        """As `told`."""
        return self.told(study, value).numbers or None

    def classes_in_table(self, study: Study) -> Mapping[int, str]:
        """All labels."""
        return dict(enumerate(self.outputs(study)))

    def classes_told(self, study: Study, value: str | None) -> Collection[float]:
        """The places of the labels that are there."""
        return frozenset(place for place, each in enumerate(self.told(study, value).numbers) if each == 1)

    def perfect_scores(
        self, study: Study, metric: Any, truths: Sequence[Collection[float]]
    ) -> Iterator[Mapping[str, float]]:
        """Those of the cohort where each label is certain."""
        import numpy as np

        known = np.array([tuple(each) for each in truths], dtype=np.float32)
        found = metric.summarise((known == 1).astype(np.float32), _with_nan(known), self.outputs(study))
        yield {name: summary.value for name, summary in found.items()}

    def cause(self, study: Study, truths: Sequence[Collection[float]]) -> str:
        """A label that all have, or none, cannot be told from its absence."""
        return "where no label has both a positive and a negative case"

    def forms(self, study: Study) -> Mapping[str, Form]:
        """`labels`: 1, 0, or NaN where a label is unknown, so that no loss can take it for an answer."""
        return {self.name: Form("float32", (len(self.outputs(study)),))}

    def is_known(self, case: Holding) -> bool:
        """Whether one of its labels is known."""
        return bool(case.numbers)

    def held(self, case: Holding) -> Mapping[str, Any]:
        """The labels."""
        return {self.name: _with_nan(case.numbers)}

    def example(self, study: Study, samples: int, shape: Sequence[int]) -> Mapping[str, np.ndarray]:
        """Each label in every other sample."""
        return {self.name: self.example_results(study, samples)[1]}

    def described(self, study: Study, values: Counter[str | None]) -> str:
        """Each label with the number of its positive cases, and of those of which it is unknown."""
        told = {self.told(study, value).numbers: count for value, count in values.items() if value is not None}
        return ", ".join(_counted(name, place, told) for place, name in enumerate(self.outputs(study)))

    def header(self, study: Study) -> tuple[str, ...]:
        """1 or 0 for each label, then the probability of each."""
        return (*(f"Prediction_{name}" for name in self.outputs(study)), *self.needed(study))

    def row(self, study: Study, vector: np.ndarray) -> tuple[str | int, ...]:
        """Probabilities with six decimals."""
        return (*(int(value >= THRESHOLD) for value in vector), *(f"{value:.6f}" for value in vector))

    def needed(self, study: Study) -> tuple[str, ...]:
        """The probabilities."""
        return tuple(f"Probability_{name}" for name in self.outputs(study))

    def vector(self, study: Study, cells: Sequence[str]) -> np.ndarray:
        """Probabilities, each between 0 and 1."""
        return probabilities(cells, self.needed(study))

    def verdict(self, study: Study, vector: np.ndarray, told: Told) -> str:
        """`truth effusion, prediction effusion (73%), nodule (51%)`."""
        named = zip(self.outputs(study), vector.tolist(), strict=True)
        found = ", ".join(f"{name} ({value:.0%})" for name, value in named if value >= THRESHOLD) or "none"
        return f"truth {self.spoken(study, told)}, prediction {found}" if told.numbers else f"prediction {found}"

    def truth(self, study: Study, told: Told) -> np.ndarray:
        """float32, NaN where a label is unknown."""
        return _with_nan(told.numbers)

    def example_results(self, study: Study, cases: int) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities at random, and each label in every other case."""
        import numpy as np

        labels = len(self.outputs(study))
        scores = np.random.default_rng(study.seed).random((cases, labels)).astype(np.float32)
        turns = np.arange(cases)[:, None] + np.arange(labels)
        return scores, (turns % 2).astype(np.float32)


def _with_nan(labels: Sequence[float] | np.ndarray) -> np.ndarray:
    import numpy as np

    values = np.asarray(labels, dtype=np.float32)
    return np.where(values == UNKNOWN, np.float32(math.nan), values)


def _counted(name: str, place: int, told: Mapping[tuple[float, ...], int]) -> str:
    counts = Counter[float]()
    for labels, count in told.items():
        counts[labels[place]] += count
    unknown = f", {counts[UNKNOWN]} unknown" if counts[UNKNOWN] else ""
    return f"{name} ({counts[1.0]} of {counts[1.0] + counts[0.0]} cases{unknown})"


def _spelt(cell: str, column: str) -> str:
    """`1`, `0` or `?`. Raises `InputError` that says what stands in a cell instead."""
    if cell in _SPELT:
        return _SPELT[cell]
    meant = next((write for write, words in _MEANT.items() if cell.lower() in words), None)
    remedy = "Write 1 where the case has it, 0 where it has not, and nothing where that is unknown"
    if meant is not None:
        remedy = f"Write {meant}" if meant else "Leave the cell empty: the label then counts neither way"
    what, expected = "the cell is neither 0 nor 1", "0, 1 or nothing"
    raise InputError.one(what, where=column, got=repr(cell), expected=expected, remedy=remedy)


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isascii() and letter.isalnum())


LABELS = Labels()
