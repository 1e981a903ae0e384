"""Columns of the table that a network is given: as arrays, and what training cases tell of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wardround.engine.basics.problems import InputError
from wardround.engine.preprocessing.fitted import Scale
from wardround.engine.preprocessing.requests import CohortSummary
from wardround.engine.study import Study
from wardround.engine.study.tabular import in_order, numbers_of
from wardround.engine.summaries import Moments
from wardround.engine.targets.numbers import LEAST_SPREAD

Cells = Sequence[float | None]
"""Of one case, in the order of the study's columns: numbers as the table has them, places of levels; None where
missing."""


def as_row(cells: Cells) -> np.ndarray:
    """float64 (columns,), NaN where a cell is missing."""
    return np.array([np.nan if cell is None else cell for cell in cells], dtype=np.float64)


def told_numbers(study: Study, cells: Cells) -> list[np.ndarray]:
    """The known number of each column of numbers, as a question about them is answered: one, or none."""
    by_name = dict(zip(in_order(study.columns), cells, strict=True))
    found = (by_name[name] for name in numbers_of(study.columns))
    return [np.array([] if cell is None else [cell], dtype=np.float64) for cell in found]


def column_scales(study: Study, answer: CohortSummary) -> tuple[Scale, ...]:
    """Mean and spread of each column of numbers over the training cases.

    A column that is the same in all of them becomes 0 throughout: its spread counts as 1. Raises `InputError` for one
    of which no training case has a number.
    """
    scales = []
    for name, part in zip(numbers_of(study.columns), answer.parts, strict=True):
        moments = part.summary
        if not isinstance(moments, Moments) or not moments.count:
            raise InputError.one(
                f"no training case has a number in {name!r}, so that its scale is unknown",
                got=f"{answer.cases} training cases",
                remedy="Give cases that have it, or take it out of the study's `columns`",
            )
        flat = moments.deviation < LEAST_SPREAD
        scales.append(Scale(mean=moments.mean, deviation=1.0 if flat else moments.deviation))
    return tuple(scales)
