"""Parameters of networks that say something of each voxel and are no U-Nets of levels."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field

from wardround.engine.parts.networks.network import DENSE_TASKS, NetworkParameters, Norm
from wardround.engine.parts.part import Kind, Part

_GRIDS = 4


class ResNetUNet(NetworkParameters):
    """U-Net whose encoder is a residual network for whole images, as `resnet` with the large stem.

    depth, filters: of the encoder. The decoder has two convolutions a grid after the nearest neighbour's, and ends with
    a quarter of the filters. deep_supervision: in training the decoder's next coarser three grids are held against the
    mask too.
    """

    depth: Literal[18, 34, 50, 101, 152] = 34
    filters: Annotated[int, Field(ge=8, le=256)] = 64
    deep_supervision: bool = False
    norm: Norm = "batch"

    @property
    def reduction(self) -> int:
        """Stem, pooling and three stages."""
        return 32

    @property
    def divisor(self) -> int:
        """Every grid is doubled on the way back."""
        return 32

    @property
    def scales(self) -> tuple[tuple[int, ...], ...]:
        """Those of the decoder but its coarsest."""
        count = _GRIDS if self.deep_supervision else 1
        return tuple((2**level,) * self.dimensions for level in range(count))


class MSDNet(NetworkParameters):
    """Mixed-scale dense network (Pelt & Sethian 2018): few feature maps, all on the full grid, with dilated windows.

    layers: each sees the image and all layers before it. filters: feature maps of a layer (1 in the paper).
    dilations: windows are 1, 2, 3 ... up to this many voxels apart, over and over. Memory grows with the square of
    `layers`.
    """

    layers: Annotated[int, Field(ge=2, le=200)] = 30
    filters: Annotated[int, Field(ge=1, le=64)] = 2
    dilations: Annotated[int, Field(ge=1, le=20)] = 10

    def slimmed(self) -> Self:
        """Of few layers."""
        return self.model_copy(update={"layers": min(self.layers, 4), "filters": min(self.filters, self.few_filters)})


_HOME = "wardround.engine.networks"
_TASKS = DENSE_TASKS
PARTS = (
    Part(
        Kind.NETWORK,
        "resnet_unet",
        ResNetUNet,
        f"{_HOME}.resnet_unet:build_resnet_unet",
        _TASKS,
        gandlf=("imagenet_unet",),
    ),
    Part(Kind.NETWORK, "msdnet", MSDNet, f"{_HOME}.msdnet:build_msdnet", _TASKS, gandlf=("msdnet",)),
)
