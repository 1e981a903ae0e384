"""How every loss reads the outputs of a network and the truth of a batch: once, whatever the kind of truth is.

| truth | outputs are | target |
|---|---|---|
| `mask` | softmax over classes, of which the first is the background | one-hot |
| `regions` | sigmoids of regions that may overlap | multi-hot |
| `category` | softmax over classes | one-hot |
| `labels` | sigmoids of labels of which a case may have several | multi-hot; NaN is unknown and does not count |

With `valid` beside a mask or regions, voxels where it is false do not count. Where nothing of a sample counts, its loss
is 0 and so is its gradient. Nothing here waits for the device.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from wardround.engine.sampling.batch import Batch

VALID = "valid"
_CERTAIN = torch.finfo(torch.float32).eps / 2


@dataclass(frozen=True)
class Reading:
    """Outputs and truth of a batch, voxels in a row; what has no grid is one voxel.

    Attributes:
        outputs: (samples, outputs, voxels) logits, float32 (float64 where they were that).
        target: of the same shape: 1 where an output's class is the truth; 0 elsewhere, and where nothing counts.
        counted: (samples, outputs or 1, voxels) bool; None where everything counts.
        exclusive: whether exactly one class is the truth (softmax), rather than any number of them (sigmoid).
        background: whether the first output is the background, which is no class of the study.
        grid: voxels along each axis; empty without one.
        spacings: of each sample, mm along each axis of the grid.
    """

    outputs: Tensor
    target: Tensor
    counted: Tensor | None
    exclusive: bool
    background: bool
    grid: tuple[int, ...]
    spacings: tuple[tuple[float, ...], ...]

    def probabilities(self) -> Tensor:
        """(samples, outputs, voxels), 0 where nothing counts."""
        return self.kept(self.outputs.softmax(dim=1) if self.exclusive else self.outputs.sigmoid())

    def logarithms(self) -> Tensor:
        """log p, (samples, outputs, voxels)."""
        return self.outputs.log_softmax(dim=1) if self.exclusive else functional.logsigmoid(self.outputs)

    def complements(self) -> Tensor:
        """log(1 - p), (samples, outputs, voxels); of a softmax no less than what float32 tells from 1."""
        if not self.exclusive:
            return functional.logsigmoid(-self.outputs)
        return torch.log(-torch.expm1(self.outputs.log_softmax(dim=1).clamp_max(-_CERTAIN)))

    def kept(self, values: Tensor) -> Tensor:
        """(samples, outputs or 1, voxels) values, 0 where nothing counts."""
        return values if self.counted is None else torch.where(self.counted, values, 0)

    def mean(self, values: Tensor) -> Tensor:
        """(samples,) mean of (samples, outputs or 1, voxels) values over what counts."""
        if self.counted is None:
            return values.flatten(1).mean(dim=1)
        counted = self.counted.expand(len(values), max(values.shape[1], self.counted.shape[1]), -1)
        return self.kept(values).flatten(1).sum(dim=1) / counted.flatten(1).sum(dim=1).clamp_min(1)

    def voxels(self) -> Tensor:
        """(samples, outputs or 1): how many voxels count."""
        if self.counted is None:
            return self.outputs.new_full((len(self.outputs), 1), self.outputs.shape[2])
        return self.counted.sum(dim=2).to(self.outputs.dtype)

    def over_classes(self, values: Tensor) -> Tensor:
        """Of (samples, outputs, ...) values those of the study's classes: without the background where there is one."""
        return values[:, 1:] if self.background else values

    def settled(self, losses: Tensor) -> Tensor:
        """(samples,) losses, 0 without a gradient where nothing of a sample counts."""
        return losses if self.counted is None else torch.where(self.counted.flatten(1).any(dim=1), losses, 0)

    def on_grid(self, values: Tensor) -> Tensor:
        """(samples, outputs, voxels) values as (samples, outputs, *grid)."""
        return values.reshape(*values.shape[:2], *self.grid)


class ReadLoss(ABC):
    """A loss of a reading, in float32 under autocast too."""

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """(samples,) losses of logits (samples, outputs, *grid) or (samples, outputs). Raises ValueError where the
        batch has no truth that fits them."""
        with full_precision(outputs):
            reading = read(outputs, batch)
            return reading.settled(self.of(reading))

    @abstractmethod
    def of(self, reading: Reading) -> Tensor:
        """(samples,) losses, finite with finite derivatives also where nothing of a sample counts."""


def read(outputs: Tensor, batch: Batch) -> Reading:
    """The outputs beside the truth that fits them. Raises ValueError where the batch has none, or one of another
    shape."""
    name = _name_of_truth(outputs, batch.truth)
    logits, truth = flat(outputs), batch.truth[name]
    exclusive, counted = name in ("mask", "category"), _counted(outputs, batch.truth)
    _require_shape(name, truth, (len(outputs), *outputs.shape[2 if exclusive else 1 :]))
    if exclusive:
        target = one_hot(truth, logits.shape[1])
    else:
        given = truth.reshape(logits.shape)
        if given.is_floating_point():
            counted = ~given.isnan() if counted is None else counted & ~given.isnan()
        target = given.nan_to_num().to(logits.dtype)
    if counted is not None:
        target = torch.where(counted, target, 0)
    grid = tuple(outputs.shape[2:])
    spacings = tuple(each.spacing for each in batch.surroundings) or ((1.0,) * len(grid),) * len(outputs)
    return Reading(logits, target.to(logits.dtype), counted, exclusive, name == "mask", grid, spacings)


def one_hot(truth: Tensor, classes: int) -> Tensor:
    """(samples, classes, voxels) float32 of class indices (samples, *grid); a target without a grid is one voxel."""
    indices = torch.arange(classes, device=truth.device).unsqueeze(-1)
    return (truth.reshape(len(truth), 1, -1) == indices).float()


def flat(outputs: Tensor) -> Tensor:
    """(samples, outputs, voxels) in float32, or in float64 where they were that."""
    return (outputs if outputs.dtype == torch.float64 else outputs.float()).reshape(*outputs.shape[:2], -1)


def full_precision(outputs: Tensor) -> torch.autocast:
    """While a loss is computed: nothing is in half precision."""
    return torch.autocast(outputs.device.type, enabled=False)


def _name_of_truth(outputs: Tensor, truth: Mapping[str, Tensor]) -> str:
    """Masks or regions for dense outputs, categories or labels for vectors."""
    names = ("mask", "regions") if outputs.ndim > 2 else ("category", "labels")
    found = next((name for name in names if name in truth), None)
    if found is None:
        raise ValueError(f"outputs of shape {tuple(outputs.shape)} need a batch with a {names[0]} or {names[1]}")
    return found


def _counted(outputs: Tensor, truth: Mapping[str, Tensor]) -> Tensor | None:
    if VALID not in truth or outputs.ndim <= 2:
        return None
    _require_shape(VALID, truth[VALID], (len(outputs), *outputs.shape[2:]))
    return truth[VALID].reshape(len(outputs), 1, -1) != 0


def _require_shape(name: str, truth: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(truth.shape) != shape:
        raise ValueError(f"the truth {name!r} has the shape {tuple(truth.shape)}, and the outputs ask for {shape}")
