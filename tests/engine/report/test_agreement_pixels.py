"""Predicted against true numbers, pixel by pixel: each dot lies where its two numbers say."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from scipy import ndimage

from tests.support.studies import REGRESSION, study_of
from wardround.engine.report import Page, agreement
from wardround.engine.report.colours import SOFT, Series
from wardround.engine.report.figures import _saved, in_both
from wardround.engine.report.page import Chart
from wardround.engine.targets import Told

PAIRS = ((1.0, 2.0), (5.0, 3.0), (9.0, 8.0))
"""True and predicted numbers, whose order is the same whichever of the two it is by, while their distances are not."""
TRUE, PREDICTED = np.array(PAIRS).T
CHARTS = {
    "predicted against true": (TRUE, PREDICTED),
    "difference against mean": ((TRUE + PREDICTED) / 2, PREDICTED - TRUE),
}


@pytest.fixture
def charts(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """The charts of a page as pixels, red, green, blue and alpha, in order."""
    drawn: list[np.ndarray] = []

    def also_as_pixels(figure: Any, words: str) -> Chart:
        with Pillow.open(io.BytesIO(_saved(figure, "png"))) as picture:
            drawn.append(np.asarray(picture.convert("RGBA")).astype(int))
        return in_both(figure, words)

    monkeypatch.setattr(agreement, "in_both", also_as_pixels)
    pairs = [(np.array([predicted]), Told(numbers=(true,))) for true, predicted in PAIRS]
    agreement.add_agreement(Page("ages"), study_of(REGRESSION), pairs)
    return drawn


def _is(pixels: np.ndarray, colour: str) -> np.ndarray:
    """Where a colour is; a grid is drawn fainter."""
    wanted = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)])
    return (np.abs(pixels[..., :3] - wanted).max(axis=-1) < 40) & (pixels[..., 3] > 100)


def _dots(pixels: np.ndarray) -> np.ndarray:
    """The middles of the dots from the left, each as (pixels to the right, pixels up)."""
    marks, _ = ndimage.label(_is(pixels, Series(0).colour("light")), np.ones((3, 3)))
    large = [mark for mark, count in enumerate(np.bincount(marks.ravel())) if mark and count > 15]
    middles = ndimage.center_of_mass(marks > 0, marks, large)
    return np.array(sorted((across, -down) for down, across in middles))


def _shares(values: np.ndarray) -> np.ndarray:
    """The way from the first number to the last, as parts of it."""
    return (values - values[0]) / (values[-1] - values[0])


@pytest.mark.parametrize("which", range(2), ids=CHARTS)
def test_every_dot_lies_where_its_numbers_say(charts: list[np.ndarray], which: int) -> None:
    dots, (across, up) = _dots(charts[which]), list(CHARTS.values())[which]
    order = np.argsort(across)
    assert len(dots) == len(PAIRS)
    assert _shares(dots[:, 0]) == pytest.approx(_shares(across[order]), abs=0.01)
    assert _shares(dots[:, 1]) == pytest.approx(_shares(up[order]), abs=0.01)
    assert np.sign(np.diff(dots[:, 1])).tolist() == np.sign(np.diff(up[order])).tolist()


def test_the_line_of_identity_runs_where_both_numbers_are_equal(charts: list[np.ndarray]) -> None:
    pixels = charts[0]
    dots = _dots(pixels)
    (right, up), (scale_right, scale_up) = dots[0], (dots[2] - dots[0]) / (PAIRS[2][0] - PAIRS[0][0], 8.0 - 2.0)
    for value in (3.5, 7.0):
        across, down = round(right + (value - TRUE[0]) * scale_right), round(-(up + (value - PREDICTED[0]) * scale_up))
        assert _is(pixels[down - 3 : down + 4, across - 1 : across + 2], SOFT["light"]).any()


def test_the_mean_difference_and_its_limits_are_drawn_at_their_heights(charts: list[np.ndarray]) -> None:
    pixels, differences = charts[1], PREDICTED - TRUE
    dots = _dots(pixels)
    lowest, highest = dots[np.argmin(dots[:, 1])], dots[np.argmax(dots[:, 1])]
    scale = (highest[1] - lowest[1]) / (differences.max() - differences.min())
    left, right = int(dots[0, 0]), int(dots[-1, 0])
    drawn = _is(pixels, SOFT["light"])[:, left:right].mean(axis=1)
    mean, spread = differences.mean(), differences.std(ddof=1)
    for value, least in ((mean, 0.9), (mean - 1.96 * spread, 0.4), (mean + 1.96 * spread, 0.4)):
        row = round(-(lowest[1] + (value - differences.min()) * scale))
        assert drawn[row - 2 : row + 3].max() > least
    assert (drawn > 0.4).sum() <= 3 * 3
