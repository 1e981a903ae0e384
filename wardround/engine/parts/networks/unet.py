"""Parameters of the U-Nets: an encoder, a decoder and skip connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from wardround.engine.basics.closed import Added
from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts.networks.levels import BlocksParameters, Kernel, LevelledParameters
from wardround.engine.parts.networks.network import DENSE_TASKS, Norm
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.setting import Setting


class UNet(LevelledParameters):
    """U-Net (Ronneberger et al. 2015; Cicek et al. 2016): encoder and decoder with skip connections.

    filters: feature maps at full resolution, doubled at each of `levels - 1` halvings, up to `most_filters` where it is
    given. A patch must be divisible by 2 ** (levels - 1) along each axis. strides: instead of halvings, by how much
    each level but the first is coarser than the one above, axis by axis. kernels: widths of the convolutions of each
    level, axis by axis; 3 unless told. nnU-Net (Isensee et al. 2021) has `[1, 3, 3]` and `[1, 2, 2]` where slices are
    thick. deep_supervision: in training, coarser grids of the decoder are held against the mask too, all but its
    coarsest; each weighs half of the next finer one.
    """

    kernels: Annotated[tuple[Kernel, ...], Added("0.4.0"), Field(max_length=9)] = ()

    def width_of(self, level: int) -> tuple[int, ...]:
        """Widths of the convolutions of a level."""
        return self.kernels[level] if self.kernels else (3,) * self.dimensions

    def _misshapen(self, setting: Setting) -> Iterator[Flaw]:
        yield from super()._misshapen(setting)
        yield from self.per_level(setting, "kernels", self.kernels, self.levels)


class ResUNet(UNet):
    """U-Net of residual blocks (He et al. 2016): two convolutions down, one up, skips added (Myronenko 2018)."""


class AttentionUNet(UNet):
    """U-Net whose skip connections are weighed voxel by voxel by what the level below has seen (Oktay et al. 2018)."""


class InceptionUNet(LevelledParameters):
    """U-Net of inception blocks (Szegedy et al. 2015): each sees its input through windows of 1, 3 and 5 voxels and
    through a mean over 3, side by side."""

    filters: Annotated[int, Field(ge=4, le=512)] = 16


class ResidualEncoder(BlocksParameters, UNet):
    """U-Net with a deep encoder of residual blocks (nnU-Net ResEnc, Isensee et al. 2024).

    blocks: residual blocks of each level; unless told, 1, 3, 4, and 6 from the fourth level on, which with six levels
    of volumes is ResEnc M and L; these two differ in patch and batch. The decoder has one convolution a level.
    """

    usual_blocks: ClassVar[tuple[int, ...]] = (1, 3, 4, 6)
    filters: Annotated[int, Field(ge=2, le=512)] = 32
    levels: Annotated[int, Field(ge=2, le=9)] = 6
    most_filters: Annotated[int | None, Field(ge=4, le=4096)] = 320


class SegResNet(BlocksParameters):
    """Residual encoder with a light decoder by linear interpolation (Myronenko 2018), norms before convolutions.

    blocks: residual blocks of each level of the encoder; unless told, 1, 2, 2, and 4 from the fourth level on.
    """

    usual_blocks: ClassVar[tuple[int, ...]] = (1, 2, 2, 4)
    filters: Annotated[int, Field(ge=2, le=512)] = 32
    norm: Norm = "group"


class FCN(LevelledParameters):
    """Fully convolutional network (Long et al. 2015): no decoder but sums of each level's scores, interpolated."""


_HOME = "wardround.engine.networks.unet"
_TASKS = DENSE_TASKS
_SIZES = ("", "light_", "deep_")
_RESIDUAL = (*(f"{size}res" for size in (*_SIZES, "light", "deep")), "residual")
_LAYERS = ("", "_multilayer")
_UNETS = tuple(f"{size}unet{layers}" for size in (*_SIZES, "light", "deep") for layers in _LAYERS)
_RESUNETS = tuple(f"{size}unet{layers}" for size in _RESIDUAL for layers in _LAYERS)
PARTS = (
    Part(Kind.NETWORK, "unet", UNet, f"{_HOME}:build_unet", _TASKS, gandlf=(*_UNETS, "dynunet")),
    Part(Kind.NETWORK, "resunet", ResUNet, f"{_HOME}:build_resunet", _TASKS, gandlf=_RESUNETS),
    Part(Kind.NETWORK, "residual_encoder", ResidualEncoder, f"{_HOME}:build_residual_encoder", _TASKS),
    Part(Kind.NETWORK, "attention_unet", AttentionUNet, f"{_HOME}:build_attention_unet", _TASKS),
    Part(Kind.NETWORK, "inception_unet", InceptionUNet, f"{_HOME}:build_inception_unet", _TASKS, gandlf=("uinc",)),
    Part(Kind.NETWORK, "segresnet", SegResNet, "wardround.engine.networks.segresnet:build_segresnet", _TASKS),
    Part(Kind.NETWORK, "fcn", FCN, "wardround.engine.networks.fcn:build_fcn", _TASKS, gandlf=("fcn",)),
)
