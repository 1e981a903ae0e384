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
class Batch:
    """Samples of equal shape.

    Attributes:
        keys: one per sample.
        image: float32, (samples, channels, *patch).
        label: (samples, *patch), class indices; None for tasks without masks. In the narrowest type that holds the
            study's classes (`label_type`) until the batch lies where it is learnt from; int64 from there on.
        target: int64, (samples,), class indices; None for tasks without them.
    """

    keys: tuple[SampleKey, ...]
    image: torch.Tensor
    label: torch.Tensor | None
    target: torch.Tensor | None


def label_type(classes: int) -> torch.dtype:
    """The narrowest type for masks of so many classes, so that little memory is moved: one byte a voxel up to 256."""
    return torch.uint8 if classes <= 256 else torch.int32
