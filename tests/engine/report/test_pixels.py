"""What a picture shows is looked at pixel by pixel: voxels at their places, outlines where truth and prediction run."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image as Pillow

from wardround.engine.report.colours import class_colour
from wardround.engine.report.figures import curves_png
from wardround.engine.report.panels import PATCH, Scene, montage_png, panel_png

SHAPE, SPACING = (20, 24), (2.0, 1.0)
TRUTH, FOUND = (slice(4, 12), slice(5, 15)), (slice(6, 15), slice(9, 21))
GREY = np.full(SHAPE, 0.3, np.float32)


def _pixels(png: bytes) -> np.ndarray:
    with Pillow.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def _labels(place: tuple[slice, slice], index: int = 1) -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[place] = index
    return labels


def _scene(image: np.ndarray = GREY, **more: object) -> Scene:
    return Scene(image, SPACING, in_mm=False, window=(0.0, 1.0), **more)  # type: ignore[arg-type]


def _pixel(row: float, column: float, size: int = 520) -> tuple[int, int]:
    """Where a place of the image, in voxels from its corner, lies in a panel: the image in the middle of a square,
    whose side is the image's longer one over 0.86."""
    height, width = SHAPE[0] * SPACING[0], SHAPE[1] * SPACING[1]
    side = max(height, width) / 0.86
    down, across = row * SPACING[0] - (height - side) / 2, column * SPACING[1] - (width - side) / 2
    return int(down / side * size), int(across / side * size)


def _near(pixels: np.ndarray, colour: str, place: tuple[int, int], reach: int = 2) -> bool:
    """Whether a pixel within `reach` of a place has a colour, nearly."""
    wanted = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)])
    row, column = place
    window = pixels[row - reach : row + reach + 1, column - reach : column + reach + 1]
    return bool((np.abs(window - wanted).max(axis=-1) < 90).any())


def _border(place: tuple[slice, slice]) -> Iterator[tuple[int, int]]:
    """Pixels along the four edges of a rectangle of voxels, but for its corners, which a contour cuts."""
    (top, bottom), (left, right) = ((side.start, side.stop) for side in place)
    for share in np.linspace(0.1, 0.9, 60):
        down, across = top + share * (bottom - top), left + share * (right - left)
        yield from (_pixel(top, across), _pixel(bottom, across), _pixel(down, left), _pixel(down, right))


def _share(pixels: np.ndarray, colour: str, place: tuple[slice, slice], reach: int = 2) -> float:
    return float(np.mean([_near(pixels, colour, at, reach) for at in _border(place)]))


def _is_at_border(changed: np.ndarray, place: tuple[slice, slice]) -> bool:
    """Whether all changed pixels lie between the rectangle and the one that is a voxel smaller at each side."""
    rows, columns = np.nonzero(changed)
    (top, left), (bottom, right) = _pixel(place[0].start, place[1].start), _pixel(place[0].stop, place[1].stop)
    beyond = (rows < top - 3) | (rows > bottom + 3) | (columns < left - 3) | (columns > right + 3)
    inner = _pixel(place[0].start + 1, place[1].start + 1), _pixel(place[0].stop - 1, place[1].stop - 1)
    (top, left), (bottom, right) = inner
    inside = (rows > top) & (rows < bottom) & (columns > left) & (columns < right)
    return bool(rows.size) and not (beyond | inside).any()


def test_voxels_lie_where_they_are_in_the_image() -> None:
    image = np.zeros(SHAPE, np.float32)
    image[3, 17], image[16, 2] = 1.0, 0.5
    pixels = _pixels(panel_png(_scene(image)))
    middles = np.array([[pixels[_pixel(row + 0.5, column + 0.5)].mean() for column in range(24)] for row in range(20)])
    np.testing.assert_allclose(middles, 255 * image, atol=6)


def test_an_outline_runs_around_its_class_and_nowhere_else() -> None:
    colour = class_colour(1)
    pixels = _pixels(panel_png(_scene(outlines={"truth": _labels(TRUTH)})))
    assert _share(pixels, colour, TRUTH) == 1.0
    assert _is_at_border((pixels != _pixels(panel_png(_scene()))).any(axis=-1), TRUTH)


