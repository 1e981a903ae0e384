"""Brains that belong to nobody: the average of 152 people (MNI152), deformed smoothly and at random.

The template comes with the package nilearn (extra `demo`); its notice is in the file NOTICE. Fonov et al. 2009.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from wardround.engine.basics.problems import InputError
from wardround.engine.imaging import Geometry
from wardround.engine.imaging.image import FloatArray

NOTICE = (
    "The images derive from the MNI ICBM152 2009a nonlinear symmetric template, the average of 152 people: no image "
    "shows a patient. Copyright (C) 1993-2009 Louis Collins, McConnell Brain Imaging Centre, Montreal Neurological "
    "Institute, McGill University. Permission to use, copy, modify, and distribute this software and its documentation "
    "for any purpose and without fee is hereby granted, provided that the above copyright notice appear in all copies. "
    'It is provided "as is" without express or implied warranty. Fonov et al., NeuroImage 47 (2009) S102.'
)
GREY_MATTER, WHITE_MATTER = 1, 2
_MARGIN_MM = 9.0


@dataclass(frozen=True)
class Anatomy:
    """A head without its skull on one grid.

    Attributes:
        intensity: T1 weighting in 0..1, zero outside the brain, shape (x, y, z).
        grey, white: fraction of each voxel that is the tissue, same shape.
        geometry: the grid, with axes towards left, posterior and superior counted by its direction.
    """

    intensity: FloatArray
    grey: FloatArray
    white: FloatArray
    geometry: Geometry

    def tissues(self) -> np.ndarray:
        """Mask of shape (x, y, z): 0 elsewhere, 1 mostly grey matter, 2 mostly white matter."""
        mask = np.zeros(self.grey.shape, dtype=np.uint8)
        mask[self.grey > 0.25] = GREY_MATTER
        mask[(self.white > 0.25) & (self.white > self.grey)] = WHITE_MATTER
        return mask


@dataclass(frozen=True)
class Variation:
    """How far a brain may differ from the average: one standard deviation each.

    Attributes:
        displacement: mm, at control points that lie `control_spacing` mm apart.
        rotation: degrees about each axis.
        scale: of each axis, as a fraction.
    """

    displacement: float = 3.0
    control_spacing: float = 24.0
    rotation: float = 5.0
    scale: float = 0.04


def load_average(spacing: int) -> Anatomy:
    """The average brain at `spacing` whole mm, cut to its bounding box.

    Raises:
        InputError: nilearn is not installed.
    """
    whole = _load(spacing)
    box = _bounding_box(whole.intensity, round(_MARGIN_MM / spacing))
    corner = [part.start * spacing for part in box]
    # Left and posterior grow against the axes of the template, which run right, anterior, superior.
    steps = (-corner[0], -corner[1], corner[2])
    origin = tuple(start + step for start, step in zip(whole.geometry.origin, steps, strict=True))
    cut = [np.ascontiguousarray(volume[box]) for volume in (whole.intensity, whole.grey, whole.white)]
    grid = Geometry(cut[0].shape, whole.geometry.spacing, origin, whole.geometry.direction)
    return Anatomy(cut[0], cut[1], cut[2], grid)


def deformed(anatomy: Anatomy, variation: Variation, rng: np.random.Generator) -> Anatomy:
    """A brain that differs from `anatomy` by a random affine map and a smooth random displacement."""
    from scipy.ndimage import map_coordinates

    where = _affine_coordinates(anatomy, variation, rng) + _smooth_field(anatomy, variation, rng)

    def warped(volume: FloatArray) -> FloatArray:
        found: FloatArray = map_coordinates(volume, where, order=1, mode="constant", cval=0.0, output=np.float32)
        return found

    return Anatomy(warped(anatomy.intensity), warped(anatomy.grey), warped(anatomy.white), anatomy.geometry)


def _load(spacing: int) -> Anatomy:
    try:
        from nilearn import datasets
    except ImportError:
        raise InputError.one(
            "the demo's template is not installed",
            expected="the package nilearn",
            remedy="pip install 'wardround[demo]'",
        ) from None
    template = datasets.load_mni152_template(resolution=spacing)
    tissues = (datasets.load_mni152_gm_template(spacing), datasets.load_mni152_wm_template(spacing))
    intensity, grey, white = (_fractions(image) for image in (template, *tissues))
    right, anterior, superior = (float(place) for place in template.affine[:3, 3])
    direction = (-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
    grid = Geometry(intensity.shape, (float(spacing),) * 3, (-right, -anterior, superior), direction)
    return Anatomy(intensity, grey, white, grid)


def _fractions(image: Any) -> FloatArray:
    clipped: FloatArray = np.clip(image.get_fdata(dtype=np.float32), 0, 1)
    return clipped


def _bounding_box(volume: FloatArray, margin: int) -> tuple[slice, ...]:
    inside = np.argwhere(volume > 0.02)
    low = np.maximum(inside.min(0) - margin, 0)
    high = np.minimum(inside.max(0) + 1 + margin, volume.shape)
    return tuple(slice(int(start), int(stop)) for start, stop in zip(low, high, strict=True))


def _affine_coordinates(anatomy: Anatomy, variation: Variation, rng: np.random.Generator) -> FloatArray:
    """Where each voxel of the new brain comes from, in voxels of the old one: shape (3, x, y, z)."""
    from scipy.spatial.transform import Rotation

    angles = rng.normal(0.0, variation.rotation, 3)
    scales = np.exp(rng.normal(0.0, variation.scale, 3))
    matrix = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() / scales
    shape = np.array(anatomy.intensity.shape)
    centre = (shape - 1) / 2
    grid = np.indices(anatomy.intensity.shape, dtype=np.float32).reshape(3, -1)
    moved: FloatArray = (matrix @ (grid - centre[:, None]) + centre[:, None]).astype(np.float32)
    return moved.reshape(3, *shape)


def _smooth_field(anatomy: Anatomy, variation: Variation, rng: np.random.Generator) -> FloatArray:
    """A cubic-spline displacement field in voxels: shape (3, x, y, z)."""
    from scipy.ndimage import zoom

    shape, spacing = anatomy.intensity.shape, anatomy.geometry.spacing[0]
    points = [max(4, round(size * spacing / variation.control_spacing) + 1) for size in shape]
    coarse = rng.normal(0.0, variation.displacement / spacing, (3, *points))
    factors = [size / count for size, count in zip(shape, points, strict=True)]
    return np.stack([zoom(axis, factors, order=3, mode="nearest", grid_mode=False) for axis in coarse]).astype(
        np.float32
    )
