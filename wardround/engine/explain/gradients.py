"""Explanations by gradients with respect to the image itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from wardround.engine.basics.problems import InputError
from wardround.engine.explain.aim import Aim, score

STEPS = 32
"""Points of the path from the empty image at which integrated gradients are taken."""
_RECTIFIERS = (
    *(nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.CELU, nn.SELU),
    *(nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish),
)


def guided_backpropagation(network: nn.Module, images: Tensor, aim: Aim) -> Tensor:
    """Guided backpropagation (Springenberg et al. 2015): (samples, *grid), 0 or more.

    The gradient passes a rectifier only where both it and the rectifier's output are positive. Of several channels the
    strongest counts. Raises `InputError` for a network without rectifiers, where it would be the plain gradient.
    """
    with _guided(network):
        gradient = _gradient(network, images, _weights(network, images, aim))
    return gradient.abs().amax(dim=1)


def integrated_gradients(network: nn.Module, images: Tensor, aim: Aim, empty: Tensor) -> Tensor:
    """Integrated gradients (Sundararajan et al. 2017): (samples, *grid), of either sign.

    Along a straight line from the empty image, of shape (channels,), to the image, by the midpoint rule. Channels are
    added up, so that a sample's voxels sum to the answer for it minus that for the empty image.
    """
    weights = _weights(network, images, aim)
    start = empty.reshape(1, -1, *(1,) * (images.ndim - 2)).expand_as(images)
    total = torch.zeros_like(images)
    for step in range(STEPS):
        point = start + (step + 0.5) / STEPS * (images - start)
        total += _gradient(network, point, weights)
    return ((images - start) * total / STEPS).sum(dim=1)


def _weights(network: nn.Module, images: Tensor, aim: Aim) -> Tensor:
    with torch.no_grad():
        return aim.weights(network(images))


def _gradient(network: nn.Module, images: Tensor, weights: Tensor) -> Tensor:
    with torch.enable_grad():
        watched = images.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(score(network(watched), weights).sum(), watched)
    return gradient.detach()


class _Guided(torch.autograd.Function):
    """The identity, whose gradient passes where it and the value are positive."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        return values.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        values: Tensor = ctx.saved_tensors[0]
        return gradient.clamp_min(0) * (values > 0)


class _Through(torch.autograd.Function):
    """A rectifier's output, with the gradient handed on to its input unchanged: what passes was decided behind it."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, output: Tensor) -> Tensor:
        return output.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


@contextmanager
def _guided(network: nn.Module) -> Iterator[None]:
    """While the block runs, the rectifiers of a network guide gradients."""
    rectifiers = [module for module in network.modules() if isinstance(module, _RECTIFIERS)]
    if not rectifiers:
        raise InputError.one(
            "this network has no rectifiers that could guide a gradient",
            where="--method",
            remedy="Use `--method integrated_gradients` or `--method grad_cam`",
        )

    def guide(module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor:
        through: Any = _Through.apply(arguments[0], output.detach())  # type: ignore[no-untyped-call]
        guided: Tensor = _Guided.apply(through)  # type: ignore[no-untyped-call]
        return guided

    handles = [module.register_forward_hook(guide) for module in rectifiers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
