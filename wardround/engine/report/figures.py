"""Charts, drawn for a light and for a dark ground: lines over steps or rounds, scores spread over cases."""

from __future__ import annotations

import io
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from wardround.engine.report.colours import INK, LINES, SOFT, Series
from wardround.engine.report.lettering import drawable, families, shortened
from wardround.engine.report.page import Chart, Charts, Key, number

matplotlib.rcParams["text.parse_math"] = False
matplotlib.rcParams["font.family"] = list(families())
matplotlib.rcParams["svg.hashsalt"] = "wardround"  # the same data give the same bytes
Lines = Mapping[str, Sequence[tuple[float, float]]]
FONT = 13
"""Points of letters in a drawing 360 points wide, which a phone shows a little smaller."""
_LONGEST_NAME = 22
_MOST_KEYS = 40
_MOST_BOXES = 30
_MOST_POINTS = 400
"""Of a box that many points are shown, evenly by rank: more are a smear."""
_DARK = {
    one.encode(): other.encode()
    for one, other in (
        (INK["light"], INK["dark"]),
        (SOFT["light"], SOFT["dark"]),
        *zip(LINES["light"], LINES["dark"], strict=True),
    )
}
_LIGHT = re.compile(b"|".join(_DARK))
_BETWEEN = "#7b8794"
"""An ink that is read on a light and on a dark ground."""


def curves(panels: Mapping[str, Lines], x_label: str = "step", series: Mapping[str, Series] | None = None) -> Charts:
    """A chart for each entry, one line of (x, y) points per name within it, over whole steps or rounds.

    `series` says how the line of a name looks, here and on every other page; other names take what is left, in order.
    """
    looks = _looks([name for lines in panels.values() for name in lines], series or {})
    charts = tuple(_line_chart(title, lines, x_label, looks) for title, lines in panels.items())
    return Charts(charts, _legend(panels, looks))


def curves_png(panels: Mapping[str, Lines], x_label: str = "step") -> bytes:
    """The same charts side by side as one PNG on a transparent ground, for programs that show no page."""
    looks = _looks([name for lines in panels.values() for name in lines], {})
    figure = Figure(figsize=(5.2 * len(panels), 3.6), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (title, lines) in zip(grid, panels.items(), strict=True):
        _draw_lines(axes, lines, looks)
        finish(axes, title, x_label, _BETWEEN, _BETWEEN)
        if lines:
            axes.legend(frameon=False, fontsize=9, labelcolor=_BETWEEN)
    return _saved(figure, "png")


def spread(values: Mapping[str, Sequence[float]], title: str) -> Charts:
    """A box with its points for each name: how scores are spread over cases, sites or folds.

    Of very many names those with the lowest medians are drawn.
    """
    shown = dict(_lowest(values))
    return Charts((in_both(_spread_figure(shown, title), _spread_words(shown, title)),))


def _lowest(values: Mapping[str, Sequence[float]]) -> Iterable[tuple[str, Sequence[float]]]:
    if len(values) <= _MOST_BOXES:
        return values.items()
    return sorted(values.items(), key=lambda item: float(np.median(item[1])))[:_MOST_BOXES]


def _looks(names: Iterable[str], series: Mapping[str, Series]) -> dict[str, Series]:
    looks = dict(series)
    taken = {look.number for look in looks.values()}
    free = (number for number in range(10**6) if number not in taken)
    for name in names:
        if name not in looks:
            looks[name] = Series(next(free))
    return looks


def _legend(panels: Mapping[str, Lines], looks: Mapping[str, Series]) -> tuple[Key, ...]:
    """A key for every line but those that are alone in their chart and on the page: the title names them."""
    charts = Counter(name for lines in panels.values() for name in lines)
    alone = {name for lines in panels.values() if len(lines) == 1 for name in lines if charts[name] == 1}
    names = [name for name in charts if name not in alone]
    keys = [Key(name, looks[name]) for name in names[:_MOST_KEYS]]
    more = len(names) - len(keys)
    return (*keys, *([Key(f"and {more} more", Series(-1))] if more else []))


def _line_chart(title: str, lines: Lines, x_label: str, looks: Mapping[str, Series]) -> Chart:
    figure = blank(2.7)
    axes = figure.subplots()
    _draw_lines(axes, lines, looks)
    finish(axes, title, x_label, INK["light"], SOFT["light"])
    return in_both(figure, _line_words(title, lines, x_label))


def _draw_lines(axes: Any, lines: Lines, looks: Mapping[str, Series]) -> None:
    # The line for all is drawn last, over the others.
    for name, points in sorted(lines.items(), key=lambda item: looks[item[0]].number < 0):
        look = looks[name]
        dashes = tuple(float(length) for length in look.dashes.split())
        axes.plot(
            *zip(*points, strict=True) if points else ([], []),
            label=shortened(drawable(name), _LONGEST_NAME),
            color=look.colour("light"),
            linestyle=(0, dashes) if dashes else "solid",
            marker="o" if len(points) < 30 else None,
            markersize=3.5,
            linewidth=2.2 if look.number < 0 else 1.5,
        )
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))


