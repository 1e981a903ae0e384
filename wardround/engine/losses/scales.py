"""Deep supervision: the loss of logits on several grids (Lee et al. 2015), with nnU-Net's weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import Tensor

from wardround.engine.sampling.batch import Batch


def supervised(losses: Callable[[Tensor, Batch], Tensor], outputs: Tensor | tuple[Tensor, ...], batch: Batch) -> Tensor:
    """(samples,) losses of outputs on the batch's grid, or the weighted mean over several grids, the finest first.

    Each grid weighs half of the finer one (Isensee et al. 2021), and the weights sum to 1. A coarser grid is held
    against the truth that is nearest to the middle of each of its voxels.
    """
    if isinstance(outputs, Tensor):
        return losses(outputs, batch)
    grid = outputs[0].shape[2:]
    total = 2.0 - 0.5 ** (len(outputs) - 1)
    found = losses(outputs[0], batch) / total
    for place, logits in enumerate(outputs[1:], start=1):
        factors = [side // coarse for side, coarse in zip(grid, logits.shape[2:], strict=True)]
        found = found + losses(logits, coarser(batch, factors)) * (0.5**place / total)
    return found


def coarser(batch: Batch, factors: Sequence[int]) -> Batch:
    """The batch on a grid of which each voxel stands for `factors` voxels along the axes, by nearest neighbour.

    What has no value for each voxel stays as it is; a spacing grows by the factors.
    """
    grid = batch.image.shape[2:]

    def taken(tensor: Tensor) -> Tensor:
        if tensor.ndim <= len(grid) or tensor.shape[-len(grid) :] != grid:
            return tensor
        # As `interpolate(mode="nearest-exact")`, which takes no whole numbers.
        for axis, factor in enumerate(factors, start=tensor.ndim - len(grid)):
            tensor = tensor[(slice(None),) * axis + (slice(factor // 2, None, factor),)]
        return tensor

    around = tuple(
        replace(each, spacing=tuple(step * factor for step, factor in zip(each.spacing, factors, strict=True)))
        for each in batch.surroundings
    )
    return replace(batch.with_truth(taken), image=taken(batch.image), surroundings=around)
