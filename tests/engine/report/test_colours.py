"""A site looks the same wherever it is shown, and every colour stands out from its ground."""

from __future__ import annotations

import itertools
from typing import Literal

import numpy as np
import pytest

from wardround.engine.report.colours import INK, LINES, SOFT, class_colour, series_of
from wardround.engine.report.panels import PATCH

GROUNDS: dict[Literal["light", "dark"], tuple[str, ...]] = {
    "light": ("#ffffff", "#f6f7f9"),
    "dark": ("#14181d", "#1c2229"),
}


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(first: str, second: str) -> float:
    high, low = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_lines_and_words_stand_out_in_both_schemes(scheme: Literal["light", "dark"]) -> None:
    for ground in GROUNDS[scheme]:
        assert min(_contrast(colour, ground) for colour in LINES[scheme]) >= 3.0
        assert min(_contrast(colour, ground) for colour in (INK[scheme], SOFT[scheme])) >= 4.5


def test_contours_stand_out_from_black() -> None:
    assert min(_contrast(class_colour(index), "#000000") for index in range(1, 200)) >= 3.0
    assert len({class_colour(index) for index in range(1, 60)}) == 59


def test_the_classes_of_a_legend_are_told_apart_and_from_its_white_keys() -> None:
    colours = [class_colour(index) for index in range(1, 16)]
    assert min(_distance(*pair) for pair in itertools.combinations([*colours, PATCH, "#ffffff"], 2)) >= 30


def _distance(first: str, second: str) -> float:
    return float(np.linalg.norm(_lab(first) - _lab(second)))


def _lab(colour: str) -> np.ndarray:
    """Lightness and two hues of the CIE, in which equal distances look about equal."""
    values = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    xyz = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]]) @ linear
    x, y, z = np.cbrt(xyz / (0.9505, 1.0, 1.0889))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_a_site_keeps_its_look_whoever_is_shown_beside_it() -> None:
    roster = ["south", "east", "north"]
    looks = series_of(roster)
    assert looks == series_of(reversed(roster)) == series_of(roster, ["east"])
    assert series_of(roster, ["aachen"])["east"] == looks["east"]
    many = series_of([f"site-{number:03d}" for number in range(30)])
    assert len({(look.css, look.dashes) for look in many.values()}) == 30