def _spread_figure(values: Mapping[str, Sequence[float]], title: str) -> Figure:
    figure = blank(1.1 + 0.34 * len(values))
    axes = figure.subplots()
    names = [shortened(drawable(name), _LONGEST_NAME) for name in values]
    line = {"color": INK["light"], "linewidth": 1.2}
    axes.boxplot(
        list(values.values()), tick_labels=names, orientation="horizontal", widths=0.55, showfliers=False,
        boxprops=line, whiskerprops=line, capprops=line, medianprops={"color": Series(1).colour("light")},
    )  # fmt: skip
    for place, points in enumerate(values.values(), start=1):
        kept = _by_rank(points)
        # Points side by side instead of random jitter: the same data give the same picture.
        offsets = np.linspace(-0.2, 0.2, len(kept)) if len(kept) > 1 else np.zeros(len(kept))
        axes.plot(kept, place + offsets, "o", markersize=3, alpha=0.5, color=Series(0).colour("light"))
    axes.invert_yaxis()
    finish(axes, "", title, INK["light"], SOFT["light"])
    axes.grid(visible=False, axis="y")
    return figure


def _by_rank(points: Sequence[float]) -> Sequence[float]:
    if len(points) <= _MOST_POINTS:
        return points
    ordered = np.sort(np.asarray(points, dtype=np.float64))
    return [float(ordered[place]) for place in np.linspace(0, len(ordered) - 1, _MOST_POINTS).round().astype(int)]


def finish(axes: Any, title: str, x_label: str, ink: str, soft: str) -> None:
    """Title and labels, and every line of the frame in the colours of its ground."""
    axes.set_title(drawable(title), fontsize=FONT, color=ink, loc="left")
    axes.set_xlabel(drawable(x_label), fontsize=FONT, color=ink)
    axes.tick_params(labelsize=FONT - 0.5, colors=soft, labelcolor=ink)
    axes.grid(color=soft, alpha=0.25)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(soft)


def blank(height: float) -> Figure:
    """An empty drawing of so many inches below its title."""
    return Figure(figsize=(5, height + 0.5), layout="constrained")


def in_both(figure: Figure, words: str) -> Chart:
    """Drawn once, in the colours of a light ground, of which each has its counterpart on a dark one."""
    light = _saved(figure, "svg")
    return Chart(light, _LIGHT.sub(lambda found: _DARK[found[0]], light), words)


def _saved(figure: Figure, kind: str) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    buffer = io.BytesIO()
    plain = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    (FigureCanvasAgg if kind == "png" else FigureCanvasSVG)(figure)
    figure.savefig(buffer, format=kind, dpi=110, metadata=plain, transparent=True)
    return buffer.getvalue()


def _line_words(title: str, lines: Lines, x_label: str) -> str:
    """The chart in words: where each line begins and ends."""
    told = []
    for name, points in list(lines.items())[:8]:
        if points:
            (first, begin), (last, end) = points[0], points[-1]
            told.append(
                f"{name} {_short(begin)} at {x_label} {_short(first)}, {_short(end)} at {x_label} {_short(last)}"
            )
    more = f"; and {len(lines) - 8} more lines" if len(lines) > 8 else ""
    return f"{title} by {x_label}: {'; '.join(told) or 'nothing yet'}{more}"


def _spread_words(values: Mapping[str, Sequence[float]], title: str) -> str:
    told = [
        f"{name} median {number(float(np.median(points)))}, {number(min(points))} to {number(max(points))}"
        for name, points in list(values.items())[:8]
    ]
    more = f"; and {len(values) - 8} more" if len(values) > 8 else ""
    return f"{title} over cases: {'; '.join(told)}{more}"


def _short(value: float) -> str:
    return f"{value:.0f}" if math.isfinite(value) and value == round(value) else f"{value:.4g}"
