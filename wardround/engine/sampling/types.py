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
        label: int64, (samples, *patch), class indices; None for tasks without masks.
        target: int64, (samples,), class indices; None for tasks without them.
    """

    keys: tuple[SampleKey, ...]
    image: torch.Tensor
    label: torch.Tensor | None
    target: torch.Tensor | None
