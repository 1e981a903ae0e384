"""Residual network for classification, in 2D and 3D.

Own code, not MONAI's `ResNet`: that one keeps BatchNorm in its shortcuts under group norm, fails under instance norm
unless the norm is spelled out, works in place (which hides activations from per-sample gradients), and `import monai`
takes twice as long as torch itself.
"""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from wardround.engine.networks.blocks import Residual, normed, pooled_head
from wardround.engine.networks.layers import MAX_POOLS, initialise
from wardround.engine.parts.networks import ResNet

STAGES = {
    10: (1, 1, 1, 1),
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
BOTTLENECK_DEPTHS = frozenset({50, 101, 152, 200})
EXPANSION = 4


def build_resnet(parameters: ResNet, inputs: int, outputs: int) -> nn.Module:
    """A residual network (He et al. 2016): stem, four stages, mean over the grid, linear logits (samples, outputs)."""
    # In this order, in which the weights are drawn.
    stem, stages = _stem(parameters, inputs), _stages(parameters)
    head = pooled_head(parameters.dimensions, stage_widths(parameters)[-1], outputs)
    network = nn.Sequential(stem, *(unit for stage in stages for unit in stage), *head)
    initialise(network, slope=0.0)
    return network


def encoder_stages(parameters: ResNet, inputs: int) -> list[nn.Module]:
    """The network without its head, in parts that halve the grid: the large stem before its pooling, the pooling with
    the first stage, and the other three. Their weights are in the order of those of `build_resnet`."""
    convolved, active, pool = _stem(parameters, inputs)
    first, *others = _stages(parameters)
    return [nn.Sequential(convolved, active), nn.Sequential(pool, *first), *(nn.Sequential(*units) for units in others)]


def stage_widths(parameters: ResNet) -> list[int]:
    """Channels after each of the four stages."""
    return [parameters.filters * 2**stage * _expansion(parameters) for stage in range(len(STAGES[parameters.depth]))]


def _stages(parameters: ResNet) -> list[list[nn.Module]]:
    widths = stage_widths(parameters)
    before = pairwise([parameters.filters, *widths])
    made = []
    for stage, ((inputs, outputs), count) in enumerate(zip(before, STAGES[parameters.depth], strict=True)):
        width, first = parameters.filters * 2**stage, 2 if stage else 1
        units = [_unit(parameters, inputs, width, first)]
        made.append([*units, *(_unit(parameters, outputs, width, 1) for _ in range(count - 1))])
    return made


def _stem(parameters: ResNet, inputs: int) -> nn.Sequential:
    if parameters.stem == "small":
        return nn.Sequential(normed(parameters, inputs, parameters.filters), nn.ReLU())
    return nn.Sequential(
        normed(parameters, inputs, parameters.filters, width=7, stride=2),
        nn.ReLU(),
        MAX_POOLS[parameters.dimensions](3, stride=2, padding=1),
    )


def _unit(parameters: ResNet, inputs: int, width: int, stride: int) -> nn.Module:
    outputs = width * _expansion(parameters)
    make = _bottleneck if parameters.depth in BOTTLENECK_DEPTHS else _basic
    path = make(parameters, inputs, width, stride)
    is_projected = stride > 1 or inputs != outputs
    projection = normed(parameters, inputs, outputs, width=1, stride=stride) if is_projected else nn.Identity()
    return Residual(path, projection, nn.ReLU())


def _basic(parameters: ResNet, inputs: int, width: int, stride: int) -> nn.Module:
    first = normed(parameters, inputs, width, stride=stride)
    return nn.Sequential(first, nn.ReLU(), normed(parameters, width, width))


def _bottleneck(parameters: ResNet, inputs: int, width: int, stride: int) -> nn.Module:
    return nn.Sequential(
        normed(parameters, inputs, width, width=1),
        nn.ReLU(),
        normed(parameters, width, width, stride=stride),
        nn.ReLU(),
        normed(parameters, width, width * EXPANSION, width=1),
    )


def _expansion(parameters: ResNet) -> int:
    return EXPANSION if parameters.depth in BOTTLENECK_DEPTHS else 1
