"""Rotation, scaling and elastic deformation as one resampling.

The elastic field is a free-form deformation: random displacements at the points of a coarse lattice, made smooth by
cubic B-splines (Rueckert et al. 1999, doi:10.1109/42.796284). Splines of that kind reproduce linear functions, so the
rotated and scaled positions are carried by the same lattice and the whole field comes out of one small matrix product
per axis.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from wardround.engine.augmentation.along import along
from wardround.engine.augmentation.resampling import Resampling
from wardround.engine.augmentation.transform import Drawn, GeometricTransform
from wardround.engine.parts.augmentation import Spatial
from wardround.engine.sampling.batch import Surroundings

_LONGEST_OF_A_CUBE = 1.001
"""Relative to the shortest: headers store spacings with few decimals."""


@dataclass(frozen=True)
class SpatialDrawn(Drawn):
    """What happens to one sample.

    Attributes:
        angles: degrees, one in 2D; about axes 0, 1 and 2 in turn in 3D.
        scale: factor by which content grows.
        elastic: standard deviation in voxels of the displacements at the control points.
        seed: what the displacements grow from.
        spacing: mm along each axis of the patch; empty where voxels are cubes, or count as that.
        padding: per channel what lies outside the patch; empty for 0.
        translation: mm along each axis by which content moves; empty for none.
        shear: degrees by which axes lean, for each pair of axes; empty for none.
    """

    angles: tuple[float, ...]
    scale: float
    elastic: float
    seed: int
    spacing: tuple[float, ...] = ()
    padding: tuple[float, ...] = ()
    translation: tuple[float, ...] = ()
    shear: tuple[float, ...] = ()


class SpatialTransform(GeometricTransform[SpatialDrawn]):
    """Rotate and scale about the middle of the patch, in mm, and deform, in voxels, with one interpolation.

    Linear for the image, nearest neighbour for the label, over the same positions. What lies outside the patch is the
    study's padding, as in cases that are smaller than a patch, and background in the label; between the outermost voxel
    centres and one voxel further the image goes over into it.
    """

    def __init__(self, parameters: Spatial) -> None:
        self._parameters = parameters

    def draw(self, random: np.random.Generator, dimensions: int) -> SpatialDrawn | None:
        """Angles and scale from uniform distributions; None with probability 1 - p, or where nothing would move."""
        given = self._parameters
        chance = random.random()
        angles = random.uniform(-given.rotation, given.rotation, 3 if dimensions == 3 else 1)
        scale = float(random.uniform(*given.scale))
        seed = int(random.integers(2**63 - 1))
        # What joined later is drawn later, so that studies without it draw what they always did.
        moved = _within(random, given.translation, dimensions)
        leaning = _within(random, given.shear, 3 if dimensions == 3 else 1)
        still = given.elastic == 0 and scale == 1 and not angles.any() and not any((*moved, *leaning))
        if chance >= given.probability or still:
            return None
        return SpatialDrawn(tuple(angles.tolist()), scale, given.elastic, seed, translation=moved, shear=leaning)

    def placed(self, drawn: SpatialDrawn, surroundings: Surroundings) -> SpatialDrawn:
        """With what matters of its surroundings."""
        return placed(drawn, surroundings)

    def motion(self, drawn: SpatialDrawn, shape: tuple[int, ...], device: torch.device) -> Resampling:
        """One resampling, of which the field takes three times the memory of a channel."""
        return resampling(drawn, shape, device, self._parameters.control_spacing)


def placed(drawn: SpatialDrawn, surroundings: Surroundings) -> SpatialDrawn:
    """With the size of the voxels where they are no cubes or content is shifted, and with a padding that is not 0."""
    spacing, padding = surroundings.spacing, surroundings.padding
    are_cubes = max(spacing) <= min(spacing) * _LONGEST_OF_A_CUBE
    matters = not are_cubes or bool(drawn.translation)
    return replace(drawn, spacing=spacing if matters else (), padding=padding if any(padding) else ())


def resampling(
    drawn: SpatialDrawn, shape: tuple[int, ...], device: torch.device, control_spacing: int = 8
) -> Resampling:
    """The motion of a sample whose axes in space have these lengths."""
    lattices = [_lattice(side, control_spacing if drawn.elastic > 0 else None) for side in shape]
    field = torch.from_numpy(_positions(drawn, [points for points, _ in lattices], shape).astype(np.float32)).to(device)
    filled = along if drawn.elastic > 0 else _between
    for axis, (_, weights) in reversed([*enumerate(lattices)]):  # so that the last product, the large one, is wide
        field = filled(field, axis, weights)
    return Resampling(field, drawn.padding)


def _between(ends: Tensor, axis: int, weights: np.ndarray) -> Tensor:
    """As `along` where only two values lie along an axis, of which the weights are the shares: a third of the time."""
    first, last = (ends.narrow(axis + 1, place, 1) for place in (0, 1))
    share = torch.from_numpy(weights[:, 1].copy()).to(ends.device)
    return torch.addcmul(first, last - first, share.reshape(-1, *(1,) * (ends.ndim - axis - 2)))


def _within(random: np.random.Generator, most: float, count: int) -> tuple[float, ...]:
    """Numbers between -most and most; none are drawn where that is 0."""
    return tuple(random.uniform(-most, most, count).tolist()) if most else ()


def _positions(drawn: SpatialDrawn, points: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Where the lattice points are taken from, in voxels counted from the first: shape (dimensions, *lattice)."""
    half = (np.asarray(shape) - 1) / 2
    lattice = np.stack(np.meshgrid(*points, indexing="ij"))
    centred = lattice - half.reshape(-1, *(1,) * len(shape))
    if drawn.translation:
        voxels = np.asarray(drawn.translation) / (drawn.spacing or 1.0)
        centred -= voxels.reshape(-1, *(1,) * len(shape))
    source = np.tensordot(_backwards(drawn), centred, axes=1)
    if drawn.elastic > 0:
        source += drawn.elastic * np.random.Generator(np.random.Philox(key=drawn.seed)).standard_normal(source.shape)
    source += half.reshape(-1, *(1,) * len(shape))
    source[np.asarray(shape) == 1] = 0  # an axis of one voxel has no depth to leave
    return source


