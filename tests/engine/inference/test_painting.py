"""Regions become classes as a mask has them, against a voxel-by-voxel oracle."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from wardround.engine.inference import Painter, RegionSink
from wardround.engine.study.labels import Values
from wardround.engine.study.regions import Regions, classes_within, regions_over

NESTED: dict[str, Values] = {"core": (1, 4), "whole": (1, 2, 4), "enhancing": 4}
CROSSED: dict[str, Values] = {"a": (1, 2), "b": (2, 3)}
APART: dict[str, Values] = {"liver": (1, 2), "tumour": 3}
MANY: dict[str, Values] = {f"r{number:02d}": tuple(range(number, 18)) for number in range(1, 18)}


def over(regions: dict[str, Values]) -> Regions:
    return regions_over({"background": (0,), **classes_within({}, regions)}, regions)


def painted_slowly(regions: Regions, found: tuple[bool, ...]) -> int:
    """The class that lies in just these regions, or that of the last one of them."""
    if not any(found):
        return 0
    exact = [index for index, lies_in in enumerate(regions.classes) if lies_in == found]
    return exact[0] if exact else regions.painted[max(place for place, lies in enumerate(found) if lies)]


@pytest.mark.parametrize("each", [NESTED, CROSSED, APART], ids=["nested", "crossed", "apart"])
def test_every_combination_is_painted_by_the_rule(each: dict[str, Values]) -> None:
    regions = over(each)
    combinations = list(itertools.product((False, True), repeat=len(regions.names)))
    probabilities = np.array(combinations, dtype=np.float32).T  # (regions, voxels)
    painter = Painter(regions)
    labels = painter.labels(painter.codes(probabilities))
    assert labels.dtype == np.uint8
    assert labels.tolist() == [painted_slowly(regions, found) for found in combinations]


@pytest.mark.parametrize("each", [NESTED, CROSSED, APART, MANY], ids=["nested", "crossed", "apart", "many"])
def test_what_a_mask_can_show_comes_back_as_it_was(each: dict[str, Values]) -> None:
    regions = over(each)
    mask = np.random.default_rng(0).integers(0, len(regions.classes), (5, 4, 3))
    probabilities = np.stack([table[mask] for table in regions.tables().values()]).astype(np.float32)
    sink = RegionSink(regions, mask.shape)
    planes = torch.from_numpy(np.moveaxis(probabilities, 0, -1).copy())
    sink.put(0, planes[:2])
    sink.put(2, planes[2:])
    np.testing.assert_array_equal(sink.labels, mask)


def test_nnunets_rule_for_nested_regions() -> None:
    """Painted with `regions_class_order` [2, 1, 4], from the whole to the part (nnU-Net's convention for BraTS)."""
    regions, values = over(NESTED), (0, 1, 2, 4)
    found = np.random.default_rng(1).random((3, 200)).astype(np.float32)
    ours = np.array(values)[Painter(regions).labels(Painter(regions).codes(found))]
    theirs = np.zeros(200, dtype=int)
    for probability, value in zip(found, (2, 1, 4), strict=True):
        theirs[probability > 0.5] = value
    np.testing.assert_array_equal(ours, theirs)


def test_half_is_not_in_a_region() -> None:
    painter = Painter(over(CROSSED))
    assert painter.labels(painter.codes(np.array([[0.5], [0.5]]))).tolist() == [0]


def test_as_many_regions_as_a_study_may_have() -> None:
    regions = over({f"r{number}": tuple(range(number, 65)) for number in range(1, 65)})
    mask = np.array([0, 1, 2, 40, 64])
    probabilities = np.stack([table[mask] for table in regions.tables().values()])
    painter = Painter(regions)
    np.testing.assert_array_equal(painter.labels(painter.codes(probabilities)), mask)
