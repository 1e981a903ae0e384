"""What the patch source hands to the training loop."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class SampleKey:
    """Names one sample: with the study's seed it determines every random number that the sample needs."""

    case: str
    draw: int


@dataclass(frozen=True)
class Surroundings:
    """What a sample's case says beyond its voxels.

    Attributes:
        spacing: mm along each axis of the patch, after preprocessing.
        padding: per channel, the value of what lies outside the case.
    """

    spacing: tuple[float, ...]
    padding: tuple[float, ...]


@dataclass(frozen=True)
class Batch:
    """Samples of equal shape.

    Attributes:
        keys: one per sample.
        image: float32, (samples, channels, *patch).
        label: (samples, *patch), class indices; None for tasks without masks. In the narrowest type that holds the
            study's classes (`label_type`) until the batch lies where it is learnt from; int64 from there on.
        target: int64, (samples,), class indices; None for tasks without them.
        surroundings: one per sample; none where nothing is known of them: then voxels are cubes, and 0 lies outside.
    """

    keys: tuple[SampleKey, ...]
    image: torch.Tensor
    label: torch.Tensor | None
    target: torch.Tensor | None
    surroundings: tuple[Surroundings, ...] = ()


def label_type(classes: int) -> torch.dtype:
    """The narrowest type for masks of so many classes, so that little memory is moved: one byte a voxel up to 256."""
    return torch.uint8 if classes <= 256 else torch.int32
