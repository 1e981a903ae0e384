"""Colours of pages and figures: those of lines, in light and dark, and those of classes on a grey image.

All are told apart by people who see colours differently (after Okabe & Ito 2008) and stand out from their ground; past
the last colour of lines they come again with other dashes.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Scheme = Literal["light", "dark"]
INK: Mapping[Scheme, str] = {"light": "#1c2530", "dark": "#e6eaef"}
SOFT: Mapping[Scheme, str] = {"light": "#54616e", "dark": "#a3aeba"}
LINES: Mapping[Scheme, tuple[str, ...]] = {
    "light": ("#0072b2", "#c75300", "#00805d", "#a8447f", "#8a6a00", "#2f7fae", "#6b4a2b", "#6a48c7"),
    "dark": ("#56b4e9", "#f08a4b", "#3fcfa4", "#e59ac6", "#f0e442", "#9fd3f2", "#d0a47c", "#b7a2ff"),
}
_DASHES = ("", "6 3", "2 2", "8 2 2 2")
_CLASSES = (
    "#e69f00", "#56b4e9", "#f0e442", "#e07ab8", "#22c795", "#ff7f3f", "#b7a2ff", "#20ff20",
    "#ff2060", "#a060ff", "#80ffff", "#ffe0a0", "#60a020", "#e0a0a0", "#c0ffa0",
)  # fmt: skip
_GOLDEN = 0.61803398875


@dataclass(frozen=True)
class Series:
    """How one line of a chart looks, and its mark in a table or a legend.

    `number` is its place among the colours of lines; -1 is ink, for what stands for all others.
    """

    number: int

    @property
    def css(self) -> str:
        """Its class in the pages' style."""
        return "all" if self.number < 0 else f"s{self.number % len(LINES['light'])}"

    @property
    def stroke(self) -> str:
        """No colour of its own: it follows the page's scheme."""
        return ""

    @property
    def dashes(self) -> str:
        """Lengths of stroke and gap; empty for a solid line."""
        return "" if self.number < 0 else _DASHES[self.number // len(LINES["light"]) % len(_DASHES)]

    def colour(self, scheme: Scheme) -> str:
        """Its colour on a light or a dark ground."""
        return INK[scheme] if self.number < 0 else LINES[scheme][self.number % len(LINES[scheme])]


@dataclass(frozen=True)
class Outline:
    """How a contour on an image looks: a fixed colour, for images are dark in both schemes, and lengths of dashes."""

    stroke: str
    dashes: str = ""
    css: str = ""


Mark = Series | Outline
ALL = Series(-1)
"""What stands for all others: in ink."""


def series_of(roster: Iterable[str], others: Iterable[str] = ()) -> dict[str, Series]:
    """The look of each site: by its place among the names of the roster in order, so that it is the same on every page
    of a run, whatever order and however few of them a page shows. `others` (sites that have left) come after."""
    listed = sorted(set(roster))
    names = [*listed, *sorted(set(others) - set(listed))]
    return {name: Series(number) for number, name in enumerate(names)}


def class_colour(index: int) -> str:
    """The outline of a class by its index, from 1; every index has its own as far as colours go, and none is white,
    in which legends say whose outline is solid."""
    if index <= len(_CLASSES):
        return _CLASSES[index - 1]
    # Steps of the golden ratio never come near a hue again; lightness alternates for those who see few hues.
    red, green, blue = colorsys.hls_to_rgb(index * _GOLDEN % 1, 0.6 + 0.2 * (index % 2), 0.85)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"


def style_rules() -> str:
    """The style rules of the lines' colours, for both schemes."""
    light = "".join(f".s{place}{{stroke:{colour}}}" for place, colour in enumerate(LINES["light"]))
    dark = "".join(f".s{place}{{stroke:{colour}}}" for place, colour in enumerate(LINES["dark"]))
    return f".all{{stroke:var(--ink)}}\n{light}\n@media (prefers-color-scheme: dark){{{dark}}}"
