"""Losses of images that are made from images: outputs and truth are (samples, channels, *grid).

All compute in float32, also under autocast. Where voxels do not count (`valid`), windows about them and differences to
them are left out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from torch.nn import functional

from wardround.engine.losses.numbers import Compared, compare
from wardround.engine.losses.reading import full_precision
from wardround.engine.parts.losses.images import SSIM, WINDOW, GradientDifference
from wardround.engine.sampling.batch import Batch

_SIGMA = 1.5
_STABLE = (0.01, 0.03)
"""K1 and K2 of the paper, which keep its fractions defined where an image is flat."""


class ImageLoss(ABC):
    """A loss of images."""

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """(samples,) float32."""
        with full_precision(outputs):
            return self.of(compare(outputs, batch))

    @abstractmethod
    def of(self, images: Compared) -> Tensor:
        """(samples,)."""


class SSIMLoss(ImageLoss):
    """1 - SSIM (Wang et al. 2004), the mean over channels and over the windows that lie within the image; Gaussian
    windows of 11 voxels along each axis with a standard deviation of 1.5."""

    def __init__(self, parameters: SSIM) -> None:
        self._range, self._l1_weight = parameters.data_range, parameters.l1_weight

    def of(self, images: Compared) -> Tensor:
        """Raises ValueError for an image that is thinner than the window."""
        similarity = structural_similarity(images.outputs, images.truth, self._range)
        loss = Compared(similarity, similarity, _inner(images.counted)).mean(1 - similarity)
        return loss + self._l1_weight * images.mean((images.outputs - images.truth).abs())


class GradientDifferenceLoss(ImageLoss):
    """| |d t| - |d y| |^a of the differences d between neighbours along each axis (Mathieu et al. 2016), the mean over
    the axes of the mean over neighbours."""

    def __init__(self, parameters: GradientDifference) -> None:
        self._parameters = parameters

    def of(self, images: Compared) -> Tensor:
        """An axis of one voxel has no neighbours and no difference."""
        given = self._parameters
        axes = [axis for axis in range(2, images.outputs.ndim) if images.outputs.shape[axis] > 1]
        loss = given.l1_weight * images.mean((images.outputs - images.truth).abs())
        for axis in axes:
            loss = loss + given.gradient_weight / len(axes) * self._along(images, axis)
        return loss

    def _along(self, images: Compared, axis: int) -> Tensor:
        counted = None
        if images.counted is not None:
            length = images.counted.shape[axis] - 1
            counted = images.counted.narrow(axis, 0, length) & images.counted.narrow(axis, 1, length)
        sizes = [each.diff(dim=axis).abs() for each in (images.truth, images.outputs)]
        return Compared(sizes[1], sizes[0], counted).mean((sizes[0] - sizes[1]).abs().pow(self._parameters.exponent))


def _inner(counted: Tensor | None) -> Tensor | None:
    """Of (samples, 1, *grid) the voxels about which a window lies within the image."""
    if counted is None:
        return None
    edge = WINDOW // 2
    for axis in range(2, counted.ndim):
        counted = counted.narrow(axis, edge, counted.shape[axis] - 2 * edge)
    return counted


def structural_similarity(one: Tensor, other: Tensor, data_range: float) -> Tensor:
    """SSIM about each voxel that is far enough from the border, (samples, channels, *inner grid)."""
    if min(one.shape[2:]) < WINDOW:
        raise ValueError(f"structural similarity needs {WINDOW} voxels along each axis, got {tuple(one.shape[2:])}")
    first, second = ((constant * data_range) ** 2 for constant in _STABLE)
    mean_one, mean_other = _smoothed(one), _smoothed(other)
    spread = _smoothed(one.square()) - mean_one.square() + _smoothed(other.square()) - mean_other.square()
    together = _smoothed(one * other) - mean_one * mean_other
    level = (2 * mean_one * mean_other + first) / (mean_one.square() + mean_other.square() + first)
    return level * (2 * together + second) / (spread + second)


def _smoothed(images: Tensor) -> Tensor:
    """Weighted by the window, one axis after the other."""
    offsets = torch.arange(WINDOW, device=images.device, dtype=images.dtype) - WINDOW // 2
    window = torch.exp(-offsets.square() / (2 * _SIGMA**2))
    window = window / window.sum()
    for axis in range(2, images.ndim):
        lines = images.movedim(axis, -1)
        smooth = functional.conv1d(lines.reshape(-1, 1, lines.shape[-1]), window.reshape(1, 1, -1))
        images = smooth.reshape(*lines.shape[:-1], -1).movedim(-1, axis)
    return images
