"""The demo's picture, pixel by pixel: each hospital's case lies in it as a radiologist reads it."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from scipy import ndimage

from wardround.demo.figure import Strip, _strip, draw_strips
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.report.colours import class_colour
from wardround.engine.report.panels import GROUND

SHAPE = (24, 20, 16)
"""Voxels from the patient's right to the left, from front to back, and from the feet up: as `plain_geometry` has it."""
TRUTH, FOUND = (slice(15, 21), slice(3, 7), slice(5, 9)), (slice(4, 10), slice(13, 17), slice(5, 9))
"""At the left and in front; at the right and behind: an axial picture has them at its top right and bottom left."""
CLASSES = ("background", "lesion")


def _labels(box: tuple[slice, ...]) -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[box] = 1
    return labels


def _hospital(name: str, bright: slice) -> Strip:
    """The row of a case that is bright from here to there between front and back, and whose model is mistaken."""
    image = np.zeros((1, *SHAPE), np.float32)
    image[:, :, bright] = 1.0
    case = SimpleNamespace(image=image, label=_labels(TRUTH), geometry=plain_geometry(SHAPE))
    task = SimpleNamespace(most_probable=lambda *_: _labels(FOUND))
    study = SimpleNamespace(class_names=CLASSES)
    model = SimpleNamespace(task=task, network=None, device="cpu", study=study)
    return _strip(name, "case 1", case, {"trained together": model})


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    """Two hospitals, whose rows have an image, a truth and an answer each."""
    png = draw_strips([_hospital("harbour", slice(0, 9)), _hospital("meadow", slice(9, 20))], CLASSES)
    with Pillow.open(io.BytesIO(png)) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def _panels(pixels: np.ndarray) -> list[np.ndarray]:
    """The squares on the dark ground, the upper row first, from the left."""
    ground = np.array([int(GROUND[start : start + 2], 16) for start in (1, 3, 5)])
    marks, _ = ndimage.label(ndimage.binary_opening((pixels != ground).any(axis=-1), np.ones((9, 9))))
    places: list[Any] = [place for place in ndimage.find_objects(marks) if place[0].stop - place[0].start > 100]
    return [pixels[place] for place in sorted(places, key=lambda place: (place[0].start, place[1].start))]


def _voxel(panel: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> tuple[float, float]:
    """The middle of some pixels in voxels from the right and from the front: the image lies in the middle of a square
    whose side is the longer one of the image over 0.86."""
    side = max(SHAPE[:2]) / 0.86
    down, across = (float(found.min() + found.max() + 1) / 2 / panel.shape[0] * side for found in (rows, columns))
    return across - (side - SHAPE[0]) / 2, down - (side - SHAPE[1]) / 2


def _outlined(panel: np.ndarray) -> tuple[float, float] | None:
    """The middle of the outline, in voxels; None where there is none."""
    wanted = np.array([int(class_colour(1)[start : start + 2], 16) for start in (1, 3, 5)])
    found = np.nonzero(np.abs(panel - wanted).max(axis=-1) < 40)
    return _voxel(panel, *found) if found[0].size else None


def test_each_hospitals_row_has_image_truth_and_answer_with_their_outlines_in_place(pixels: np.ndarray) -> None:
    panels = _panels(pixels)
    assert len(panels) == 6
    for row, middle in ((panels[:3], 4.5), (panels[3:], 14.5)):
        image, truth, answer = row
        bright = ndimage.binary_opening(image.min(axis=-1) > 200, np.ones((9, 9)))
        assert _voxel(image, *np.nonzero(bright)) == pytest.approx((12, middle), abs=0.3)
        assert _outlined(image) is None
        assert _outlined(truth) == pytest.approx((18, 5), abs=0.3)
        assert _outlined(answer) == pytest.approx((7, 15), abs=0.3)
