"""Parameters of the networks. Channels in and out come from the study's inputs and classes, not from here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from wardround.engine.parts.registry import Kind, Parameters, Part

Dimensions = Literal[2, 3]
Norm = Literal["instance", "batch", "group"]


class NetworkParameters(Parameters):
    """What every network has."""

    dimensions: Dimensions = 3
    norm: Norm = "instance"

    @property
    def reduction(self) -> int:
        """How many voxels along each axis become one on the network's coarsest grid; 1 where no grid is reduced."""
        return 1


class UNet(NetworkParameters):
    """U-Net (Ronneberger et al. 2015; Cicek et al. 2016): encoder and decoder with skip connections.

    filters: feature maps at full resolution, doubled at each of `levels - 1` halvings. A patch must be divisible by
    2 ** (levels - 1) along each axis.
    """

    filters: Annotated[int, Field(ge=2, le=512)] = 16
    levels: Annotated[int, Field(ge=2, le=7)] = 4
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @property
    def reduction(self) -> int:
        """2 ** (levels - 1)."""
        return int(2 ** (self.levels - 1))


class ResUNet(UNet):
    """U-Net of residual blocks (He et al. 2016): two convolutions down, one up, skips added (Myronenko 2018)."""


class ResNet(NetworkParameters):
    """Residual network for classification (He et al. 2016) of depth 10, 18, 34 or 50.

    filters: feature maps of the first stage (64 in the paper). stem: `large` is the paper's strided 7-wide convolution
    with pooling, `small` a 3-wide convolution without stride, for images of about 64 pixels a side or less.
    """

    depth: Literal[10, 18, 34, 50] = 18
    filters: Annotated[int, Field(ge=4, le=256)] = 64
    stem: Literal["large", "small"] = "large"
    norm: Norm = "batch"

    @property
    def reduction(self) -> int:
        """32, or 8 with the small stem."""
        return 8 if self.stem == "small" else 32


SEGMENTATION = frozenset({"segmentation"})
CLASSIFICATION = frozenset({"classification"})
_HOME = "wardround.engine.networks"
PARTS = (
    Part(Kind.NETWORK, "unet", UNet, f"{_HOME}.unet:build_unet", SEGMENTATION),
    Part(Kind.NETWORK, "resunet", ResUNet, f"{_HOME}.unet:build_resunet", SEGMENTATION),
    Part(Kind.NETWORK, "resnet", ResNet, f"{_HOME}.resnet:build_resnet", CLASSIFICATION),
)
