"""Small cohorts with what a plan has to see in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.support.images import write_table
from wardround.engine.imaging import Geometry, Image, write_image, write_label

AXIAL = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
"""Directions, in LPS, of a grid that runs to the right, the front and the head."""


def body(shape: tuple[int, ...], spacing: tuple[float, ...] = (1.0, 1.0, 1.0)) -> Geometry:
    """A grid whose axes are those of RAS."""
    return Geometry(shape, spacing, (0.0, 0.0, 0.0), AXIAL)


def write_cases(
    folder: Path,
    images: list[np.ndarray],
    masks: list[np.ndarray],
    grid: Geometry,
) -> Path:
    """A manifest of cases with masks, which it writes."""
    rows = []
    for number, (image, mask) in enumerate(zip(images, masks, strict=True)):
        write_image(folder / f"image_{number}.nii.gz", Image(image[None], grid))
        write_label(folder / f"mask_{number}.nii.gz", mask.astype(np.uint8), grid)
        rows.append((f"case {number}", f"image_{number}.nii.gz", f"mask_{number}.nii.gz"))
    return write_table(folder / "data.csv", ("SubjectID", "Channel_0", "Label"), rows)


def bricks(shape: tuple[int, ...], places: dict[int, tuple[int, int]]) -> np.ndarray:
    """A mask with a brick for each value, from one plane of the first axis to another."""
    mask = np.zeros(shape, dtype=np.uint8)
    middle = tuple(slice(side // 4, max(side // 4 + 1, 3 * side // 4)) for side in shape[1:])
    for value, (first, last) in places.items():
        mask[(slice(first, last), *middle)] = value
    return mask


def scans(cases: int, shape: tuple[int, ...], seed: int = 0) -> list[np.ndarray]:
    """Whole numbers in Hounsfield units: bodies amid air."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(cases):
        image = np.full(shape, -1000, dtype=np.int16)
        image[:, : shape[1] // 2] = rng.normal(50, 30, image[:, : shape[1] // 2].shape)
        found.append(image)
    return found
