"""A page of explanations: each case's image beside the same plane with its map in colours. It stays at the hospital."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np

from wardround.engine.explain import Explained, Method
from wardround.engine.imaging import read_header
from wardround.engine.imaging.image import Space
from wardround.engine.report.cases import clip_window, plane_image
from wardround.engine.report.page import Page, Panel
from wardround.engine.report.panels import Scene, panel_png, window_of
from wardround.engine.report.views import View, main_view
from wardround.engine.study import Study

_STRONGEST = 99.5
"""The percentile of a case's numbers, without their sign, from which colours are full: one voxel must not dim all."""
_MOST_OPAQUE = 0.65
_CLASSES = {False: "inferno", True: "RdBu_r"}
"""Colours of maps that are 0 or more, and of those of either sign: red speaks for the answer, blue against it."""


@dataclass(frozen=True)
class Shown:
    """What a page keeps of a case, so that no whole map must."""

    title: str
    panels: tuple[Panel, ...]


def shown_case(explained: Explained, study: Study, method: Method) -> Shown:
    """The plane of a case on which most of its map lies, without the map and with it."""
    image = explained.sample.image
    space = read_header(explained.case.channels[0], study.dicom).space
    view = main_view(image.geometry, space)
    index = _brightest(view, explained.values)
    plane = plane_image(image.data, view, index, study, 0)
    window = clip_window(study)
    colours = overlay(plane, view.cut(explained.values, index), strength_of(explained.values), method.signed, window)
    place = view.place(index)
    scenes = (
        ("the image", Scene(plane, view.spacing, edges=view.edges, in_mm=space is not Space.NOTHING, window=window)),
        (f"{method.name} of {explained.output}", _coloured(colours, view, space)),
    )
    title = f"{explained.case.subject}: {explained.output}"
    panels = tuple(
        Panel(panel_png(scene), ", ".join(filter(None, (what, place))), f"{title}: {what}") for what, scene in scenes
    )
    return Shown(title, panels)


def explanation_page(study: Study, method: Method, layer: str, cases: Iterable[Shown]) -> Page:
    """The page of all cases."""
    page = Page(f"{study.study}: what its answers rest on")
    facts = {"method": method.name, "shows": method.says}
    page.facts(facts | ({"layer": layer} if layer else {}))
    colours = "Red speaks for the answer, blue against it." if method.signed else "The brighter, the more."
    page.text(
        f"{colours} Colours are full at the strongest half percent of each case, so they cannot be compared between "
        "cases; the files beside this page have the numbers. A map shows what the network's answer depends on, which "
        "need not be where the finding is, nor why a person would give that answer."
    )
    for case in cases:
        page.gallery(case.title, list(case.panels))
    return page


def strength_of(values: np.ndarray) -> float:
    """The number from which colours are full; 0 for a map that shows nothing."""
    return float(np.percentile(np.abs(values), _STRONGEST)) or float(np.abs(values).max())


def overlay(
    plane: np.ndarray, values: np.ndarray, strength: float, signed: bool, window: tuple[float, float] | None
) -> np.ndarray:
    """(rows, columns, 3) of colours from 0 to 1: a plane in grey, or in its own colours, under a map that is the more
    opaque the stronger it is."""
    shares = np.clip(values / strength, -1, 1) if strength > 0 else np.zeros_like(values)
    colours = matplotlib.colormaps[_CLASSES[signed]]((shares + 1) / 2 if signed else shares)[..., :3]
    opaque = (_MOST_OPAQUE * np.abs(shares))[..., None]
    return np.asarray((1 - opaque) * _grey(plane, window) + opaque * colours)


def _grey(plane: np.ndarray, window: tuple[float, float] | None) -> np.ndarray:
    if plane.ndim == 3:
        return plane
    low, high = window_of(plane) if window is None else window
    level: Any = np.clip((plane - low) / max(high - low, 1e-6), 0, 1)
    return np.repeat(level[..., None], 3, axis=-1)


def _coloured(colours: np.ndarray, view: View, space: Space) -> Scene:
    return Scene(colours, view.spacing, edges=view.edges, in_mm=space is not Space.NOTHING)


def _brightest(view: View, values: np.ndarray) -> int:
    """The plane with the largest sum of numbers, without their sign."""
    if view.axis is None:
        return 0
    others = tuple(axis for axis in range(values.ndim) if axis != view.axis)
    return int(np.abs(values).sum(axis=others).argmax())
