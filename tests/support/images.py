"""Tiny cohorts on disk: smooth random anatomy with a mask, and small pictures with a class."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from wardround.engine.imaging import Geometry, Image, write_image, write_label
from wardround.engine.imaging.geometry import plain_geometry

OBLIQUE = (0.96, -0.28, 0.0, 0.28, 0.96, 0.0, 0.0, 0.0, 1.0)
"""Axes turned by about 16 degrees about z."""


def oblique_geometry(shape: tuple[int, ...], spacing: tuple[float, ...] = (1.0, 1.2, 2.0)) -> Geometry:
    """A 3D grid with turned axes, uneven spacing and an origin away from zero."""
    return Geometry(shape, spacing, (-31.0, 12.5, 7.0), OBLIQUE)


def blobs(shape: Sequence[int], classes: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A float32 image and a uint8 mask of `classes` ellipsoids, each brighter than the one before."""
    axes = np.meshgrid(*(np.linspace(-1, 1, side) for side in shape), indexing="ij")
    mask = np.zeros(shape, dtype=np.uint8)
    for value in range(1, classes + 1):
        middle = rng.uniform(-0.3, 0.3, len(shape))
        middle[0] = -0.9 + 1.8 * value / (classes + 1)  # side by side, so that every class is present
        radii = rng.uniform(0.25, 0.4, len(shape))
        inside = sum(((axis - at) / radius) ** 2 for axis, at, radius in zip(axes, middle, radii, strict=True)) < 1
        mask[inside] = value
    image = 100 + 60.0 * mask + rng.normal(0, 10, shape)
    return image.astype(np.float32), mask


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a CSV and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def write_segmentation_cohort(
    folder: Path, cases: int = 6, shape: tuple[int, ...] = (24, 28, 20), classes: int = 2, seed: int = 0
) -> Path:
    """NIfTI images and masks (PNG for a 2D shape) under `folder`, and the path of their manifest `data.csv`."""
    rng = np.random.default_rng(seed)
    suffix = ".nii.gz" if len(shape) == 3 else ".png"
    geometry = oblique_geometry(shape) if len(shape) == 3 else plain_geometry(shape)
    rows = []
    for number in range(cases):
        image, mask = blobs(shape, classes, rng)
        stored = image if len(shape) == 3 else image.clip(0, 255).astype(np.uint8)
        name = f"case_{number:03d}{suffix}"
        write_image(folder / "images" / name, Image(stored[None], geometry))
        write_label(folder / "labels" / name, mask, geometry)
        rows.append((f"case_{number:03d}", f"images/{name}", f"labels/{name}"))
    return write_table(folder / "data.csv", ("SubjectID", "Channel_0", "Label"), rows)


def write_classification_cohort(
    folder: Path, cases: int = 20, shape: tuple[int, int] = (28, 28), seed: int = 0
) -> Path:
    """PNG images whose left (class 0) or right (class 1) half is brighter, and the path of their manifest."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(cases):
        value = number % 2
        pixels = rng.normal(100, 15, shape)
        half = slice(0, shape[1] // 2) if value == 0 else slice(shape[1] // 2, None)
        pixels[:, half] += 60
        name = f"picture_{number:03d}.png"
        write_image(folder / "images" / name, Image(pixels.clip(0, 255).astype(np.uint8)[None], plain_geometry(shape)))
        rows.append((f"picture_{number:03d}", f"images/{name}", value))
    return write_table(folder / "data.csv", ("SubjectID", "Channel_0", "ValueToPredict"), rows)
