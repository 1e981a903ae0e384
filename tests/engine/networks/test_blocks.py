"""Blocks against torch's own, and tokens against what each may see."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from wardround.engine.networks.blocks import DropPath, Linear, Pooled, Smoothed
from wardround.engine.networks.swin import WindowedBlock, _joined, _padded, _parted
from wardround.engine.networks.tokens import positions
from wardround.engine.parts.networks import SwinUNETR


def _volume(*sides: int) -> Tensor:
    return torch.randn(2, 3, *sides, generator=torch.Generator().manual_seed(len(sides)), dtype=torch.float64)


@pytest.mark.parametrize("factors", [(2, 2, 2), (1, 3, 4), (1, 1, 1)])
@pytest.mark.parametrize("sides", [(1, 5, 4), (3, 2, 6)])
def test_interpolation_is_torchs(factors: tuple[int, ...], sides: tuple[int, ...]) -> None:
    image = _volume(*sides)
    expected = functional.interpolate(image, scale_factor=factors, mode="trilinear", align_corners=False)
    torch.testing.assert_close(Linear(factors)(image), expected)


def test_pooling_is_torchs_and_leaves_out_what_is_over() -> None:
    image = _volume(5, 4, 7)
    assert torch.equal(Pooled((2, 2, 2), torch.amax)(image), functional.max_pool3d(image, 2))
    torch.testing.assert_close(Pooled((1, 2, 3), torch.mean)(image), functional.avg_pool3d(image, (1, 2, 3)))


def test_smoothing_is_a_mean_over_three_with_the_edge_repeated() -> None:
    image = _volume(1, 4, 2)
    padded = functional.pad(image, (1,) * 6, mode="replicate")
    torch.testing.assert_close(Smoothed()(image), functional.avg_pool3d(padded, 3, stride=1))


def test_a_path_is_left_out_by_sample_and_keeps_its_mean() -> None:
    torch.manual_seed(0)
    layer, ones = DropPath(0.25), torch.ones(4000, 2, 3)
    found = layer(ones)
    assert {round(float(value), 4) for value in found.unique()} == {0.0, round(1 / 0.75, 4)}
    assert torch.equal(found[:, :1, :1].expand_as(found), found), "a sample is kept or left out as a whole"
    assert float(found.mean()) == pytest.approx(1, abs=0.05)
    assert torch.equal(layer.eval()(ones), ones)


@pytest.mark.parametrize("grid", [(5, 4), (3, 4, 2)])
def test_every_place_has_other_numbers(grid: tuple[int, ...]) -> None:
    told = positions(grid, 26, torch.zeros(1)).flatten(0, -2)
    assert told.shape[1] == 26
    assert len({tuple(row.tolist()) for row in told}) == len(told)


def test_windows_are_parted_and_joined() -> None:
    tokens = torch.arange(2 * 5 * 6 * 3, dtype=torch.float32).reshape(2, 5, 6, 3)
    padded = _padded(tokens, (2, 3))
    assert padded.shape == (2, 6, 6, 3)
    parts = _parted(padded, (2, 3))
    assert torch.equal(parts[0, 0], padded[0, :2, :3].flatten(0, 1))
    assert torch.equal(_joined(parts, (2, 3), (6, 6))[:, :5], tokens)


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("grid", [(6, 9), (2, 6)])
def test_a_token_sees_its_window_and_nothing_else(grid: tuple[int, int], shifted: bool) -> None:
    """By the gradient: windows of three, or shifted by one, where a grid that is smaller is one window."""
    torch.manual_seed(1)
    block = WindowedBlock(SwinUNETR(dimensions=2, window=3), 6, 2, shifted=shifted).double()
    tokens = torch.randn(1, *grid, 6, dtype=torch.float64, requires_grad=True)
    window = [
        _window(place, side, shifted) for place, side in ((place, side) for side in grid for place in range(side))
    ]
    rows, columns = window[: grid[0]], window[grid[0] :]
    made = block._look(block.first(tokens))
    for row in range(grid[0]):
        for column in range(grid[1]):
            (seen,) = torch.autograd.grad(made[0, row, column].sum(), tokens, retain_graph=True)
            for other in range(grid[0]):
                for beside in range(grid[1]):
                    together = rows[other] == rows[row] and columns[beside] == columns[column]
                    assert bool(seen[0, other, beside].abs().sum() > 0) is together


def _window(place: int, side: int, shifted: bool) -> int:
    if side <= 3:
        return 0
    return (place + 2) // 3 if shifted else place // 3


def test_what_a_window_says_depends_on_how_places_lie_to_each_other() -> None:
    block = WindowedBlock(SwinUNETR(dimensions=2, window=3), 6, 2, shifted=False)
    with torch.no_grad():
        block.places.copy_(torch.arange(50.0).reshape(25, 2))
    whole, small = block._bias((3, 3))[0, 0], block._bias((2, 3))[0, 0]
    assert whole[0, 0] == whole[4, 4] == small[5, 5]
    assert whole[0, 4] == whole[4, 8] == small[0, 4], "one row down and one column on"
    assert whole[0, 1] != whole[1, 0]
    assert len(whole.unique()) == 25
