"""Losses of labels that do not exclude one another: logits and truth are (samples, labels), NaN where unknown."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from wardround.engine.parts.losses.multilabel import BCE
from wardround.engine.sampling.batch import Batch


class BCELoss:
    """-t log p - (1 - t) log(1 - p) of sigmoid p, the mean over a sample's known labels; 0 where it has none."""

    def __init__(self, parameters: BCE) -> None:
        self._parameters = parameters

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """(samples,) float32."""
        if "labels" not in batch.truth:
            raise ValueError(f"outputs of shape {tuple(outputs.shape)} need a batch with labels")
        truth = batch.truth["labels"].float()
        known = ~truth.isnan()
        each = binary_cross_entropy_with_logits(outputs.float(), truth.nan_to_num(0.0), reduction="none")
        return (each * known).sum(dim=1) / known.sum(dim=1).clamp_min(1)