def _backwards(drawn: SpatialDrawn) -> np.ndarray:
    """From a place in the outcome to where it is taken from, in voxels about the middle. A rotation turns in mm: among
    voxels that are no cubes it is one between their sizes."""
    turn = _rotation(drawn.angles).T / drawn.scale
    if drawn.shear:
        turn = np.linalg.inv(_leaning(drawn.shear, len(turn))) @ turn
    if not drawn.spacing:
        return turn
    spacing = np.asarray(drawn.spacing)
    return np.asarray(turn * spacing[None, :] / spacing[:, None])


def _rotation(angles: tuple[float, ...]) -> np.ndarray:
    """The rotation matrix of one angle in the plane, or of three about axes 0, 1 and 2 in turn."""
    planes = ((0, 1),) if len(angles) == 1 else ((1, 2), (2, 0), (0, 1))
    matrix = np.eye(2 if len(angles) == 1 else 3)
    for angle, (first, second) in zip(angles, planes, strict=True):
        turn = np.eye(len(matrix))
        cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        turn[first, first] = turn[second, second] = cosine
        turn[second, first], turn[first, second] = sine, -sine
        matrix = turn @ matrix
    return matrix


def _leaning(shear: tuple[float, ...], dimensions: int) -> np.ndarray:
    """The matrix by which each axis leans towards those before it. With a rotation behind it, and scaling, it is any
    linear map that turns nothing inside out."""
    matrix = np.eye(dimensions)
    matrix[np.triu_indices(dimensions, 1)] = np.tan(np.radians(shear))
    return matrix


@lru_cache(maxsize=64)
def _lattice(side: int, spacing: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the control points along an axis of `side` voxels, and the float32 weights, of shape
    (side, points), by which voxels mix them: cubic B-splines, or a straight line between two points without spacing."""
    voxels = np.arange(side, dtype=np.float64)
    if spacing is None:
        share = voxels / max(1, side - 1)
        return np.array([0.0, side - 1.0]), np.stack([1 - share, share], axis=1).astype(np.float32)
    points = np.arange(-1, math.ceil((side - 1) / spacing) + 2, dtype=np.float64)
    distance = np.abs(voxels[:, None] / spacing - points)
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.clip(2 - distance, 0, None) ** 3 / 6
    return points * spacing, np.where(distance < 1, near, far).astype(np.float32)
