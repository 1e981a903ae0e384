"""Parameters of the residual networks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from wardround.engine.parts.networks.network import WHOLE_IMAGE_TASKS, NetworkParameters, Norm
from wardround.engine.parts.part import Kind, Part


class ResNet(NetworkParameters):
    """Residual network for whole images (He et al. 2016) of depth 10, 18, 34, 50, 101, 152 or 200.

    filters: feature maps of the first stage (64 in the paper). stem: `large` is the paper's strided 7-wide convolution
    with pooling, `small` a 3-wide convolution without stride, for images of about 64 pixels a side or less.
    """

    depth: Literal[10, 18, 34, 50, 101, 152, 200] = 18
    filters: Annotated[int, Field(ge=4, le=256)] = 64
    stem: Literal["large", "small"] = "large"
    norm: Norm = "batch"

    @property
    def reduction(self) -> int:
        """32, or 8 with the small stem."""
        return 8 if self.stem == "small" else 32


_NAMES = tuple(f"resnet{depth}" for depth in (18, 34, 50, 101, 152, 200))
_HOME = "wardround.engine.networks.resnet:build_resnet"
PARTS = (Part(Kind.NETWORK, "resnet", ResNet, _HOME, WHOLE_IMAGE_TASKS, gandlf=_NAMES),)
