"""Gradients that are kept within a bound before the optimiser uses them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from wardround.engine.study.sections import ClipMode, Training

_LEAST_NORM = 1e-3
"""Of a unit's weights: one that begins at zero would never move otherwise (Brock et al. 2021)."""


def clip_gradients(training: Training, weights: Iterable[nn.Parameter]) -> None:
    """Clip the gradients in place as the study says, if it does."""
    if training.gradient_clip is not None:
        _CLIPS[training.gradient_clip_mode](weights, training.gradient_clip)


@torch.no_grad()
def clip_adaptively(weights: Iterable[nn.Parameter], bound: float) -> None:
    """Bring the norm of each unit's gradient down to `bound` times the norm of its weights (Brock et al. 2021).

    A unit is what makes one output of a layer; of weights of one axis, all of them.
    """
    for weight in weights:
        if weight.grad is not None:
            most = _norms(weight).clamp_(min=_LEAST_NORM) * bound
            norms = _norms(weight.grad)
            weight.grad.mul_(torch.where(norms > most, most / norms, torch.ones_like(norms)))


def _norms(tensor: Tensor) -> Tensor:
    """Of each unit, in a shape that goes with the tensor's."""
    axes = [*range(1, tensor.ndim)] if tensor.ndim > 1 else [*range(tensor.ndim)]
    return tensor.square().sum(axes, keepdim=True).sqrt_()


_CLIPS: Mapping[ClipMode, Callable[[Iterable[nn.Parameter], float], Any]] = {
    "norm": nn.utils.clip_grad_norm_,
    "value": nn.utils.clip_grad_value_,
    "adaptive": clip_adaptively,
}
