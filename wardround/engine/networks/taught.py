"""Networks that are taught in a way of their own: their loss is not taken of what they say of an image alone."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Taught(Protocol):
    """A network with a way of its own to learn images that are to be made."""

    def taught(self, images: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor | None]:
        """What a step's loss is taken of, and what is added to it.

        Args:
            images: (samples, inputs, *grid).
            wanted: (samples, outputs, *grid), the truth in the network's units.

        Returns:
            (samples, outputs, *grid) that the study's loss holds against the truth; and (samples,) float32 to be added
            to it, or None. What is random comes from torch's generator, which each step seeds anew.
        """


@runtime_checkable
class Accompanied(Protocol):
    """A network that learns something else beside what the study asks for."""

    def beside(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """What it says of images in training, and what is added to the study's loss of that.

        Args:
            images: (samples, inputs, *grid).

        Returns:
            (samples, outputs, *grid) logits; and (samples,) float32. What is random comes from torch's generator, which
            each step seeds anew.
        """


@runtime_checkable
class Encoding(Protocol):
    """A network that has a code of what it sees."""

    def encoded(self, images: Tensor) -> Tensor:
        """(samples, features, *coarser grid) of (samples, inputs, *grid), in evaluation mode."""
