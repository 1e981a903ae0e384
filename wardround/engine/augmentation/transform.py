"""What a random transform is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch
from torch import Tensor

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
    """A random transform, made from its parameters. It keeps no state and no random numbers of its own.

    One that derives from `IntensityTransform` or `GeometricTransform` says how a single sample changes, and gets
    `apply` from there; a study's augmentation then copies a batch once, not once for each transform.
    """

    def draw(self, random: np.random.Generator, dimensions: int) -> DrawnT | None:
        """Parameters for one sample; None where they would change nothing."""

    def apply(
        self, image: torch.Tensor, label: torch.Tensor | None, drawn: Sequence[DrawnT | None]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The batch with each sample transformed by its own parameters.

        `image` is float32 of shape (samples, channels, *spatial), `label` integers of shape (samples, *spatial), uint8
        where that holds the classes, or None; types, shapes and device stay. The arguments are left as they are. A
        sample's outcome does not depend on the others in the batch, and one whose parameters are None comes out
        exactly as it went in. Where a study's truth has more on the grid than a mask, such as overlapping regions, it
        is called again with the same parameters and each of them as the label.
        """


class IntensityTransform(ABC, Generic[DrawnT]):
    """A transform that changes intensities and moves nothing: whatever the truth is, it stays as it is."""

    @abstractmethod
    def draw(self, random: np.random.Generator, dimensions: int) -> DrawnT | None:
        """As `Transform.draw`."""

    @abstractmethod
    def changed(self, sample: Tensor, drawn: DrawnT) -> Tensor:
        """One sample, float32 of shape (channels, *spatial), after the change. It may be written into and returned."""

    def apply(
        self, image: Tensor, label: Tensor | None, drawn: Sequence[DrawnT | None]
    ) -> tuple[Tensor, Tensor | None]:
        """As `Transform.apply`."""
        changing = active(drawn)
        if not changing:
            return image, label
        image = image.clone()
        for place, parameters in changing:
            put(image[place], self.changed(image[place], parameters))
        return image, label


class Motion(Protocol):
    """How the voxels of one sample move: the same way for its image and for all of its truth.

    Each takes what lies on the grid as (channels, *spatial) and returns it in the same form, without changing it.
    """

    def image(self, volumes: Tensor) -> Tensor:
        """The sample's image: float32, interpolated between voxels, and the case's padding where nothing is known."""

    def values(self, volumes: Tensor) -> Tensor:
        """Numbers of the truth, as an image that is to be made: interpolated as the image, and 0 outside."""

    def labels(self, volumes: Tensor) -> Tensor:
        """Whole numbers or truth values: those of the nearest voxel, and 0 outside."""


@dataclass(frozen=True)
class Permutation:
    """A motion of whole voxels, after which no value is a new one.

    Attributes:
        move: takes and returns (channels, *spatial) of any type.
    """

    move: Callable[[Tensor], Tensor]

    def image(self, volumes: Tensor) -> Tensor:
        """The image, moved."""
        return self.move(volumes)

    def values(self, volumes: Tensor) -> Tensor:
        """Numbers of the truth, moved."""
        return self.move(volumes)

    def labels(self, volumes: Tensor) -> Tensor:
        """Labels, moved."""
        return self.move(volumes)


class GeometricTransform(ABC, Generic[DrawnT]):
    """A transform that moves voxels: the image, and with it all truth that lies on its grid."""

    @abstractmethod
    def draw(self, random: np.random.Generator, dimensions: int) -> DrawnT | None:
        """As `Transform.draw`."""

    @abstractmethod
    def motion(self, drawn: DrawnT, shape: tuple[int, ...], device: torch.device) -> Motion:
        """How the voxels of a sample move, whose axes in space have these lengths."""

    def apply(
        self, image: Tensor, label: Tensor | None, drawn: Sequence[DrawnT | None]
    ) -> tuple[Tensor, Tensor | None]:
        """As `Transform.apply`."""
        moving = active(drawn)
        if not moving:
            return image, label
        image, label = image.clone(), None if label is None else label.clone()
        for place, parameters in moving:
            motion = self.motion(parameters, tuple(image.shape[2:]), image.device)
            put(image[place], motion.image(image[place]))
            if label is not None:
                put(label[place], motion.labels(label[place][None])[0])
        return image, label


def active(drawn: Sequence[DrawnT | None]) -> list[tuple[int, DrawnT]]:
    """Places and parameters of the samples that change."""
    return [(place, parameters) for place, parameters in enumerate(drawn) if parameters is not None]


def put(place: Tensor, found: Tensor) -> None:
    """Write what was found where it belongs, unless it is there already."""
    if found is not place:
        place.copy_(found)
