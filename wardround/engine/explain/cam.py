"""Class activation maps: the feature maps of one layer, weighed by the gradient of an answer with respect to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from wardround.engine.basics.problems import InputError, did_you_mean
from wardround.engine.explain.aim import Aim, score

_MODES = {2: "bilinear", 3: "trilinear"}
_SHOWN = 8


@dataclass(frozen=True)
class Features:
    """What a layer gave for a batch, and the gradient of the answers with respect to it: (samples, maps, *coarse)."""

    values: Tensor
    gradient: Tensor


def grad_cam(network: nn.Module, images: Tensor, aim: Aim, layer: str) -> Tensor:
    """Grad-CAM (Selvaraju et al. 2017): (samples, *grid), 0 or more.

    Each feature map weighs as its mean gradient; what speaks against the answer counts as 0.
    """
    found = features(network, images, aim, layer)
    axes = tuple(range(2, found.values.ndim))
    weights = found.gradient.mean(dim=axes, keepdim=True)
    return _enlarged((weights * found.values).sum(dim=1), images.shape[2:])


def grad_cam_plus_plus(network: nn.Module, images: Tensor, aim: Aim, layer: str) -> Tensor:
    """Grad-CAM++ (Chattopadhay et al. 2018): (samples, *grid), 0 or more. Finds several places of one class better.

    With the score passed through an exponential, as there, all higher derivatives are powers of the gradient g: a voxel
    weighs g^2 / (2 g^2 + sum(A) g^3), where A are the values of its map.
    """
    found = features(network, images, aim, layer)
    axes = tuple(range(2, found.values.ndim))
    square = found.gradient.square()
    below = 2 * square + found.values.sum(dim=axes, keepdim=True) * found.gradient * square
    # Where the gradient is 0 a voxel has no weight, not 0 / 0.
    shares = torch.where(below != 0, square / torch.where(below != 0, below, torch.ones_like(below)), 0)
    weights = (shares * found.gradient.clamp_min(0)).sum(dim=axes, keepdim=True)
    return _enlarged((weights * found.values).sum(dim=1), images.shape[2:])


def features(network: nn.Module, images: Tensor, aim: Aim, layer: str) -> Features:
    """What the layer of that name gives, and its gradient. Other samples of a batch change nothing."""
    with torch.enable_grad(), _listening(network, [layer]) as heard:
        outputs = network(images.detach().requires_grad_())
        values = heard[-1][1]
        (gradient,) = torch.autograd.grad(score(outputs, aim.weights(outputs.detach())).sum(), values)
    return Features(values.detach(), gradient.detach())


def layer_of(network: nn.Module, images: Tensor, wanted: str = "") -> str:
    """The layer whose features are looked at: the one that is wanted, or the last on the network's coarsest grid.

    Raises `InputError` where there is none of that name, or none with features on a grid.
    """
    names = [name for name, module in network.named_modules() if name and not any(module.children())]
    with torch.no_grad(), _listening(network, names) as heard:
        network(images)
    places = {name: values for name, values in heard if _is_map(values, images)}
    if wanted in places:
        return wanted
    if wanted:
        raise InputError.one(
            "there is no layer of this name that gives features on a grid",
            where="--layer",
            got=wanted,
            expected=f"one of {', '.join(list(places)[-_SHOWN:])}",
            remedy=did_you_mean(wanted, places),
        )
    if not places:
        raise InputError.one(
            "no layer of this network gives features on a grid",
            where="--method",
            remedy="Use `--method occlusion` or `--method integrated_gradients`, which look at no layer",
        )
    coarsest = min(values[0, 0].numel() for values in places.values())
    return [name for name, values in places.items() if values[0, 0].numel() == coarsest][-1]


def _is_map(values: Tensor, images: Tensor) -> bool:
    """Whether a layer's output has the axes of the images, and more than one voxel."""
    return values.ndim == images.ndim and len(values) == len(images) and values[0, 0].numel() > 1


@contextmanager
def _listening(network: nn.Module, names: Sequence[str]) -> Iterator[list[tuple[str, Tensor]]]:
    """While the block runs, what these layers give, in order."""
    heard: list[tuple[str, Tensor]] = []
    modules = dict(network.named_modules())

    def hook(name: str) -> object:
        def hear(module: nn.Module, arguments: object, output: object) -> None:
            if isinstance(output, Tensor):
                heard.append((name, output))

        return modules[name].register_forward_hook(hear)

    handles = [hook(name) for name in names]
    try:
        yield heard
    finally:
        for handle in handles:
            handle.remove()  # type: ignore[attr-defined]


def _enlarged(maps: Tensor, size: Sequence[int]) -> Tensor:
    """(samples, *coarse) to (samples, *size), what is negative as 0."""
    shape = list(size)
    grown = functional.interpolate(maps.clamp_min(0)[:, None], shape, mode=_MODES[len(shape)], align_corners=False)
    return grown[:, 0]
