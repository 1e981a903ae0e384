"""Rules on grids: voxels of which size, patches and batches of how many, and how deep a U-Net is for them.

They are nnU-Net's (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z), but for the budget: of memory that a step may
take on this project's networks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from wardround.engine.basics.sizes import shown_size
from wardround.engine.planning.decision import Budget, Decision
from wardround.engine.planning.fingerprint import Fingerprint
from wardround.engine.planning.memory import sample_bytes, step_bytes
from wardround.engine.planning.sizes import usual
from wardround.engine.planning.topology import Topology, topology_for

_ANISOTROPIC = 3.0
_FINE_SHARE = 0.1
_LONGEST, _SHORTEST = 1024, 4
_CUBE = {2: 2048**2, 3: 256**3}
"""Voxels of a patch before it is held against images and memory, as in nnU-Net."""
_LEAST_BATCH, _MOST_BATCH, _SHARE_OF_ALL = 2, 16, 0.05
_FEW, _MANY, _MUCH = 16, 32, 8e9
_SHORT_VOXELS = 200_000
"""Voxels of a step in a short training, in flat images as in volumes: two patches of the hippocampus, for instance."""


@dataclass(frozen=True)
class Patching:
    """A patch, and the U-Net that fits it."""

    patch: tuple[int, ...]
    topology: Topology


def target_spacing(print_: Fingerprint) -> Decision[tuple[float, ...]]:
    """The median of each axis; where slices are thick, the finest tenth of their distances."""
    spacing = print_.spacing
    shape = print_.shape(spacing)
    coarse = max(range(len(spacing)), key=lambda axis: spacing[axis])
    others = [axis for axis in range(len(spacing)) if axis != coarse]
    is_coarse = spacing[coarse] > _ANISOTROPIC * max(spacing[axis] for axis in others)
    if not (is_coarse and shape[coarse] * _ANISOTROPIC < min(shape[axis] for axis in others)):
        return Decision(spacing, f"The median of {print_.cases} cases")
    fine = max(usual(print_.spacings[coarse], _FINE_SHARE), max(spacing[axis] for axis in others))
    target = tuple(fine if axis == coarse else step for axis, step in enumerate(spacing))
    return Decision(
        target,
        f"The median of {print_.cases} cases; slices are more than {_ANISOTROPIC:g} times as thick as pixels are wide, "
        f"so along them the finest tenth ({fine:g} mm, median {spacing[coarse]:g})",
    )


def feature_maps(budget: Budget) -> Decision[int]:
    """Of the first level."""
    if budget.memory >= _MUCH:
        return Decision(_MANY, f"{_MANY} feature maps at first, as in nnU-Net: there are {shown_size(budget.memory)}")
    return Decision(
        _FEW, f"{_FEW} feature maps at first, for a machine with {shown_size(budget.memory)}; nnU-Net has {_MANY}"
    )


def patching(shape: Sequence[int], spacing: Sequence[float], filters: int, budget: Budget) -> Decision[Patching]:
    """As much of a median case as a batch of two leaves room for, and levels until 4 voxels are left of a side."""
    sides, topology = list(_first(shape, spacing)), topology_for(_first(shape, spacing), spacing)
    whole = topology.fitted(sides)
    patch = whole
    while step_bytes(patch, topology, filters, _LEAST_BATCH) > budget.memory and _can_shrink(patch, topology):
        axis = _longest_of(patch, shape, topology)
        patch = tuple(side - topology.divisors[axis] * (other == axis) for other, side in enumerate(patch))
        topology = topology_for(patch, spacing)
        patch = topology.fitted(patch)
    needs = shown_size(step_bytes(patch, topology, filters, _LEAST_BATCH))
    what = "A whole case" if patch == whole else "As much of a case as fits"
    reason = (
        f"{what}, which has {_by(shape)} voxels at that spacing, in multiples that the network can halve; "
        f"two such patches take about {needs} of the {shown_size(budget.memory)}"
    )
    return Decision(Patching(patch, topology), reason)


def _first(shape: Sequence[int], spacing: Sequence[float]) -> tuple[int, ...]:
    """As long in mm along every axis, where images are."""
    axes = len(shape)
    scale = (_CUBE[axes] * math.prod(spacing)) ** (1 / axes)
    sides = (min(side, round(scale / step), _LONGEST) for side, step in zip(shape, spacing, strict=True))
    return tuple(max(_SHORTEST, side) for side in sides)


def _can_shrink(patch: Sequence[int], topology: Topology) -> bool:
    return any(side > max(divisor, 2 * _SHORTEST) for side, divisor in zip(patch, topology.divisors, strict=True))


def _longest_of(patch: Sequence[int], shape: Sequence[int], topology: Topology) -> int:
    """The axis along which a patch holds most of a case, of those that can be made shorter."""
    pairs = enumerate(zip(patch, topology.divisors, strict=True))
    long = [axis for axis, (side, divisor) in pairs if side > max(divisor, 2 * _SHORTEST)]
    return max(long, key=lambda axis: patch[axis] / shape[axis])


def batch_size(
    print_: Fingerprint, shape: Sequence[int], found: Patching, filters: int, budget: Budget
) -> Decision[int]:
    """As many patches as there is room for, up to a twentieth of all voxels, as in nnU-Net, and 16; two at least.

    Of a short training fewer: for the same processor time many steps over few patches teach more than the reverse.
    """
    each = sample_bytes(found.patch, found.topology, filters)
    fixed = step_bytes(found.patch, found.topology, filters, 0)
    by_memory = int((budget.memory - fixed) // each)
    by_cases = round(_SHARE_OF_ALL * print_.cases * math.prod(shape) / math.prod(found.patch))
    by_time = _MOST_BATCH if budget.is_long else _SHORT_VOXELS // math.prod(found.patch)
    batch = max(_LEAST_BATCH, min(by_memory, by_cases, by_time, _MOST_BATCH))
    short = "" if budget.is_long else f"at most {_SHORT_VOXELS:,} voxels a step in a short training ({by_time}), "
    return Decision(
        batch,
        f"As many patches as fit into {shown_size(budget.memory)} ({max(by_memory, 0)}), at most a twentieth of all "
        f"voxels ({by_cases}), {short}{_LEAST_BATCH} at least and {_MOST_BATCH} at most",
    )


def _by(sizes: Sequence[int]) -> str:
    return " x ".join(map(str, sizes))
