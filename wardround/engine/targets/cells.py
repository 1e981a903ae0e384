"""Numbers in cells of tables: what is one, and what is said of anything else."""

from __future__ import annotations

import math
import re

from wardround.engine.basics.problems import InputError

LARGEST = 1e8
"""Of a number: errors and their squares stay within the ranges of the metrics."""
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?\d+,\d+")
_WITH_UNIT = re.compile(r"([+-]?\d+(?:[.,]\d+)?)(?:\s+[^\W\d_]\S*|[^\W\d_]+[23]?|\s*[°%]\S*)")


def number_in(cell: str, column: str) -> float:
    """The number of a cell. Raises `InputError` that says what stands there instead."""
    if _NUMBER.fullmatch(cell.strip()):
        number = float(cell)
        if abs(number) <= LARGEST:
            return number + 0.0  # not -0.0, which is another text for the same number
        what, expected = "the number is too large to be learned", f"from -{LARGEST:g} to {LARGEST:g}"
        remedy = "Write the numbers of this column in a larger unit"
        raise InputError.one(what, where=column, got=repr(cell), expected=expected, remedy=remedy)
    raise InputError.one(_what(cell), where=column, got=repr(cell), expected="a number", remedy=_instead(cell))


def predicted_in(cell: str, column: str) -> float:
    """The number of a cell with a prediction. Raises `InputError` that says what stands there instead."""
    number = float(cell) if _NUMBER.fullmatch(cell.strip()) else math.nan
    if math.isfinite(number):
        return number
    remedy = f"Write {cell.replace(',', '.')}" if _COMMA.fullmatch(cell) else "Predict the case again, or leave it out"
    what, got = f"the prediction in {column} is no number", repr(cell) if cell else "nothing"
    raise InputError.one(what, got=got, expected="a finite number", remedy=remedy)


def _what(cell: str) -> str:
    if _COMMA.fullmatch(cell):
        return "the number is written with a comma"
    if _WITH_UNIT.fullmatch(cell):
        return "the cell has a unit beside its number"
    return "the cell is no number"


def _instead(cell: str) -> str:
    if _COMMA.fullmatch(cell):
        return f"Write {cell.replace(',', '.')}: save the table with points in numbers"
    unit = _WITH_UNIT.fullmatch(cell)
    if unit is not None:
        return f"Write {unit[1].replace(',', '.')} alone, and the same unit in every row"
    return "Write the number, or leave the row out"
