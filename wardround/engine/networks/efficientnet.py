"""EfficientNets for whole images, in 2D and 3D."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from wardround.engine.networks.blocks import DropPath, normed, pointwise, pooled_head
from wardround.engine.networks.layers import MEAN_POOLS, initialise
from wardround.engine.parts.networks import EfficientNet

SCALES = {
    "b0": (1.0, 1.0),
    "b1": (1.0, 1.1),
    "b2": (1.1, 1.2),
    "b3": (1.2, 1.4),
    "b4": (1.4, 1.8),
    "b5": (1.6, 2.2),
    "b6": (1.8, 2.6),
    "b7": (2.0, 3.1),
}
"""Of each variant by how much it is wider and deeper than b0."""
STEM, HEAD = 32, 1280
STEP = 8
"""Channels come in multiples of it."""


@dataclass(frozen=True)
class Stage:
    """Blocks of one kind, as the paper's table has them for b0.

    Attributes:
        count: how many blocks.
        outputs: channels after each.
        stride: of the first block.
        width: of the depthwise convolution.
        expansion: by how much a block is wider inside.
    """

    count: int
    outputs: int
    stride: int
    width: int
    expansion: int


STAGES = (
    Stage(1, 16, 1, 3, 1),
    Stage(2, 24, 2, 3, 6),
    Stage(2, 40, 2, 5, 6),
    Stage(3, 80, 2, 3, 6),
    Stage(3, 112, 1, 5, 6),
    Stage(4, 192, 2, 5, 6),
    Stage(1, 320, 1, 3, 6),
)


@dataclass(frozen=True)
class _Block:
    """One block, scaled."""

    inputs: int
    outputs: int
    stride: int
    width: int
    expansion: int
    left_out: float


class SqueezeExcitation(nn.Module):
    """Weighs channels by the means of all of them (Hu et al. 2018)."""

    def __init__(self, dimensions: int, channels: int, inner: int) -> None:
        super().__init__()
        self.weight = nn.Sequential(
            MEAN_POOLS[dimensions](1),
            pointwise(dimensions, channels, inner),
            nn.SiLU(),
            pointwise(dimensions, inner, channels),
            nn.Sigmoid(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """The same shape."""
        return cast(Tensor, features * self.weight(features))


class InvertedResidual(nn.Module):
    """Widened, filtered channel by channel, weighed and narrowed (Sandler et al. 2018); added to what came in where
    the shape allows."""

    def __init__(self, parameters: EfficientNet, block: _Block) -> None:
        super().__init__()
        inner, dimensions = block.inputs * block.expansion, parameters.dimensions
        wider = [normed(parameters, block.inputs, inner, width=1), nn.SiLU()] if block.expansion > 1 else []
        self.path = nn.Sequential(
            *wider,
            normed(parameters, inner, inner, width=block.width, stride=block.stride, groups=inner),
            nn.SiLU(),
            SqueezeExcitation(dimensions, inner, max(1, block.inputs // 4)),
            normed(parameters, inner, block.outputs, width=1),
        )
        self.added = block.stride == 1 and block.inputs == block.outputs
        self.drop_path = DropPath(block.left_out) if self.added else nn.Identity()

    def forward(self, features: Tensor) -> Tensor:
        """(samples, inputs, *grid) to (samples, outputs, *grid / stride)."""
        made = cast(Tensor, self.drop_path(self.path(features)))
        return features + made if self.added else made


def build_efficientnet(parameters: EfficientNet, inputs: int, outputs: int) -> nn.Module:
    """An EfficientNet (Tan & Le 2019): stem, seven stages of inverted residuals, mean over the grid, linear logits."""
    stem = normed(parameters, inputs, _channels(parameters, STEM), stride=2)
    blocks = [*_blocks(parameters)]
    last = _channels(parameters, HEAD)
    network = nn.Sequential(
        stem,
        nn.SiLU(),
        *(InvertedResidual(parameters, block) for block in blocks),
        normed(parameters, blocks[-1].outputs, last, width=1),
        nn.SiLU(),
        *pooled_head(parameters.dimensions, last, outputs, parameters.dropout),
    )
    initialise(network, slope=0.0)
    return network


def _blocks(parameters: EfficientNet) -> Iterator[_Block]:
    deeper = SCALES[parameters.variant][1]
    counts = [math.ceil(stage.count * deeper) for stage in STAGES]
    inputs, place, total = _channels(parameters, STEM), 0, sum(counts)
    for stage, count in zip(STAGES, counts, strict=True):
        outputs = _channels(parameters, stage.outputs)
        for number in range(count):
            left_out = parameters.drop_path * place / total
            yield _Block(inputs, outputs, 1 if number else stage.stride, stage.width, stage.expansion, left_out)
            inputs, place = outputs, place + 1


def _channels(parameters: EfficientNet, of_b0: int) -> int:
    """Channels of a layer: scaled and rounded as the authors do, never down by more than a tenth."""
    wanted = of_b0 * SCALES[parameters.variant][0] * parameters.filters / STEM
    rounded = max(STEP, int(wanted + STEP / 2) // STEP * STEP)
    return rounded if rounded >= 0.9 * wanted else rounded + STEP
