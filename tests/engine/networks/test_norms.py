"""Wardround's kernels of instance and group norm against torch's, in both layouts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from wardround.engine.networks.layouts import POINTWISE, channels_last, lies_channels_last
from wardround.engine.networks.norms import GroupNorm, InstanceNorm2d, InstanceNorm3d

SHAPES = [(2, 6, 5, 4), (1, 6, 3, 4, 5), (2, 6, 3, 4, 5), (1, 6, 1, 1, 7), (3, 6, 2, 1)]


def _pair(kind: str, shape: tuple[int, ...], dtype: torch.dtype) -> tuple[nn.Module, nn.Module]:
    """Wardround's layer and torch's, with the same weights."""
    own: nn.Module
    plain: nn.Module
    if kind == "group":
        own, plain = GroupNorm(3, shape[1], dtype=dtype), nn.GroupNorm(3, shape[1], dtype=dtype)
    elif len(shape) == 4:
        own, plain = (each(shape[1], affine=True, dtype=dtype) for each in (InstanceNorm2d, nn.InstanceNorm2d))
    else:
        own, plain = (each(shape[1], affine=True, dtype=dtype) for each in (InstanceNorm3d, nn.InstanceNorm3d))
    for weight in own.parameters():
        nn.init.normal_(weight, 0.5)
    plain.load_state_dict(own.state_dict())
    return own, plain


def _answers(layer: nn.Module, features: Tensor, gradient: Tensor) -> list[Tensor]:
    given = features.clone().requires_grad_()
    outputs = layer(given)
    return [outputs, *torch.autograd.grad(outputs, [given, *layer.parameters()], gradient)]


def _features(shape: tuple[int, ...], layout: str, dtype: torch.dtype, middle: float = 1.0) -> Tensor:
    features = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(1)) + middle
    return channels_last(features) if layout == "last" else features


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layout", ["first", "last"])
@pytest.mark.parametrize("kind", ["instance", "group"])
def test_outputs_and_gradients_are_torchs(kind: str, layout: str, shape: tuple[int, ...]) -> None:
    own, plain = _pair(kind, shape, torch.float64)
    features = _features(shape, layout, torch.float64)
    gradient = torch.randn_like(features)
    # Where they lie channels last, torch's own gradient of one sample is wrong (2.13).
    exact = _answers(plain, features.contiguous(), gradient.clone(memory_format=torch.contiguous_format))
    for found, expected in zip(_answers(own, features, gradient), exact, strict=True):
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("kind", ["instance", "group"])
def test_features_far_from_zero_are_normalised_as_well(kind: str) -> None:
    """The sum of squares less the square of the sum would have no digit left."""
    shape = (1, 6, 8, 8, 8)
    own, _ = _pair(kind, shape, torch.float32)
    features = _features(shape, "last", torch.float32, middle=3000.0)
    _, exact = _pair(kind, shape, torch.float64)
    exact.load_state_dict(own.state_dict())
    torch.testing.assert_close(own(features).double(), exact(features.double()), atol=2e-3, rtol=0)


@pytest.mark.parametrize("kind", ["instance", "group"])
def test_constant_features_give_the_shift_and_finite_gradients(kind: str) -> None:
    shape = (2, 6, 4, 4)
    own, _ = _pair(kind, shape, torch.float32)
    features = channels_last(torch.full(shape, 7.0))
    outputs, *gradients = _answers(own, features, torch.ones(shape))
    torch.testing.assert_close(outputs, list(own.parameters())[1].detach().view(1, -1, 1, 1).expand(shape))
    assert all(bool(torch.isfinite(each).all()) for each in gradients)


@pytest.mark.parametrize("kind", ["instance", "group"])
def test_the_layout_stays_forwards_and_backwards(kind: str) -> None:
    own, _ = _pair(kind, SHAPES[2], torch.float32)
    features = _features(SHAPES[2], "last", torch.float32)
    outputs, gradient, *_ = _answers(own, features, torch.randn(SHAPES[2]))
    assert lies_channels_last(outputs)
    assert lies_channels_last(gradient)


def test_one_voxel_has_no_instance_norm_as_in_torch() -> None:
    with pytest.raises(ValueError, match="more than 1 spatial element"):
        InstanceNorm3d(4, affine=True)(torch.ones(2, 4, 1, 1, 1))


@pytest.mark.parametrize("layout", ["first", "last"])
def test_bfloat16_beside_weights_in_fp32_is_normalised_too(layout: str) -> None:
    """As autocast has it, of one sample, whose gradient torch's instance norm would get wrong channels last."""
    shape = (1, 6, 3, 4, 5)
    own, plain = _pair("instance", shape, torch.float32)
    features = _features(shape, layout, torch.bfloat16)
    gradient = torch.randn_like(features)
    exact = _answers(plain, features.float().contiguous(), gradient.float().contiguous())
    for found, expected in zip(_answers(own, features, gradient), exact, strict=True):
        torch.testing.assert_close(found.float(), expected, rtol=0.02, atol=0.05)


@pytest.mark.parametrize("shape", [(2, 1, 4, 3), (2, 1, 4, 3, 5), (2, 3, 4, 4, 4)])
def test_layers_after_channels_last_see_that_they_are(shape: tuple[int, ...]) -> None:
    """Of one channel `contiguous` leaves strides from which a convolution would read the other layout."""
    laid = channels_last(torch.randn(shape))
    kind = nn.Conv2d if len(shape) == 4 else nn.Conv3d
    assert lies_channels_last(kind(shape[1], 4, 3, padding=1)(laid))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_pointwise_convolutions_are_torchs_and_keep_the_layout(dimensions: int) -> None:
    layer = POINTWISE[dimensions](3, 5, 1)
    features = torch.randn(2, 3, *[4] * dimensions)
    laid = layer(channels_last(features))
    torch.testing.assert_close(laid, layer(features))
    assert lies_channels_last(laid)
