"""Pictures of images: a plane in true proportions on black, with contours, letters at its edges and a bar in mm."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from wardround.engine.report.colours import Outline, class_colour
from wardround.engine.report.lettering import drawable, families, shortened
from wardround.engine.report.page import Key
from wardround.engine.report.views import Edges

# Names of cases are the hospitals' own: one with two dollar signs is no formula, and must not end a run.
matplotlib.rcParams["text.parse_math"] = False
matplotlib.rcParams["font.family"] = list(families())
Labels = npt.NDArray[np.integer[Any]]
GROUND, INK = "#101418", "#f2f4f6"
MAKER = "Wardround"
"""What a picture says of the program that made it, by which it is known as its own."""
PATCH = "#ff4fd8"
"""The colour of a patch's place."""
_DASHES: tuple[str, ...] = ("", "4 2", "1.5 1.5")
_SHARE = 0.86
"""Of a square panel, how much the longer side of its image takes; letters stand beside it."""
_TITLE_LINE = 38
_LONGEST_TITLE = 2 * _TITLE_LINE - 4
"""Characters of a line of a title, which may take two lines of the picture."""
_KEY, _LETTER, _KEY_LINE = 0.62, 0.085, 0.19
"""Inches: what a key takes beside its label, a letter of it, and a line of a legend."""
_MANY = 12
"""Classes in one picture from which contours are thin."""


@dataclass(frozen=True)
class Scene:
    """What one panel shows.

    Attributes:
        image: (rows, columns) of numbers, or (rows, columns, 3) of colours from 0 to 1.
        spacing: from row to row and from column to column, in mm where `in_mm`.
        outlines: class indices of (rows, columns) by what they are (`truth`, `prediction`): solid, dashed, dotted.
        structures: the indices of the classes of each structure that is outlined, in order; without any, each class is
            one.
        edges: letters of patient directions, if it has any.
        in_mm: whether the spacing is known in mm; a photograph has no scale.
        window: the values of black and white; None to take them from the image.
        box: a patch's place in it: first row, first column, rows, columns; it may reach beyond the image.
        title: lines above it, in a montage.
    """

    image: npt.NDArray[Any]
    spacing: tuple[float, float]
    outlines: Mapping[str, Labels] = field(default_factory=dict)
    edges: Edges | None = None
    in_mm: bool = True
    window: tuple[float, float] | None = None
    box: tuple[int, int, int, int] | None = None
    title: str = ""
    structures: tuple[frozenset[int], ...] = ()

    def drawn(self, labels: Labels) -> dict[int, npt.NDArray[np.bool_]]:
        """Where each structure lies that these classes show, by its number from 1."""
        present = {int(index) for index in np.unique(labels)} - {0}
        known = enumerate(self.structures, start=1) if self.structures else ((each, {each}) for each in sorted(present))
        return {number: np.isin(labels, [*classes]) for number, classes in known if classes & present}

    @property
    def extent(self) -> tuple[float, float]:
        """Height and width in units of its spacing."""
        return self.image.shape[0] * self.spacing[0], self.image.shape[1] * self.spacing[1]


def panel_png(scene: Scene) -> bytes:
    """A square PNG of a scene, without its title."""
    figure = Figure(figsize=(4, 4), facecolor="black")
    draw_scene(figure.add_axes((0.0, 0.0, 1.0, 1.0)), scene)
    return _png(figure, dpi=130)


def montage_png(scenes: Sequence[Scene], columns: int, keys: Sequence[Key], note: str = "") -> bytes:
    """Scenes in a grid with their titles and a legend below, on a dark ground that suits any page."""
    columns = max(1, min(columns, len(scenes)))
    rows, width = math.ceil(len(scenes) / columns), 2.5 * columns
    lines = max((_shown_title(scene.title).count("\n") + 1 for scene in scenes if scene.title), default=0)
    legend = _Legend.of(keys, width)
    height = rows * (2.55 + 0.17 * lines) + legend.height + (0.35 if note else 0.0) + 0.1
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(h_pad=0.07), facecolor=GROUND)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, scene in zip(grid, scenes, strict=False):
        draw_scene(axes, scene, font=9)
        axes.set_title(_shown_title(scene.title), fontsize=8.5, color=INK)
    if keys:
        _draw_legend(figure, keys, legend.columns)
    if note:
        figure.suptitle(drawable(note), fontsize=9.5, color=INK)
    return _png(figure, dpi=110)


@dataclass(frozen=True)
class _Legend:
    """How a legend below a picture is laid out: as many keys in a row as fit, and its height in inches."""

    columns: int
    height: float

    @classmethod
    def of(cls, keys: Sequence[Key], width: float) -> _Legend:
        labels = [_shown_title(key.label).split("\n") for key in keys]
        widest = max((len(line) for label in labels for line in label), default=1)
        columns = max(1, min(len(keys), int(width / (_KEY + _LETTER * widest))))
        lines = max((len(label) for label in labels), default=0)
        return cls(columns, math.ceil(len(keys) / columns) * (_KEY_LINE * lines + 0.04))


def draw_scene(axes: Any, scene: Scene, font: float = 12) -> None:
    """Draw a scene into axes, which become a square: the image in its middle, what surrounds it black.

    `font` is the size of its letters in points.
    """
    height, width = scene.extent
    low, high = window_of(scene.image) if scene.window is None else scene.window
    axes.imshow(
        scene.image, cmap="gray", vmin=low, vmax=high, extent=(0, width, height, 0), interpolation="antialiased"
    )
    for dashes, labels in zip(_DASHES, scene.outlines.values(), strict=False):
        _draw_outlines(axes, scene.drawn(labels), scene.spacing, dashes)
    if scene.box is not None:
        _draw_box(axes, scene)
    side = _frame(axes, scene)
    if scene.edges is not None:
        _draw_letters(axes, scene.edges, font)
    if scene.in_mm:
        _draw_bar(axes, side, font)


