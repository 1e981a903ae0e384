"""Parameters of the networks with an encoder, a decoder and skip connections."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wardround.engine.parts.networks.network import NetworkParameters
from wardround.engine.parts.part import Kind, Part


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

    @property
    def divisor(self) -> int:
        """2 ** (levels - 1): each level below the first halves the patch."""
        return self.reduction

    @property
    def smaller_divisor(self) -> str:
        """Each level less halves it."""
        return "fewer `levels`"


class ResUNet(UNet):
    """U-Net of residual blocks (He et al. 2016): two convolutions down, one up, skips added (Myronenko 2018)."""


_HOME = "wardround.engine.networks.unet"
_TASKS = frozenset({"segmentation"})
PARTS = (
    Part(Kind.NETWORK, "unet", UNet, f"{_HOME}:build_unet", _TASKS),
    Part(Kind.NETWORK, "resunet", ResUNet, f"{_HOME}:build_resunet", _TASKS),
)