def test_where_truth_and_prediction_differ_both_are_seen_and_told_apart() -> None:
    """The truth is drawn through; the prediction has gaps, in which the image is seen."""
    scene = _scene(outlines={"truth": _labels(TRUTH, 1), "prediction": _labels(FOUND, 2)})
    pixels = _pixels(panel_png(scene))
    assert _share(pixels, class_colour(1), TRUTH) > 0.95
    assert 0.4 < _share(pixels, class_colour(2), FOUND, reach=0) < 0.9
    without = _pixels(panel_png(_scene(outlines={"truth": _labels(TRUTH, 1)})))
    assert _is_at_border((pixels != without).any(axis=-1), FOUND)


def test_a_prediction_that_equals_the_truth_adds_nothing_beside_its_outline() -> None:
    one, both = (
        _pixels(panel_png(_scene(outlines=outlines)))
        for outlines in ({"truth": _labels(TRUTH)}, {"truth": _labels(TRUTH), "prediction": _labels(TRUTH)})
    )
    assert _is_at_border((one != both).any(axis=-1), TRUTH)


def test_an_outline_closes_at_the_border_of_the_image() -> None:
    place = (slice(0, 20), slice(0, 24))
    pixels = _pixels(panel_png(_scene(outlines={"truth": _labels(place, 2)})))
    assert _share(pixels, class_colour(2), place) == 1.0


def test_a_single_voxel_has_an_outline() -> None:
    pixels = _pixels(panel_png(_scene(outlines={"truth": _labels((slice(7, 8), slice(3, 4)), 2)})))
    edges = [(7, 3.5), (8, 3.5), (7.5, 3), (7.5, 4)]
    assert all(_near(pixels, class_colour(2), _pixel(*middle)) for middle in edges)
    assert not _near(pixels, class_colour(2), _pixel(6, 3.5))


def test_the_place_of_a_patch_is_framed_also_beyond_the_image() -> None:
    pixels = _pixels(panel_png(_scene(box=(6, 4, 8, 10))))
    assert _share(pixels, PATCH, (slice(6, 14), slice(4, 14))) == 1.0
    assert not _near(pixels, PATCH, _pixel(10, 9), reach=8)


def test_scenes_of_a_montage_stand_in_rows_from_the_left() -> None:
    scenes = [
        Scene(np.full((8, 8), value, np.float32), (1.0, 1.0), in_mm=False, window=(0, 1)) for value in (0.2, 0.5, 0.8)
    ]
    pixels = _pixels(montage_png(scenes, 2, []))
    height, width = pixels.shape[:2]
    centres = [
        pixels[height // 4, width // 4],
        pixels[height // 4, 3 * width // 4],
        pixels[3 * height // 4, width // 4],
    ]
    assert [centre.tolist() for centre in centres] == [[51] * 3, [128] * 3, [204] * 3]


@pytest.mark.filterwarnings("ignore:No artists")  # a legend would have the colour of the line
def test_a_curve_falls_from_the_left_where_its_values_do() -> None:
    """Rows of the coloured line in the left, middle and right of the chart, by the points it is drawn through."""

    def rows_of(values: list[float]) -> list[float]:
        with Pillow.open(io.BytesIO(curves_png({"loss": {"": [*enumerate(values)]}}))) as picture:
            pixels = np.asarray(picture.convert("RGBA")).astype(int)
        coloured = (pixels[..., 3] > 200) & (np.ptp(pixels[..., :3], axis=-1) > 60)
        columns = np.nonzero(coloured.any(axis=0))[0]
        places = (columns[0] + 3, (columns[0] + columns[-1]) // 2, columns[-1] - 3)
        return [float(np.nonzero(coloured[:, place])[0].mean()) for place in places]

    left, middle, right = rows_of([4.0, 3.0, 0.0])
    assert left < middle < right
    assert (middle - left) / (right - left) == pytest.approx(0.25, abs=0.05)
    assert rows_of([0.0, 1.0, 2.0]) == sorted(rows_of([0.0, 1.0, 2.0]), reverse=True)