def _frame(axes: Any, scene: Scene) -> float:
    """Make the axes a black square around the image and what is drawn beyond it; the length of its side."""
    height, width = scene.extent
    top, left, bottom, right = 0.0, 0.0, height, width
    if scene.box is not None:
        row, column, rows, columns = scene.box
        down, across = scene.spacing
        top, left = min(top, row * down), min(left, column * across)
        bottom, right = max(bottom, (row + rows) * down), max(right, (column + columns) * across)
    side = max(bottom - top, right - left) / _SHARE
    first = (left + right - side) / 2, (top + bottom - side) / 2
    axes.set(xlim=(first[0], first[0] + side), ylim=(first[1] + side, first[1]), aspect="equal")
    axes.add_artist(Rectangle(first, side, side, color="black", zorder=-1, linewidth=0))
    axes.set_axis_off()
    return side


def window_of(image: npt.NDArray[Any]) -> tuple[float, float]:
    """The values to show black and white: percentiles, or the whole range of an image that is nearly all ground."""
    if image.ndim == 3:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(image, (0.5, 99.5)))
    if high - low <= 1e-3 * (float(image.max()) - float(image.min())):
        low, high = float(image.min()), float(image.max())
    return low, max(high, low + 1e-6)


def outline_keys(names: Sequence[str], scenes: Sequence[Scene]) -> list[Key]:
    """The legend of the structures that scenes outline, by their colours, and of whose outlines they are, by their
    dashes, where there is more than one. `names` has that of the background first, then those of structures."""
    present = {number for scene in scenes for labels in scene.outlines.values() for number in scene.drawn(labels)}
    classes = [Key(names[number], Outline(class_colour(number))) for number in sorted(present)]
    sources = list(dict.fromkeys(name for scene in scenes for name in scene.outlines))
    if not classes or len(sources) < 2:
        return classes
    dashed = zip(sources, _DASHES, ("solid", "dashed", "dotted"), strict=False)
    return [*classes, *(Key(f"{name} ({word})", Outline("#ffffff", dashes)) for name, dashes, word in dashed)]


def _draw_outlines(
    axes: Any, structures: Mapping[int, npt.NDArray[np.bool_]], spacing: tuple[float, float], dashes: str
) -> None:
    width = 1.4 if len(structures) <= _MANY else 0.8
    for number, lies in structures.items():
        sides = zip(lies.shape, spacing, strict=True)
        rows, columns = ((np.arange(-1, side + 1) + 0.5) * step for side, step in sides)
        # A rim of ground closes the contour of what reaches the border.
        mask = np.pad(lies.astype(np.float32), 1)
        drawn = axes.contour(columns, rows, mask, levels=[0.5], colors=[class_colour(number)], linewidths=width)
        if dashes:
            drawn.set_linestyle([(0, [float(length) for length in dashes.split()])])


def _draw_box(axes: Any, scene: Scene) -> None:
    assert scene.box is not None
    row, column, rows, columns = scene.box
    down, across = scene.spacing
    place, size = (column * across, row * down), (columns * across, rows * down)
    axes.add_patch(Rectangle(place, *size, fill=False, edgecolor=PATCH, linewidth=1.6, clip_on=False))


def _draw_letters(axes: Any, edges: Edges, font: float) -> None:
    places = {
        (0.035, 0.5): (edges.left, "left", "center"),
        (0.965, 0.5): (edges.right, "right", "center"),
        (0.5, 0.975): (edges.top, "center", "top"),
        (0.5, 0.02): (edges.bottom, "center", "bottom"),
    }
    for (across, up), (letter, side, height) in places.items():
        _write(axes, across, up, letter, fontsize=font, ha=side, va=height, fontweight="bold")


def _draw_bar(axes: Any, side: float, font: float) -> None:
    length = _round_length(0.3 * side)
    share = length / side
    axes.plot(
        [0.965 - share, 0.965], [0.045, 0.045], transform=axes.transAxes, color="white", linewidth=2.4,
        path_effects=[withStroke(linewidth=4.5, foreground="black")], clip_on=False,
    )  # fmt: skip
    _write(axes, 0.965, 0.06, f"{length:g} mm", fontsize=font, ha="right", va="bottom")


def _round_length(most: float) -> float:
    """The longest of 1, 2 and 5 times a power of ten that is no longer than `most`."""
    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in (1, 2, 5) if step * power <= most * (1 + 1e-9))


def _write(axes: Any, across: float, up: float, text: str, **how: Any) -> None:
    halo = [withStroke(linewidth=3, foreground="black")]
    axes.text(across, up, text, transform=axes.transAxes, color="white", path_effects=halo, **how)


def _draw_legend(figure: Figure, keys: Sequence[Key], columns: int) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for key in keys:
        mark = key.series
        dashes = tuple(float(length) for length in mark.dashes.split())
        style: Any = (0, dashes) if dashes else "solid"
        handles.append(Line2D([], [], color=mark.stroke or INK, linestyle=style, label=_shown_title(key.label)))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=9, labelcolor=INK)


def _shown_title(title: str) -> str:
    """A title of few short lines, whatever it holds."""
    lines = [shortened(drawable(line), _LONGEST_TITLE) for line in title.split("\n")]
    return "\n".join(part for line in lines for part in textwrap.wrap(line, _TITLE_LINE))


def _png(figure: Figure, dpi: int) -> bytes:
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": MAKER}, facecolor=figure.get_facecolor())
    return buffer.getvalue()
