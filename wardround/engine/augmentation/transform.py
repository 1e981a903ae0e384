"""What a random transform is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch

from wardround.engine.sampling.batch import Surroundings


@dataclass(frozen=True)
class Drawn:
    """Base of the parameters that a transform draws for one sample: plain numbers, fit for JSON.

    Random values for every voxel are represented by the seed that they grow from.
    """


DrawnT = TypeVar("DrawnT", bound=Drawn)


@runtime_checkable
class InSpace(Protocol):
    """A transform that also asks what surrounds a sample: how large its voxels are, and what lies outside its case."""

    def placed(self, drawn: Any, surroundings: Surroundings) -> Any:
        """The parameters of a sample with what matters of its surroundings."""


class Transform(Protocol[DrawnT]):
    """A random transform, made from its parameters. It keeps no state and no random numbers of its own."""

    def draw(self, random: np.random.Generator, dimensions: int) -> DrawnT | None:
        """Parameters for one sample; None where they would change nothing."""

    def apply(
        self, image: torch.Tensor, label: torch.Tensor | None, drawn: Sequence[DrawnT | None]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The batch with each sample transformed by its own parameters.

        `image` is float32 of shape (samples, channels, *spatial), `label` integers of shape (samples, *spatial), uint8
        where that holds the classes, or None; types, shapes and device stay. The arguments are left as they are. A
        sample's outcome does not depend on the others in the batch, and one whose parameters are None comes out
        exactly as it went in.
        """


def active(drawn: Sequence[DrawnT | None]) -> list[tuple[int, DrawnT]]:
    """Places and parameters of the samples that change."""
    return [(place, parameters) for place, parameters in enumerate(drawn) if parameters is not None]
