"""Columns of the manifest that a network is given, beside images or alone: numbers, and categories of named levels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, Tag, field_validator

from wardround.engine.basics.closed import Section, unfit
from wardround.engine.basics.flaws import Flaw, flow, written
from wardround.engine.study.located_problems import WRONG_VALUE

LARGEST_TABLE = 512
"""Columns at most: more are pixels of an image, which has a better form than a table."""
NO_IMAGE = (4, 4)
"""The patch of a study without images."""
_RESERVED = re.compile(r"SubjectID|PatientID|Split|Label|Time|Event|Channel_\d+|ValueToPredict(_.*)?", re.IGNORECASE)
_EXAMPLE = "`age: number` or `sex: [female, male]`"
ColumnName = Annotated[str, Field(pattern=r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,126}[^\s\x00-\x1f\x7f])?$")]
Level = Annotated[str, Field(min_length=1, max_length=64)]
Finite = Annotated[float, Field(ge=-1e8, le=1e8)]


class NumberColumn(Section):
    """A column of numbers, each in one unit. A network sees them in units of the training cases' spread about their
    mean.

    missing: what becomes of an empty cell: an `error`, the `mean` of the training cases, or a number that stands for
    it.
    """

    kind: Literal["number"] = "number"
    missing: Literal["error", "mean"] | Finite = "error"

    @property
    def width(self) -> int:
        """How many features it gives."""
        return 1


class CategoryColumn(Section):
    """A column of categories. A network sees for each level whether the case has it.

    levels: what stands in the cells. missing: what becomes of an empty cell: an `error`, or `unknown`, which is a level
    of its own.
    """

    kind: Literal["category"] = "category"
    levels: tuple[Level, ...] = Field(min_length=2, max_length=64)
    missing: Literal["error", "unknown"] = "error"

    @field_validator("levels", mode="before")
    @classmethod
    def _as_texts(cls, levels: Any) -> Any:
        """Levels are often numbers, which YAML reads as such."""
        is_list = isinstance(levels, list | tuple)
        return tuple(_as_text(each) for each in levels) if is_list else levels

    @field_validator("levels")
    @classmethod
    def _differ(cls, levels: tuple[str, ...]) -> tuple[str, ...]:
        if len({plain(level) for level in levels}) != len(levels):
            what, remedy = "two levels are the same", "Write each level once"
            raise unfit(what, got=flow(list(levels)), expected="levels that differ", remedy=remedy)
        return levels

    @property
    def width(self) -> int:
        """One for each level, and one for what is unknown where that is a level too."""
        return len(self.levels) + (self.missing == "unknown")

    def place(self, cell: str) -> int | None:
        """Which level a cell holds; None for none. `1.0` is the level `1`."""
        return next((place for place, level in enumerate(self.levels) if plain(level) == plain(cell)), None)


def _as_text(level: Any) -> Any:
    if isinstance(level, bool) or not isinstance(level, int | float):
        return level
    return str(level) if isinstance(level, int) else f"{level:.15g}"


def plain(text: str) -> Decimal | str:
    """A level or a cell as it is compared: numbers by their value, of which every digit counts, as in codes."""
    word = text.strip()
    try:
        number = Decimal(word)
    except InvalidOperation:
        return word
    return number if number.is_finite() else word


def _meant(value: Any) -> Any:
    """A column as it may be written, with its kind: `number`, a list of levels, or a mapping."""
    if value == "number":
        return {"kind": "number"}
    if isinstance(value, list | tuple):
        return {"kind": "category", "levels": value}
    if isinstance(value, Mapping) and "kind" not in value:
        return {"kind": "category" if "levels" in value else "number", **value}
    if isinstance(value, NumberColumn | CategoryColumn | Mapping):
        return value
    got = "nothing" if value is None else written(value)
    raise unfit(WRONG_VALUE, got=got, expected="`number`, or a list of levels", remedy=f"Write for example {_EXAMPLE}")


ColumnUse = Annotated[
    Annotated[NumberColumn, Tag("number")] | Annotated[CategoryColumn, Tag("category")],
    Field(discriminator="kind"),
    BeforeValidator(_meant),
]
Columns = Mapping[str, NumberColumn | CategoryColumn]


def in_order(columns: Columns) -> dict[str, NumberColumn | CategoryColumn]:
    """By name: the order in which a case's values and a network's features lie, however the study lists them."""
    return dict(sorted(columns.items()))


def numbers_of(columns: Columns) -> tuple[str, ...]:
    """The names of the columns of numbers, in order."""
    return tuple(name for name, column in in_order(columns).items() if isinstance(column, NumberColumn))


def width_of(columns: Columns) -> int:
    """How many features all columns together give."""
    return sum(column.width for column in columns.values())


def column_flaws(columns: Columns, inputs: tuple[str, ...], *, on_grid: bool) -> Iterator[Flaw]:
    """What does not fit of columns and inputs together."""
    if not inputs and not columns:
        what, expected, remedy = (
            "a study without images and without columns has nothing to learn from",
            "one input or more, or `columns`",
            f"Name the channels of the images, or `columns`: {_EXAMPLE}",
        )
        yield Flaw(("inputs",), what, "[]", expected, remedy=remedy)
    if columns and on_grid:
        what, remedy = "what is said of each voxel is learned from images alone", "Take the section out"
        yield Flaw(("columns",), what, flow([*columns]), "no `columns`", remedy=remedy)
    for name in columns:
        if _RESERVED.fullmatch(name):
            what, expected = f"the column {name!r} has a meaning of its own in every table", "a column of features"
            remedy = "Take it out: what a case is called, or what is to be predicted of it, is nothing to predict from"
            yield Flaw(("columns", name), what, name, expected, remedy=remedy)
