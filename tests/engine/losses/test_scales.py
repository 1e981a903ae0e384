"""The loss of logits on several grids, against torch's own sampling and against sums by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from wardround.engine.losses import coarser, supervised
from wardround.engine.losses.classic import CrossEntropyLoss
from wardround.engine.parts.losses import CrossEntropy
from wardround.engine.sampling import Batch, SampleKey, Surroundings

GRID = (6, 8, 4)


def _batch(samples: int = 2) -> Batch:
    torch.manual_seed(0)
    truth = {
        "mask": torch.randint(0, 3, (samples, *GRID)),
        "regions": torch.randint(0, 2, (samples, 5, *GRID)).float(),
        "valid": torch.rand(samples, *GRID) > 0.5,
        "labels": torch.randint(0, 2, (samples, 4)),
        "numbers": torch.randn(samples, 2),
    }
    keys = tuple(SampleKey(f"{number:064x}", 0) for number in range(samples))
    around = Surroundings((3.0, 1.0, 0.5), (0.0,))
    return Batch(keys, torch.randn(samples, 1, *GRID), truth, (around,) * samples)


@pytest.mark.parametrize("factors", [(1, 2, 2), (2, 4, 2), (3, 2, 1), (2, 4, 4)])
def test_truth_is_that_of_the_nearest_voxel(factors: tuple[int, ...]) -> None:
    batch = _batch()
    found = coarser(batch, factors)
    size = tuple(side // factor for side, factor in zip(GRID, factors, strict=True))
    for name in ("mask", "regions", "valid"):
        each = batch.truth[name]
        planes = each.reshape(-1, 1, *GRID).double()
        expected = functional.interpolate(planes, size=size, mode="nearest-exact").to(each.dtype)
        assert torch.equal(found.truth[name], expected.reshape(*each.shape[:-3], *size)), name
        assert found.truth[name].dtype == each.dtype
    assert found.truth["labels"] is batch.truth["labels"]
    assert found.truth["numbers"] is batch.truth["numbers"]
    assert found.image.shape == (2, 1, *size)
    expected_mm = tuple(mm * factor for mm, factor in zip((3.0, 1.0, 0.5), factors, strict=True))
    assert found.surroundings[0].spacing == expected_mm


def test_each_grid_weighs_half_of_the_finer_one() -> None:
    batch, loss = _batch(), CrossEntropyLoss(CrossEntropy())
    factors = [(1, 1, 1), (1, 2, 2), (2, 4, 4)]
    outputs = tuple(
        torch.randn(2, 3, *(side // factor for side, factor in zip(GRID, each, strict=True))) for each in factors
    )
    by_hand = [
        loss(logits, coarser(batch, each)) * weight
        for logits, each, weight in zip(outputs, factors, (4 / 7, 2 / 7, 1 / 7), strict=True)
    ]
    found = supervised(loss, outputs, batch)
    assert found.shape == (2,)
    torch.testing.assert_close(found, torch.stack(by_hand).sum(dim=0))
    torch.testing.assert_close(supervised(loss, tuple(each[:1] for each in outputs), batch.one(0)), found[:1])


def test_one_grid_is_the_loss_itself() -> None:
    batch = _batch()
    logits = torch.randn(2, 3, *GRID)

    def loss(outputs: Tensor, given: Batch) -> Tensor:
        assert given is batch
        return outputs.flatten(1).mean(dim=1)

    assert torch.equal(supervised(loss, logits, batch), logits.flatten(1).mean(dim=1))
