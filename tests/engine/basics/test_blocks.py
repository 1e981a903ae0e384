"""Work by blocks gives what numpy gives at once, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wardround.engine.basics import blocks as rooms
from wardround.engine.basics.blocks import blocks, counts, pairwise_sum


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "BLOCK", 256)


def test_blocks_are_views_of_all_of_an_array() -> None:
    array = np.zeros((7, 11, 13))
    for number, part in enumerate(blocks(array)):
        part += number + 1
    assert (array > 0).all()
    assert len(list(blocks(array))) == -(-array.size // 256)
    with pytest.raises(ValueError, match="C order"):
        next(iter(blocks(array.T)))


@given(st.integers(1, 5000), st.integers(0, 2**32 - 1))
def test_a_pairwise_sum_has_numpys_bits(size: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(1e3, 1e5, size)
    assert pairwise_sum(lambda first, last: values[first:last], 0, size) == values.sum()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.int32])
def test_counts_are_those_of_bincount(kind: type[np.generic]) -> None:
    values = np.random.default_rng(0).integers(0, 9, (9, 17, 31)).astype(kind)
    np.testing.assert_array_equal(counts(values, 12), np.bincount(values.ravel(), minlength=12))
    np.testing.assert_array_equal(counts(values.transpose(2, 0, 1), 12), np.bincount(values.ravel(), minlength=12))
