"""Which class was taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from wardround.engine.report.colours import INK, SOFT, Series
from wardround.engine.report.figures import FONT, blank, finish, in_both
from wardround.engine.report.lettering import drawable, shortened
from wardround.engine.report.page import Charts, Page
from wardround.engine.summaries import Confusion

_MOST_DRAWN = 12
"""Classes whose table is a picture; of more, letters would be too small for a phone."""
_MOST_PAIRS = 20
_ROOM_FOR_SHARES = 5
_STRONGEST = 0.45
"""How opaque a full cell is: its number must be read on it."""
_LONGEST_NAME = 14


def add_confusion(page: Page, names: Sequence[str], truths: np.ndarray, predicted: np.ndarray) -> None:
    """A picture of the whole table; of many classes the mistakes that were made most often.

    Args:
        names: of the classes.
        truths: (cases,) indices of classes.
        predicted: the same of the predictions.
    """
    table = np.array(Confusion.of(truths, predicted, len(names)).counts)
    if len(names) > _MOST_DRAWN:
        _add_mistakes(page, names, table)
        return
    chart = in_both(_drawn(names, table), _in_words(names, table))
    page.figure(
        Charts((chart,)),
        "Cases of each class (rows) by what they were taken for (columns): right ones in blue, mistakes in orange, the "
        "stronger the larger their part of the row.",
    )


def _drawn(names: Sequence[str], table: np.ndarray) -> Figure:
    figure = blank(1.2 + 0.62 * len(names))
    axes = figure.subplots()
    sums = table.sum(axis=1)
    for (row, column), count in np.ndenumerate(table):
        share = count / sums[row] if sums[row] else 0.0
        look = Series(0 if row == column else 1)
        place = (column - 0.48, row - 0.48)
        axes.add_patch(
            Rectangle(place, 0.96, 0.96, facecolor=look.colour("light"), alpha=_STRONGEST * share, linewidth=0)
        )
        told = f"{count}\n{share:.0%}" if len(names) <= _ROOM_FOR_SHARES and sums[row] else str(count)
        axes.text(column, row, told, ha="center", va="center", color=INK["light"], fontsize=12)
    shown = [shortened(drawable(name), _LONGEST_NAME) for name in names]
    finish(axes, "", "predicted", INK["light"], SOFT["light"])
    axes.set_xticks(range(len(names)), shown, rotation=0 if len(names) <= 3 else 90)
    axes.set_yticks(range(len(names)), shown)
    axes.set_ylabel("truth", color=INK["light"], fontsize=FONT)
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False)
    return figure


def _in_words(names: Sequence[str], table: np.ndarray) -> str:
    rows = (
        f"{name}: {', '.join(f'{count} as {other}' for other, count in zip(names, counts, strict=True) if count)}"
        for name, counts in zip(names, table.tolist(), strict=True)
        if any(counts)
    )
    return f"Cases by truth and prediction. {'; '.join(rows)}"


def _add_mistakes(page: Page, names: Sequence[str], table: np.ndarray) -> None:
    wrong = table * (1 - np.eye(len(names), dtype=table.dtype))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_PAIRS]
    pairs = [(int(row), int(column)) for row, column in zip(*np.unravel_index(order, wrong.shape), strict=True)]
    rows = [
        [names[row], names[column], str(wrong[row, column]), str(table[row].sum())]
        for row, column in pairs
        if wrong[row, column]
    ]
    if rows:
        page.table(
            ["truth", "taken for", "cases", "of"], rows, f"The mistakes that were made most, {_MOST_PAIRS} at most."
        )
