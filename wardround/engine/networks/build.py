"""From a study to its network: channels from inputs and classes, weights from the seed, norm layers as named."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from wardround.engine.basics.problems import InputError
from wardround.engine.basics.randomness import torch_seed
from wardround.engine.networks.critic import CRITIC, Critic
from wardround.engine.networks.layers import NORMS
from wardround.engine.networks.tabular import SEEN, FusedNetwork
from wardround.engine.parts import BreachError, Kind, answering
from wardround.engine.parts.losses import Adversarial
from wardround.engine.parts.networks import network_of, sees_table_alone
from wardround.engine.study import Study
from wardround.engine.study.tabular import width_of
from wardround.engine.targets import target_of

Outputs = Tensor | tuple[Tensor, ...]
"""Logits on the grid of the images, or in training on several grids, the finest first."""
_NORM_BASES = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm, nn.LocalResponseNorm)


def build_network(study: Study) -> nn.Module:
    """The study's network on the CPU, in training mode.

    Maps images (samples, inputs, *patch), a table (samples, features), or both, to (samples, outputs, *patch) where
    each voxel has its own truth, and to (samples, outputs) elsewhere: logits of classes, or numbers. The initial
    weights are a function of the study's model, its channels and its seed; no random state outside is read or changed.
    Raises `InputError` if the network has a norm layer other than the one that the study names.
    """
    part = study.model.part(Kind.NETWORK)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(torch_seed(study.seed, "network"))
        network = _built(study, len(study.outputs))
    with answering(part.owner):
        checked = _checked(network, study)
    return _beside_its_critic(checked, study)


def _beside_its_critic(network: nn.Module, study: Study) -> nn.Module:
    """The network; where the study's loss has an adversary, that is one of its modules, whatever the network does."""
    parameters = study.training.loss.parameters
    if isinstance(parameters, Adversarial):
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(torch_seed(study.seed, CRITIC))
            channels = len(study.inputs) + len(study.outputs)
            network.add_module(CRITIC, Critic(parameters, study.dimensions, channels))
    return network


def head_of(study: Study) -> frozenset[str]:
    """Names of the tensors of a study's network whose shapes depend on how many outputs it has."""
    own, part = build_network(study).state_dict(), study.model.part(Kind.NETWORK)
    with torch.random.fork_rng(devices=[]), answering(part.owner):
        wider = _checked(_built(study, len(study.outputs) + 1), study).state_dict()
    return frozenset(name for name, tensor in own.items() if name in wider and wider[name].shape != tensor.shape)


def _built(study: Study, outputs: int) -> object:
    """What the part makes; joined by the table where the study has columns beside its images."""
    part, parameters = study.model.part(Kind.NETWORK), study.model.parameters
    inputs, features = len(study.inputs), width_of(study.columns)
    if sees_table_alone(parameters):
        return part.make(parameters, features, outputs)
    if not features:
        return part.make(parameters, inputs, outputs)
    seeing: object = part.make(parameters, inputs, SEEN)
    return FusedNetwork(seeing, features, outputs) if isinstance(seeing, nn.Module) else seeing


def _checked(network: object, study: Study) -> nn.Module:
    if not isinstance(network, nn.Module):
        raise BreachError(f"a {type(network).__name__}", "a torch.nn.Module")
    check_norms(network, study)
    return network


def logits_of(study: Study, network: nn.Module, images: Tensor, table: Tensor | None = None) -> Tensor:
    """The study's network on images, and on features of a table where the study has columns: (samples, outputs, *grid)
    where each voxel has its own truth, or else (samples, outputs). A network that fails, or gives something else, is
    told as its package's."""
    outputs = outputs_of(study, network, images, table)
    return outputs if isinstance(outputs, Tensor) else outputs[0]


def outputs_of(study: Study, network: nn.Module, images: Tensor, table: Tensor | None = None) -> Outputs:
    """All that the study's network says of images and table: what `logits_of` gives, or in training under deep
    supervision a tuple of that and of the same on coarser grids. Errors as there."""
    with answering(study.model.part(Kind.NETWORK).owner):
        given = [each for each in (images if study.inputs else None, table) if each is not None]
        outputs: object = network(*given)
        shapes = [(len(images), len(study.outputs), *grid) for grid in _grids(study, network, images)]
        found = outputs if len(shapes) > 1 else (outputs,)
        if not isinstance(found, tuple) or len(found) != len(shapes):
            raise BreachError(f"a {type(outputs).__name__}", f"a tuple of {len(shapes)} tensors")
        for tensor, shape in zip(found, shapes, strict=True):
            _require_logits(tensor, shape, images)
        return cast(Outputs, outputs)


def _grids(study: Study, network: nn.Module, images: Tensor) -> tuple[tuple[int, ...], ...]:
    """The grids on which the network says something, the finest first."""
    grid, parameters = target_of(study).grid(images.shape[2:]), network_of(study.model.parameters)
    if not grid or parameters is None or not network.training:
        return (grid,)
    return tuple(
        tuple(side // factor for side, factor in zip(grid, factors, strict=True)) for factors in parameters.scales
    )


def _require_logits(found: object, shape: tuple[int, ...], images: Tensor) -> None:
    if not isinstance(found, Tensor):
        raise BreachError(f"a {type(found).__name__}", f"a tensor of shape {shape}")
    if found.shape != shape or not found.is_floating_point():
        got = f"{found.dtype} of shape {tuple(found.shape)}"
        raise BreachError(got, f"numbers of shape {shape} for images of shape {tuple(images.shape)}")


def norm_layers(network: nn.Module) -> dict[str, nn.Module]:
    """Every normalisation layer of a network by its qualified name."""
    return {name: module for name, module in network.named_modules() if isinstance(module, _NORM_BASES)}


def check_norms(network: nn.Module, study: Study) -> None:
    """Raise `InputError` unless every norm layer is of the kind and dimension that the study names."""
    parameters = network_of(study.model.parameters)
    if parameters is None:
        return
    expected = NORMS[parameters.norm, parameters.dimensions]
    allowed = (expected, nn.LayerNorm) if parameters.has_tokens else expected
    others = {name: layer for name, layer in norm_layers(network).items() if not isinstance(layer, allowed)}
    if others:
        found = ", ".join(f"{type(layer).__name__} in {name}" for name, layer in others.items())
        raise InputError.one(
            f"the network {study.model.name!r} has norm layers that the study does not name",
            where="model.norm",
            got=found,
            expected=expected.__name__,
            remedy="Choose another norm, or a network that honours it",
        )
