"""What a mask says that a loss asks for by name: `regions` that overlap, and `valid` voxels.

Both are derived at the last moment, so that the store, the batch on its way and augmentation hold one number a voxel.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from wardround.engine.sampling.batch import Batch
from wardround.engine.study import Study


def derived(study: Study, batch: Batch) -> Batch:
    """The batch with the truth that the study's loss takes.

    Where it names regions, `regions` stands for `mask`: (samples, regions, *grid), 1 in each region where a voxel lies,
    float32. Where some voxels are ignored in the study, `valid` is (samples, *grid), False for these.
    """
    if batch.label is None or (study.ignored_class is None and not study.regions):
        return batch
    truth = dict(batch.truth)
    mask = truth.pop("mask")
    if study.ignored_class is not None:
        truth["valid"] = mask != study.ignored_class
        mask = mask.masked_fill(~truth["valid"], 0)
    if study.overlaps is None:
        return replace(batch, truth={"mask": mask, **truth})
    table = _table(study.overlaps.classes, mask.device)
    return replace(batch, truth={"regions": torch.stack([row[mask] for row in table], dim=1), **truth})


def counted_voxels(study: Study, probabilities: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Of (voxels, outputs) predictions and (voxels,) int64 classes those that count, as a `CaseLoss` takes them: with
    regions, (voxels, regions) float32 in place of classes."""
    if study.ignored_class is not None:
        counts = classes != study.ignored_class
        probabilities, classes = probabilities[counts], classes[counts]
    if study.overlaps is None:
        return probabilities, classes
    return probabilities, _table(study.overlaps.classes, classes.device).t()[classes]


@lru_cache(maxsize=64)
def _table(classes: tuple[tuple[bool, ...], ...], device: torch.device) -> Tensor:
    """(regions, classes) float32, moved to a device once: a copy in every step would wait for the step before."""
    return torch.tensor(classes, dtype=torch.float32).t().contiguous().to(device)
