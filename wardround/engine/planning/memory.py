"""What a step of training a U-Net takes of memory, about: for a plan, which keeps within a budget.

A step holds some `_MAPS` arrays of the size of each level's feature maps, in single precision: outputs of convolutions,
norms and activations in encoder and decoder, and their gradients. Measured peaks of this project's `unet` on a CPU (two
steps with AdamW under deep supervision; volumes of up to 64 voxels a side with 16 and 32 feature maps, flat images of
256 with 16) lie at 16 to 26 of them; the estimate is above these four. Weights are held four times: themselves,
gradients and two moments.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from wardround.engine.planning.topology import Topology

_MAPS, _BYTES, _COPIES = 27, 4, 4
MOST_FILTERS = {2: 512, 3: 320}
"""Feature maps of a level at most, by the number of axes, as in nnU-Net."""


def step_bytes(patch: Sequence[int], topology: Topology, filters: int, batch: int) -> int:
    """Bytes at the peak of a step over a batch of patches."""
    return batch * sample_bytes(patch, topology, filters) + _weight_bytes(topology, filters)


def sample_bytes(patch: Sequence[int], topology: Topology, filters: int) -> int:
    """Those that each sample of a batch adds."""
    voxels, total = math.prod(patch), 0
    for width, stride in zip(_widths(topology, filters), ((1,), *topology.strides), strict=True):
        voxels //= math.prod(stride)
        total += voxels * width
    return _MAPS * _BYTES * total


def _weight_bytes(topology: Topology, filters: int) -> int:
    """Two convolutions of each level going down, and two and the way up of each but the last going up."""
    widths = _widths(topology, filters)
    total = 0
    for level, (width, kernel) in enumerate(zip(widths, topology.kernels, strict=True)):
        above, window = widths[level - 1] if level else 1, math.prod(kernel)
        total += window * (above + width) * width
        if level + 1 < len(widths):
            total += window * 3 * width * width + math.prod(topology.strides[level]) * widths[level + 1] * width
    return _COPIES * _BYTES * total


def _widths(topology: Topology, filters: int) -> tuple[int, ...]:
    most = MOST_FILTERS[len(topology.kernels[0])]
    return tuple(min(most, filters * 2**level) for level in range(topology.levels))
