"""Panels keep the proportions of the patient, close their contours, and look the same on any ground."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as Pillow

from wardround.engine.report.colours import Outline, class_colour
from wardround.engine.report.page import Key
from wardround.engine.report.panels import GROUND, Scene, montage_png, outline_keys, panel_png, window_of
from wardround.engine.report.views import Edges


def _pixels(png: bytes) -> np.ndarray:
    with Pillow.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def _extent(pixels: np.ndarray) -> tuple[int, int]:
    """Rows and columns that are not black."""
    bright = pixels.sum(axis=2) > 200
    return int(bright.any(axis=1).sum()), int(bright.any(axis=0).sum())


@pytest.mark.parametrize(
    ("shape", "spacing", "ratio"),
    [((16, 224), (7.5, 0.5), 120 / 112), ((40, 40), (0.5, 7.5), 1 / 15), ((30, 60), (2.0, 1.0), 1.0)],
)
def test_a_picture_has_the_proportions_of_the_patient(
    shape: tuple[int, int], spacing: tuple[float, float], ratio: float
) -> None:
    scene = Scene(np.ones(shape, np.float32), spacing, in_mm=False, window=(0.0, 1.0))
    rows, columns = _extent(_pixels(panel_png(scene)))
    assert rows / columns == pytest.approx(ratio, rel=0.04)
    assert max(rows, columns) == pytest.approx(0.86 * 520, rel=0.02)


def test_letters_and_a_bar_stand_beside_the_picture() -> None:
    image = np.zeros((20, 20), np.float32)
    bare = _pixels(panel_png(Scene(image, (1.0, 1.0), in_mm=False)))
    told = _pixels(panel_png(Scene(image, (1.0, 1.0), edges=Edges("R", "L", "A", "P"))))
    assert bare.sum() == 0
    edge = 520 // 8
    for part in (told[:, :edge], told[:, -edge:], told[:edge], told[-edge:]):
        assert part.max() == 255


def test_a_montage_has_no_white_frame() -> None:
    scene = Scene(np.ones((8, 8), np.float32), (1.0, 1.0), title="a\nb")
    pixels = _pixels(montage_png([scene] * 3, 2, [], "note"))
    ground = [int(GROUND[place : place + 2], 16) for place in (1, 3, 5)]
    assert all(pixels[row, column].tolist() == ground for row in (0, -1) for column in (0, -1))


def test_a_legend_names_what_is_seen_and_whose_outline_is_dashed() -> None:
    truth, found = np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.uint8)
    truth[0, 0], found[1, 1] = 1, 3
    scene = Scene(np.zeros((4, 4), np.float32), (1.0, 1.0), {"truth": truth, "prediction": found})
    keys = outline_keys(("background", "a", "b", "c"), [scene])
    assert [key.label for key in keys] == ["a", "c", "truth (solid)", "prediction (dashed)"]
    assert [bool(key.series.dashes) for key in keys] == [False, False, False, True]
    assert len({key.series.stroke for key in keys[:2]}) == 2


def test_a_window_shows_the_few_bright_voxels_of_a_dark_image() -> None:
    image = np.zeros((100, 100), np.float32)
    image[0, 0] = 5.0
    assert window_of(image) == (0.0, 5.0)
    assert window_of(np.full((3, 3), 7.0, np.float32))[0] == 7.0


@pytest.mark.parametrize("name", [r"$\frac$ a$b_$c", "a\nb\x1b", "x" * 10_000])
def test_a_name_is_no_formula_and_draws_over_nothing(name: str) -> None:
    scene = Scene(np.zeros((8, 8), np.float32), (1.0, 1.0), {"truth": np.eye(8, dtype=np.uint8)}, title=name)
    png = montage_png([scene], 1, outline_keys(("background", name), [scene]), "note")
    assert _pixels(png).shape[0] < 1000


@pytest.mark.parametrize("count", [3, 13, 40])
def test_a_legend_of_many_classes_stays_within_its_picture(count: int) -> None:
    scene = Scene(np.zeros((8, 8), np.float32), (1.0, 1.0), in_mm=False)
    keys = [Key(f"white matter of region {number}", Outline(class_colour(number))) for number in range(1, count + 1)]
    pixels = _pixels(montage_png([scene] * 6, 6, keys))
    assert pixels.shape[1] == 6 * 275
    ground = np.array([int(GROUND[place : place + 2], 16) for place in (1, 3, 5)])
    for edge in (pixels[300:, :4], pixels[300:, -4:], pixels[-4:]):
        assert np.abs(edge - ground).max() < 8


@pytest.mark.filterwarnings("error")
def test_a_name_in_another_script_is_drawn_or_spelled_out() -> None:
    scene = Scene(np.zeros((8, 8), np.float32), (1.0, 1.0), title="患者-七, пациент, Müller \U0001f9e0")
    assert montage_png([scene], 1, [Key("患者", Outline("#ffffff"))], "七")
