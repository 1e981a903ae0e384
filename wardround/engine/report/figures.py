"""Figures as PNG bytes: curves, overlays of truth and prediction, patches as the network sees them."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure

from wardround.engine.basics.printable import printable

# Names of cases are the hospitals' own: one with two dollar signs is no formula, and must not end a run.
matplotlib.rcParams["text.parse_math"] = False
_LONGEST_TITLE = 60
Plane = npt.NDArray[np.float32]
Labels = npt.NDArray[np.integer[Any]]
_STYLES: tuple[Literal["solid", "dashed", "dotted"], ...] = ("solid", "dashed", "dotted")
_COLOURS = tuple(f"C{index}" for index in range(10))


@dataclass(frozen=True)
class Overlay:
    """A 2D picture in (row, column) order with contours: class indices by outline (`truth`, `prediction`)."""

    title: str
    image: Plane
    outlines: Mapping[str, Labels]


def curves(panels: Mapping[str, Mapping[str, Sequence[tuple[float, float]]]], x_label: str = "step") -> bytes:
    """One panel per entry, one line of (x, y) points per name within it."""
    figure = Figure(figsize=(5.2 * len(panels), 3.4), layout="constrained")
    for axes, (title, lines) in zip(_row_of_axes(figure, len(panels)), panels.items(), strict=True):
        for name, points in lines.items():
            marker = "o" if len(points) < 30 else None
            axes.plot(*zip(*points, strict=True), label=name, marker=marker, markersize=3, linewidth=1.4)
        axes.set(title=title, xlabel=x_label)
        axes.grid(alpha=0.25)
        if lines:
            axes.legend(frameon=False, fontsize=8)
    return _png(figure)


def spread(values: Mapping[str, Sequence[float]], title: str) -> bytes:
    """A box with all its points for each name: how scores are spread over cases, sites or folds."""
    figure = Figure(figsize=(max(4.0, 1.1 * len(values) + 2), 3.6), layout="constrained")
    axes = figure.subplots()
    axes.boxplot(list(values.values()), tick_labels=list(values), widths=0.5, showfliers=False)
    for place, points in enumerate(values.values(), start=1):
        # Points side by side instead of random jitter: the same data give the same picture.
        offsets = np.linspace(-0.15, 0.15, len(points)) if len(points) > 1 else np.zeros(len(points))
        axes.plot(place + offsets, points, "o", markersize=3, alpha=0.5)
    axes.set(title=title)
    axes.grid(axis="y", alpha=0.25)
    return _png(figure)


def overlays(items: Sequence[Overlay], class_names: Sequence[str], columns: int = 3) -> bytes:
    """A grid of pictures with the outlines of each class; the first outline is solid, the second dashed."""
    columns = min(columns, len(items))
    rows = math.ceil(len(items) / columns)
    figure = Figure(figsize=(3.2 * columns, 3.3 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, item in zip(grid, items, strict=False):
        _draw_overlay(axes, item)
    figure.legend(handles=_legend(class_names, items), loc="outside lower center", ncols=6, frameon=False, fontsize=8)
    return _png(figure)


def middle_slices(image: npt.NDArray[np.float32], labels: Labels) -> list[tuple[str, Any]]:
    """Where to look at a volume: for each axis the index expression of the plane with most foreground.

    `image` is (*spatial). Without foreground the middle plane is taken; a 2D image has one view, all of it.
    """
    if image.ndim == 2:
        return [("", (slice(None), slice(None)))]
    views = []
    for axis in range(image.ndim):
        others = tuple(other for other in range(image.ndim) if other != axis)
        counts = (labels > 0).sum(axis=others)
        index = int(counts.argmax()) if counts.any() else image.shape[axis] // 2
        views.append((f"{'xyz'[axis]} = {index}", tuple(index if a == axis else slice(None) for a in range(3))))
    return views


def volume_overlays(title: str, image: npt.NDArray[np.float32], outlines: Mapping[str, Labels]) -> list[Overlay]:
    """The views of `middle_slices` through the first outline's foreground, turned so that a patient stands upright."""
    first = next(iter(outlines.values()))
    found = []
    for name, where in middle_slices(image, first):
        turned = {outline: _upright(labels[where], image.ndim) for outline, labels in outlines.items()}
        found.append(Overlay(f"{title} {name}".strip(), _upright(image[where], image.ndim), turned))
    return found


def _upright(plane: npt.NDArray[Any], dimensions: int) -> npt.NDArray[Any]:
    return np.rot90(plane) if dimensions == 3 else plane


def _draw_overlay(axes: Any, item: Overlay) -> None:
    low, high = np.percentile(item.image, (1, 99))
    axes.imshow(item.image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), interpolation="nearest")
    axes.set_title(printable(item.title)[:_LONGEST_TITLE], fontsize=8)
    for style, labels in zip(_STYLES, item.outlines.values(), strict=False):
        for index in np.unique(labels[labels > 0]):
            mask = (labels == index).astype(np.float32)
            if mask.min() < 0.5 and min(mask.shape) > 1:
                colour = _COLOURS[(int(index) - 1) % len(_COLOURS)]
                axes.contour(mask, levels=[0.5], colors=[colour], linewidths=1.2, linestyles=style)


def _legend(class_names: Sequence[str], items: Sequence[Overlay]) -> list[Any]:
    from matplotlib.lines import Line2D

    shown = enumerate(class_names[1:])
    classes = [Line2D([], [], color=_COLOURS[i % len(_COLOURS)], label=name) for i, name in shown]
    names = list(items[0].outlines) if items else []
    styles = zip(_STYLES, names, strict=False)
    outlines = [Line2D([], [], color="gray", label=name, linestyle=style) for style, name in styles]
    return [*classes, *outlines]


def _row_of_axes(figure: Figure, count: int) -> list[Any]:
    return list(figure.subplots(1, count, squeeze=False)[0])


def _png(figure: Figure) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
