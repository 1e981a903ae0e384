"""Levels are those that nnU-Net has published for its data sets, and the estimate of memory grows as it must."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wardround.engine.parts.networks import UNet
from wardround.engine.planning.memory import sample_bytes, step_bytes
from wardround.engine.planning.topology import topology_for

PUBLISHED = (
    # Hippocampus, prostate and brain tumours of the Medical Segmentation Decathlon (Isensee et al. 2021).
    ((40, 56, 40), (1.0, 1.0, 1.0), ((2, 2, 2),) * 3, ((3, 3, 3),) * 4),
    (
        (20, 320, 256),
        (3.6, 0.62, 0.62),
        ((1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2), (1, 2, 2), (1, 2, 2)),
        ((1, 3, 3), (1, 3, 3), *((3, 3, 3),) * 5),
    ),
    ((128, 128, 128), (1.0, 1.0, 1.0), ((2, 2, 2),) * 5, ((3, 3, 3),) * 6),
)


def test_published_topologies() -> None:
    for patch, spacing, strides, kernels in PUBLISHED:
        found = topology_for(patch, spacing)
        assert (found.strides, found.kernels) == (strides, kernels)
        assert found.fitted(patch) == patch


def test_a_patch_too_small_to_halve_has_two_levels_all_the_same() -> None:
    found = topology_for((4, 5, 6), (1.0, 1.0, 1.0))
    assert (found.levels, found.fitted((4, 5, 6))) == (2, (4, 6, 6))


@given(
    st.lists(st.integers(4, 300), min_size=2, max_size=3),
    st.lists(st.floats(0.1, 10), min_size=3, max_size=3),
)
def test_every_topology_is_one_that_a_unet_can_have(patch: list[int], spacing: list[float]) -> None:
    found = topology_for(patch, spacing[: len(patch)])
    network = UNet(dimensions=len(patch), levels=found.levels, strides=found.strides, kernels=found.kernels, filters=16)
    assert network.divisors == found.divisors
    assert all(side % by == 0 for side, by in zip(found.fitted(patch), found.divisors, strict=True))


def test_memory_grows_with_patch_filters_and_batch() -> None:
    topology = topology_for((64, 64, 64), (1.0, 1.0, 1.0))
    base = step_bytes((64, 64, 64), topology, 16, 2)
    assert step_bytes((64, 64, 64), topology, 16, 3) - base == sample_bytes((64, 64, 64), topology, 16)
    assert sample_bytes((64, 64, 64), topology, 8) * 2 == sample_bytes((64, 64, 64), topology, 16)
    # The measured peak of two steps with AdamW on a CPU is 800 MB: never less than that, nor twice as much.
    assert 0.8e9 < base < 1.6e9
