"""Fully convolutional networks of sums of scores, in 2D and 3D."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from wardround.engine.networks.blocks import Linear, activated, dropout, pointwise
from wardround.engine.networks.layers import LEAK, initialise
from wardround.engine.parts.networks import FCN


class FCNetwork(nn.Module):
    """An encoder; each level's scores are added to those of the level below, interpolated to its grid."""

    def __init__(self, parameters: FCN, inputs: int, outputs: int) -> None:
        super().__init__()
        widths, self.grids = parameters.widths, len(parameters.scales)
        self.encoders = nn.ModuleList(
            _block(parameters, level, before, after)
            for level, (before, after) in enumerate(pairwise([inputs, *widths]))
        )
        self.scores = nn.ModuleList(pointwise(parameters.dimensions, width, outputs) for width in widths)
        self.ups = nn.ModuleList(Linear(step) for step in parameters.steps[1:])
        initialise(self, LEAK)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Logits (samples, outputs, *grid) of (samples, inputs, *grid); in training of several grids if so told."""
        features, scores = image, []
        for encoder, score in zip(self.encoders, self.scores, strict=True):
            features = encoder(features)
            scores.append(score(features))
        for level, up in reversed([*enumerate(self.ups)]):
            scores[level] = scores[level] + up(scores[level + 1])
        return tuple(scores[: self.grids]) if self.training and self.grids > 1 else scores[0]


def build_fcn(parameters: FCN, inputs: int, outputs: int) -> nn.Module:
    """A fully convolutional network (Long et al. 2015): scores are summed from the coarsest level to the finest."""
    return FCNetwork(parameters, inputs, outputs)


def _block(parameters: FCN, level: int, inputs: int, outputs: int) -> nn.Module:
    first = activated(parameters, inputs, outputs, stride=parameters.steps[level])
    second = activated(parameters, outputs, outputs)
    return nn.Sequential(first, second, dropout(parameters.dimensions, parameters.dropout))
