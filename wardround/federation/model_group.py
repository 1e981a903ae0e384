"""The model among the tensors that cross: a network's weights under the group `model/`, to arrays and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from wardround.engine.study import Study

if TYPE_CHECKING:
    from torch import Tensor

Arrays = Mapping[str, np.ndarray]
MODEL_GROUP = "model/"
"""What the names of a network's tensors begin with when they cross."""


def initial_arrays(study: Study) -> Arrays:
    """The study's initial weights as a round's base: a function of the study alone."""
    from wardround.engine.networks import build_network
    from wardround.engine.training.weights import copy_weights

    return {f"{MODEL_GROUP}{name}": tensor.numpy() for name, tensor in copy_weights(build_network(study)).items()}


def model_of(arrays: Arrays) -> dict[str, np.ndarray]:
    """The network's arrays among those that cross, by their names in the network."""
    named = {name: array for name, array in arrays.items() if name.startswith(MODEL_GROUP)}
    return {name.removeprefix(MODEL_GROUP): array for name, array in named.items()}


def as_tensors(arrays: Arrays) -> dict[str, Tensor]:
    """The network's tensors among a round's arrays, by their names in the network."""
    import torch

    return {name: torch.from_numpy(array.copy()) for name, array in model_of(arrays).items()}
