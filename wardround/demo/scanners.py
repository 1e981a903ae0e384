"""What a scanner does to anatomy: contrast, bias field, resolution, noise, and the order in which it stores voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wardround.engine.imaging import Geometry
from wardround.engine.imaging.image import FloatArray


@dataclass(frozen=True)
class Scanner:
    """One hospital's scanner.

    Attributes:
        contrast: pairs (T1 intensity, signal), ascending in the first; between them the signal is linear.
        bias: standard deviation of the logarithm of a smooth multiplicative field.
        blur: standard deviation in mm of the point spread along x, y and z.
        noise: standard deviation of the noise in each of the two receive channels, as a fraction of the largest signal.
        gain: the signal of 1.0 in stored units.
        flipped: axes that this scanner stores the other way round.
    """

    contrast: tuple[tuple[float, float], ...]
    bias: float
    blur: tuple[float, float, float]
    noise: float
    gain: float
    flipped: tuple[int, ...] = ()


def acquire(scanner: Scanner, intensity: FloatArray, spacing: float, rng: np.random.Generator) -> np.ndarray:
    """An image of shape (x, y, z), int16, as `scanner` sees a brain of `intensity` in 0..1.

    The magnitude of a complex signal with Gaussian noise follows a Rice distribution (Gudbjartsson & Patz 1995).
    """
    from scipy.ndimage import gaussian_filter

    knots = np.array(scanner.contrast)
    signal = np.where(intensity > 0.02, np.interp(intensity, knots[:, 0], knots[:, 1]), 0.0)
    signal = signal * _bias_field(signal.shape, scanner.bias, spacing, rng)
    signal = gaussian_filter(signal, [sigma / spacing for sigma in scanner.blur])
    real, imaginary = rng.normal(0.0, scanner.noise, (2, *signal.shape))
    magnitude = np.hypot(signal + real, imaginary)
    units: np.ndarray = np.clip(np.rint(magnitude * scanner.gain), 0, 32767).astype(np.int16)
    return units


def stored(scanner: Scanner, array: np.ndarray) -> np.ndarray:
    """`array` in the order in which the scanner stores voxels."""
    return np.ascontiguousarray(np.flip(array, scanner.flipped))


def stored_geometry(scanner: Scanner, geometry: Geometry) -> Geometry:
    """The grid of a stored array: flipped axes start at the other end and run the other way."""
    direction = np.array(geometry.direction).reshape(3, 3)
    origin = np.array(geometry.origin)
    for axis in scanner.flipped:
        origin = origin + direction[:, axis] * geometry.spacing[axis] * (geometry.shape[axis] - 1)
        direction[:, axis] *= -1
    return Geometry(geometry.shape, geometry.spacing, tuple(map(float, origin)), tuple(map(float, direction.ravel())))


def _bias_field(shape: tuple[int, ...], strength: float, spacing: float, rng: np.random.Generator) -> np.ndarray:
    """A multiplicative field that varies over about 60 mm."""
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(rng.normal(size=shape), 30.0 / spacing, mode="reflect")
    return np.asarray(np.exp(strength * (field - field.mean()) / field.std()))
