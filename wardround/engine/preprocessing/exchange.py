"""Images in the place of masks and masks in the place of images, known by what they hold.

A mask has few values, whole numbers all of them; an image has many. Where the file in the mask's place has many, and
one in an image's place few, the two cells are exchanged, and no value is to be listed in a class for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.cohort.models import Case
from wardround.engine.imaging import read_image
from wardround.engine.imaging.sources import Source
from wardround.engine.study.labels import LARGEST_VALUE

FEW = 16
"""Values that a mask may have in the place of an image; fewer than images have, and more than most masks."""
_SAMPLE = 20_000
"""Voxels of an image that are looked at first: they show almost always that it is no mask."""
_SHOWN_LINES = 10
_SHOWN_VALUES = 8


@dataclass(frozen=True)
class Exchanged(Problem):
    """Image and mask of one row, each in the place of the other.

    Attributes:
        row: line of the table.
        channel: column in which the mask stands.
    """

    row: int = 0
    channel: str = ""


def exchanged(case: Case, channels: Sequence[np.ndarray], label: np.ndarray) -> Problem | None:
    """The problem of a row in whose mask's place an image stands, while a mask stands in an image's place; or the same.

    Args:
        case: the row.
        channels: the voxels of each of its images, in the order of its files.
        label: the voxels of what stands in the mask's place.
    """
    for index, voxels in enumerate(channels):
        values = few_values(voxels)
        if values is not None and few_values(label) is None:
            return _exchanged(case, index, values, label)
    return copied(case, channels, label)


def copied(case: Case, channels: Sequence[np.ndarray], label: np.ndarray) -> Problem | None:
    """The problem of a row of which an image and the mask are the same voxels."""
    for index, voxels in enumerate(channels):
        if _are_equal(voxels, label):
            return _same(case, index, is_mask=few_values(label) is not None)
    return None


def exchanged_files(case: Case, channels: Sequence[np.ndarray], label: Source) -> Problem | None:
    """`exchanged`, for a file in the mask's place that cannot be read as a mask."""
    try:
        voxels = read_image(label).data
    except (InputError, OSError):  # what is wrong with it is told by whoever reads it as a mask
        return None
    return exchanged(case, channels, voxels[0]) if len(voxels) == 1 else None


def few_values(voxels: np.ndarray) -> np.ndarray | None:
    """The values of voxels that are those of a mask: few whole numbers; None for those of an image."""
    return None if _of_mask(_sample(voxels)) is None else _of_mask(voxels)


def _are_equal(voxels: np.ndarray, label: np.ndarray) -> bool:
    """Whether two files hold the same, and more than one value."""
    if voxels.shape != label.shape or not np.array_equal(_sample(voxels), _sample(label)):
        return False
    return bool(np.array_equal(voxels, label) and label.min() != label.max())


def _sample(voxels: np.ndarray) -> np.ndarray:
    flat = voxels.reshape(-1)
    return flat[:: max(1, flat.size // _SAMPLE)]


def _of_mask(values: np.ndarray) -> np.ndarray | None:
    found = np.unique(values)
    is_few = 0 < len(found) <= FEW and bool(np.isfinite(found).all())
    whole = is_few and found[0] >= 0 and found[-1] <= LARGEST_VALUE and bool((found == np.rint(found)).all())
    return found.astype(np.int64) if whole else None


def _exchanged(case: Case, index: int, values: np.ndarray, label: np.ndarray) -> Exchanged:
    column, image = f"Channel_{index}", case.channels[index]
    few = ", ".join(map(str, values[:_SHOWN_VALUES])) + (" and so on" if len(values) > _SHOWN_VALUES else "")
    mask = case.label.name if case.label is not None else ""
    return Exchanged(
        "image and mask seem to be exchanged",
        case.name,
        f"values from {label.min():g} to {label.max():g} in Label ({mask}), only {few} in {column} ({image.name})",
        "few whole numbers in the mask, and many values in the image",
        f"Exchange the cells {column} and Label of this row",
        row=case.row,
        channel=column,
    )


def _same(case: Case, index: int, *, is_mask: bool) -> Problem:
    column = f"Channel_{index}"
    wrong, other, meant = (column, "Label", "image") if is_mask else ("Label", column, "mask")
    path = case.channels[index] if is_mask else case.label or Path()
    holds = "the mask itself stands" if is_mask else "the image itself stands"
    return Problem(
        f"{holds} in the place of the {meant}",
        f"{case.name}, {wrong} ({path.name})",
        f"the very voxels of {other}",
        f"the {meant} of this row",
        f"Name the {meant}'s file in {wrong}",
    )


def told_of_columns(problems: Sequence[Problem], table: str, rows: int) -> list[Problem]:
    """Problems in which rows whose image and mask are exchanged are one; where all rows are so, it is the header's."""
    told = list(problems)
    for channel in dict.fromkeys(problem.channel for problem in told if isinstance(problem, Exchanged)):
        mine = [problem for problem in told if isinstance(problem, Exchanged) and problem.channel == channel]
        if len(mine) > 1:
            told[told.index(mine[0])] = _of_header(mine[0], table) if len(mine) == rows else _of_rows(mine, table)
            told = [problem for problem in told if problem not in mine]
    return told


def _of_header(first: Exchanged, table: str) -> Problem:
    return Problem(
        f"the columns {first.channel} and Label seem to be exchanged",
        f"{table}, header",
        f"an image under Label and a mask under {first.channel} in every row; on line {first.row} {first.got}",
        first.expected,
        f"Exchange the names {first.channel} and Label in the header",
    )


def _of_rows(problems: Sequence[Exchanged], table: str) -> Problem:
    first, lines = problems[0], _lines([problem.row for problem in problems])
    return Problem(
        f"image and mask seem to be exchanged in {len(problems)} rows",
        f"{table}, {lines}",
        f"on line {first.row} {first.got}",
        first.expected,
        f"Exchange the cells {first.channel} and Label on {lines}",
    )


def _lines(rows: Sequence[int]) -> str:
    shown = [*map(str, rows[:_SHOWN_LINES])]
    if len(rows) > _SHOWN_LINES:
        return f"lines {', '.join(shown)} and {len(rows) - _SHOWN_LINES} more"
    return f"lines {', '.join(shown[:-1])} and {shown[-1]}"
