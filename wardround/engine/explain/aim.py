"""What is explained: one output of a network, as one number for each sample."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from wardround.engine.targets import Activation


@dataclass(frozen=True)
class Aim:
    """One output of a network.

    Attributes:
        output: its index.
        activation: which tells where a dense network finds the class of that output.
    """

    output: int
    activation: Activation

    def weights(self, outputs: Tensor) -> Tensor:
        """How much each of a network's outputs counts: of the shape of `outputs`, to be kept while images change.

        A vector's output counts by itself. Of a dense network the output counts at the voxels where it is predicted, as
        in Seg-Grad-CAM (Vinogradova et al. 2020), or at all voxels of a sample where it is predicted nowhere; the mean
        over them, so that small structures have numbers of the same size as large ones.
        """
        weights = torch.zeros_like(outputs)
        if outputs.ndim == 2:
            weights[:, self.output] = 1
            return weights
        found = self._predicted(outputs)
        everywhere = (~found.flatten(1).any(dim=1)).reshape(-1, *(1,) * (found.ndim - 1))
        counted = (found | everywhere).to(outputs.dtype)
        weights[:, self.output] = counted / counted.sum(dim=tuple(range(1, found.ndim)), keepdim=True)
        return weights

    def _predicted(self, outputs: Tensor) -> Tensor:
        if self.activation is Activation.SOFTMAX:
            return outputs.argmax(dim=1) == self.output
        return outputs[:, self.output] > 0


def score(outputs: Tensor, weights: Tensor) -> Tensor:
    """(samples,) the number that is explained."""
    return (outputs * weights).flatten(1).sum(dim=1)
