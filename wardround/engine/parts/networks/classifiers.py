"""Parameters of networks for whole images other than the residual ones."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field

from wardround.engine.parts.networks.network import WHOLE_IMAGE_TASKS, Dropout, Filters, NetworkParameters, Norm
from wardround.engine.parts.part import Kind, Part


class VGG(NetworkParameters):
    """Stacked convolutions and pooling for whole images (Simonyan & Zisserman 2015), with a norm after each.

    depth: layers with weights as the paper counts them, with its three dense ones; here the mean over the grid and one
    linear layer stand for those three, which have nine tenths of the paper's weights. filters: feature maps of the
    first stage, doubled up to eight times as many.
    """

    depth: Literal[11, 13, 16, 19] = 16
    filters: Filters = 64
    dropout: Dropout = 0.0
    norm: Norm = "batch"

    @property
    def reduction(self) -> int:
        """16 where its last convolutions are."""
        return 16

    @property
    def least_side(self) -> int:
        """Five poolings halve it."""
        return 32


class DenseNet(NetworkParameters):
    """Densely connected network for whole images (Huang et al. 2017) of depth 121, 169, 201 or 264.

    growth: feature maps that each layer adds to those of all layers before it in its block (32 in the paper). The first
    convolution has twice as many.
    """

    depth: Literal[121, 169, 201, 264] = 121
    growth: Annotated[int, Field(ge=2, le=64)] = 32
    dropout: Dropout = 0.0
    norm: Norm = "batch"

    @property
    def reduction(self) -> int:
        """A stem with pooling, and three transitions."""
        return 32

    @property
    def least_side(self) -> int:
        """Of which one voxel is left."""
        return 32

    def slimmed(self) -> Self:
        """Of least growth."""
        return self.model_copy(update={"growth": min(self.growth, 4)})


class EfficientNet(NetworkParameters):
    """EfficientNet for whole images (Tan & Le 2019), b0 to b7: depth and width that grow together.

    filters: feature maps of the stem of b0 (32 in the paper), from which all others are scaled. dropout: before the
    last layer; 0.2 for b0 in the paper, 0.5 for b7. drop_path: the greatest share of samples for which a block is left
    out in a step of training (stochastic depth, Huang et al. 2016); 0.2 in the paper.
    """

    variant: Literal["b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7"] = "b0"
    filters: Annotated[int, Field(ge=8, le=64)] = 32
    dropout: Dropout = 0.2
    drop_path: Dropout = 0.2
    norm: Norm = "batch"

    @property
    def reduction(self) -> int:
        """Five strided layers."""
        return 32


class ConvNeXt(NetworkParameters):
    """ConvNeXt for whole images (Liu et al. 2022): wide depthwise convolutions and layer norm, its only norm.

    filters: feature maps of the first stage, 96 for tiny and small in the paper and 128 for base. drop_path: as in
    `efficientnet`; 0.1 for tiny in the paper, 0.4 for small.
    """

    variant: Literal["tiny", "small", "base"] = "tiny"
    filters: Filters = 96
    drop_path: Dropout = 0.1
    norm: Literal["layer"] = "layer"  # type: ignore[assignment]

    @property
    def reduction(self) -> int:
        """A stem by 4, and three halvings."""
        return 32

    @property
    def least_side(self) -> int:
        """Of which one voxel is left."""
        return 32


class SFCN(NetworkParameters):
    """Simple fully convolutional network for the age of a brain (Peng et al. 2021): six convolutions, pooled to a
    vector.

    filters: feature maps of the first layer (32 in the paper, for about 3 million weights); the next have 2, 4, 8, 8
    and 2 times as many.
    """

    filters: Filters = 32
    dropout: Dropout = 0.5
    norm: Norm = "batch"

    @property
    def reduction(self) -> int:
        """Five poolings."""
        return 32

    @property
    def least_side(self) -> int:
        """Of which one voxel is left."""
        return 32


_HOME = "wardround.engine.networks"
_TASKS = WHOLE_IMAGE_TASKS
_DEPTHS = (11, 13, 16, 19)
_PRETRAINED = tuple(f"imagenet_vgg{depth}{norm}" for depth in _DEPTHS for norm in ("", "_bn"))
_VGG = ("vgg", *(f"vgg{depth}" for depth in _DEPTHS), *_PRETRAINED)
_DENSE = ("densenet", *(f"densenet{depth}" for depth in (121, 169, 201, 264)))
_EFFICIENT = tuple(f"efficientnetb{number}" for number in range(8))
PARTS = (
    Part(Kind.NETWORK, "vgg", VGG, f"{_HOME}.vgg:build_vgg", _TASKS, gandlf=_VGG),
    Part(Kind.NETWORK, "densenet", DenseNet, f"{_HOME}.densenet:build_densenet", _TASKS, gandlf=_DENSE),
    Part(
        Kind.NETWORK,
        "efficientnet",
        EfficientNet,
        f"{_HOME}.efficientnet:build_efficientnet",
        _TASKS,
        gandlf=_EFFICIENT,
    ),
    Part(Kind.NETWORK, "convnext", ConvNeXt, f"{_HOME}.convnext:build_convnext", _TASKS),
    Part(Kind.NETWORK, "sfcn", SFCN, f"{_HOME}.vgg:build_sfcn", _TASKS, gandlf=("brain_age",)),
)
