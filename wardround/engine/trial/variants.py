"""What must hold of a network beyond the study that tries it: other seeds, norms, numbers of axes, and its file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from safetensors.torch import load, save
from torch import nn

from wardround.engine.networks import build_network, logits_of, outputs_of
from wardround.engine.networks.critic import CRITIC
from wardround.engine.networks.taught import Accompanied
from wardround.engine.parts import BreachError
from wardround.engine.parts.networks import NetworkParameters, network_of
from wardround.engine.study import Study
from wardround.engine.tasks import build_task
from wardround.engine.tasks.task import frozen
from wardround.engine.trial.attempt import require_finite
from wardround.engine.trial.example import choices_of
from wardround.engine.trial.material import Sizes, batch_of, features_of, learnt
from wardround.engine.trial.networks import as_tuple

_NEEDS_MOST = ("instance", "batch", "group", "layer")
"""Norms by how many voxels they need."""


def variants_of(study: Study) -> Iterator[Study]:
    """The study with other values of the keys that its network shares with others, as far as it takes them.

    Of flat images with the norm that needs most voxels; of the same axes with deep supervision.
    """
    network = network_of(study.model.parameters)
    if network is None:
        return
    if study.dimensions == 3 and 2 in _choices(network, "dimensions"):
        first, second, _ = study.patches.size
        size = (2 * first, second)  # for a norm that needs two voxels of the coarsest grid
        flat = study.model_copy(update={"patches": study.patches.model_copy(update={"size": size})})
        yield _with(flat, dimensions=2, norm=min(_choices(network, "norm"), key=_NEEDS_MOST.index))
    if "deep_supervision" in type(network).model_fields:
        yield _with(study, deep_supervision=True)


def require_same_weights(study: Study) -> None:
    """The same seed gives the same weights. Raises `BreachError`."""
    first, second = (build_network(study).state_dict() for _ in range(2))
    if any(not torch.equal(tensor, second[name]) for name, tensor in first.items()):
        raise BreachError("other weights for the same seed", "weights that are drawn from torch's generator alone")


def require_gradients(study: Study, network: nn.Module, sizes: Sizes) -> None:
    """Every weight gets a gradient. Of a network that learns something else too `require_learning` asks that, of the
    whole step. Raises `BreachError`."""
    if isinstance(network, Accompanied):
        return
    network.train()
    outputs = as_tuple(outputs_of(study, network, batch_of(study, sizes.small, 2).image, features_of(study, 2)))
    torch.autograd.backward([(each * torch.randn_like(each)).sum() for each in outputs])
    own = ((name, weight) for name, weight in network.named_parameters() if not name.startswith(f"{CRITIC}."))
    idle = [name for name, weight in own if weight.requires_grad and weight.grad is None]
    if idle:
        raise BreachError(f"no gradient of {idle[0]}", "a gradient of every weight")


def require_learning(study: Study, shape: tuple[int, ...]) -> None:
    """A step by the task's own way gives one finite loss for each sample, and a finite gradient of every weight. Raises
    `BreachError`."""
    network, batch = build_network(study), learnt(batch_of(study, shape, 2))
    found = build_task(study).learn(network.train(), batch)
    if found.shape != (2,):
        raise BreachError(f"losses of shape {tuple(found.shape)}", "one for each of two samples")
    torch.autograd.backward(found.mean())
    for name, weight in network.named_parameters():
        if weight.grad is None:
            raise BreachError(f"no gradient of {name} in a step", "a gradient of every weight")
        require_finite(weight.grad, f"the gradient of {name}")


def require_kept_weights(study: Study, network: nn.Module, sizes: Sizes) -> None:
    """A network with the weights of a file predicts what the one did that they are of. Raises `BreachError`."""
    other = build_network(study.model_copy(update={"seed": study.seed + 1}))
    other.load_state_dict(load(save(network.state_dict())), strict=True)
    image, table = batch_of(study, sizes.small, 1).image, features_of(study, 1)
    with frozen(network), frozen(other):
        if not torch.equal(logits_of(study, network, image, table), logits_of(study, other, image, table)):
            raise BreachError("other outputs after its weights were in a file", "all that it has learnt in its weights")


def require_every_norm(study: Study) -> None:
    """Each norm that its parameters take is the one that it has, in volumes and in flat images. Raises `InputError`."""
    network = network_of(study.model.parameters)
    if network is None:
        return
    for dimensions in _choices(network, "dimensions"):
        for norm in _choices(network, "norm"):
            build_network(_with(study, dimensions=dimensions, norm=norm))


def _choices(network: NetworkParameters, key: str) -> tuple[Any, ...]:
    return choices_of(type(network).model_fields[key], getattr(network, key))


def _with(study: Study, **changes: Any) -> Study:
    parameters = study.model.parameters.model_copy(update=changes)
    return study.model_copy(update={"model": study.model.model_copy(update={"parameters": parameters})})
