"""Kinds of truth that are a few numbers in a row's cells: how these are kept, held, and written as predictions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wardround.engine.study.models import Study
from wardround.engine.study.truths import ValuesByClass
from wardround.engine.targets.cells import predicted_in
from wardround.engine.targets.target import Activation, Holding, RowTarget, Told

if TYPE_CHECKING:
    import numpy as np

BETWEEN = ";"
"""Between the numbers of a `Case.value`."""


class NumberRows(RowTarget):
    """Numbers without classes; outputs of a network are predictions as they are."""

    has_classes = False
    activation = Activation.IDENTITY

    def classes(self, study: Study) -> ValuesByClass:
        """None."""
        return {}

    def told(self, study: Study, value: str | None) -> Told:
        """The numbers, in the order of the columns."""
        return Told() if value is None else Told(numbers=tuple(map(float, value.split(BETWEEN))))

    def contents(self, study: Study, value: str | None) -> Collection[float] | None:
        """The numbers."""
        return self.told(study, value).numbers or None

    def is_known(self, case: Holding) -> bool:
        """Whether it has its numbers."""
        return bool(case.numbers)

    def held(self, case: Holding) -> Mapping[str, Any]:
        """The numbers as the table has them."""
        import numpy as np

        return {self.name: np.asarray(case.numbers, dtype=np.float64)}

    def row(self, study: Study, vector: np.ndarray) -> tuple[str | int, ...]:
        """The shortest text from which each number is read back as it is."""
        return tuple(map(repr, vector.tolist()))

    def needed(self, study: Study) -> tuple[str, ...]:
        """All of them."""
        return self.header(study)

    def vector(self, study: Study, cells: Sequence[str]) -> np.ndarray:
        """Finite numbers, however large: a model may be far off."""
        import numpy as np

        columns = self.needed(study)
        return np.array([predicted_in(cell, column) for cell, column in zip(cells, columns, strict=True)])

    def truth(self, study: Study, told: Told) -> np.ndarray:
        """The numbers."""
        import numpy as np

        return np.asarray(told.numbers, dtype=np.float64)
