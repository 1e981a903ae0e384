"""Parameters of networks with transformer blocks.

Their blocks see tokens, each of which stands for a small block of voxels; layer norm normalises them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field

from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts.networks.levels import LevelledParameters
from wardround.engine.parts.networks.network import (
    DENSE_TASKS,
    WHOLE_IMAGE_TASKS,
    Dropout,
    Filters,
    NetworkParameters,
)
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.setting import Setting

_PATCH = 16
_FEW_LAYERS, _FEW_NUMBERS, _LEAST_WIDTH = 4, 4, 16
Heads = Annotated[int, Field(ge=1, le=64)]
Layers = Annotated[int, Field(ge=4, le=64)]
Width = Annotated[int, Field(ge=_LEAST_WIDTH, le=4096)]


def _uneven(setting: Setting, key: str, numbers: int, heads: int) -> Iterator[Flaw]:
    """Numbers of a token that heads cannot share."""
    if numbers % heads:
        fitting = -(-numbers // heads) * heads
        what = f"the heads cannot share the `{key}` evenly"
        remedy = f"Write for example `{key}: {fitting}`, or other `heads`"
        yield Flaw(
            (*setting.place, key), what, f"`{key}: {numbers}, heads: {heads}`", f"a multiple of {heads}", remedy=remedy
        )


class _TokenParameters(NetworkParameters):
    """Numbers of a token, and blocks that look at all of them."""

    width: Width = 768
    layers: Layers = 12
    heads: Heads = 12

    def slimmed(self) -> Self:
        """Of few layers, and tokens of few numbers."""
        width = max(_LEAST_WIDTH, _FEW_NUMBERS * self.heads)
        slim = {"width": -(-width // self.heads) * self.heads, "layers": _FEW_LAYERS}
        smaller = {key: value for key, value in slim.items() if value < getattr(self, key)}
        return super().slimmed().model_copy(update=smaller)

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """Heads that do not divide the width, and what any network has."""
        yield from _uneven(setting, "width", self.width, self.heads)
        yield from super().flaws(setting)


class ViT(_TokenParameters):
    """Vision transformer for whole images (Dosovitskiy et al. 2021).

    patch: side of the block of voxels that is one token. width: numbers of a token; 384 with 6 heads is the small one,
    768 with 12 the base. Positions are told by fixed sines and the tokens are averaged at the end (Beyer et al. 2022),
    so that images of any multiple of the patch can be seen. Layer norm is its only norm.
    """

    patch: Annotated[int, Field(ge=2, le=64)] = 16
    width: Width = 384
    heads: Heads = 6
    dropout: Dropout = 0.0
    norm: Literal["layer"] = "layer"  # type: ignore[assignment]

    @property
    def reduction(self) -> int:
        """Each patch is one token."""
        return self.patch

    @property
    def divisor(self) -> int:
        """Patches do not overlap."""
        return self.patch

    @property
    def smaller_divisor(self) -> str:
        """Smaller tokens, of which there are more."""
        return "a smaller `patch`"


class UNETR(_TokenParameters):
    """Vision transformer with a convolutional decoder on four of its layers (Hatamizadeh et al. 2022).

    Tokens stand for 16 voxels a side. width, layers, heads: as in `vit`; the decoder looks at the tokens after each
    quarter of the layers. filters: feature maps of the decoder at full resolution, doubled below. `norm` is that of the
    convolutions. deep_supervision: in training the decoder's next coarser two grids are held against the mask too.
    """

    filters: Filters = 16
    dropout: Dropout = 0.0
    deep_supervision: bool = False

    @property
    def reduction(self) -> int:
        """Each token stands for so many voxels a side."""
        return _PATCH

    @property
    def divisor(self) -> int:
        """Tokens do not overlap."""
        return _PATCH

    @property
    def scales(self) -> tuple[tuple[int, ...], ...]:
        """Those of the decoder but its coarsest."""
        return tuple((2**level,) * self.dimensions for level in range(3 if self.deep_supervision else 1))

    @property
    def has_tokens(self) -> bool:
        """Before its convolutions."""
        return True


class TransUNet(_TokenParameters, LevelledParameters):
    """U-Net with a transformer on its coarsest grid (Chen et al. 2021).

    width, layers, heads: as in `vit`; each voxel of the coarsest grid is a token. filters, levels, strides: as in
    `unet`, of two convolutions a level; the paper's encoder is a residual network. `norm` is that of the convolutions.
    """

    filters: Annotated[int, Field(ge=2, le=512)] = 32
    levels: Annotated[int, Field(ge=2, le=9)] = 5

    @property
    def has_tokens(self) -> bool:
        """On the coarsest grid."""
        return True


class SwinUNETR(NetworkParameters):
    """Transformer of shifted windows on four grids with a convolutional decoder (Hatamizadeh et al. 2022).

    filters: numbers of a token on the finest of these grids, where it stands for 2 voxels a side; doubled on each
    coarser one, as are the heads. blocks: of each grid. window: tokens along a side of a window; a grid that is smaller
    is one window, and one that is no multiple is padded. `norm` is that of the convolutions. deep_supervision: in
    training the decoder's next coarser three grids are held against the mask too.
    """

    filters: Annotated[int, Field(ge=4, le=256)] = 48
    heads: Heads = 3
    blocks: Annotated[int, Field(ge=2, le=24, multiple_of=2)] = 2
    window: Annotated[int, Field(ge=2, le=16)] = 7
    dropout: Dropout = 0.0
    deep_supervision: bool = False

    @property
    def reduction(self) -> int:
        """Five halvings."""
        return 32

    @property
    def divisor(self) -> int:
        """Tokens are merged two by two."""
        return 32

    @property
    def scales(self) -> tuple[tuple[int, ...], ...]:
        """Those of the decoder but its coarsest."""
        return tuple((2**level,) * self.dimensions for level in range(4 if self.deep_supervision else 1))

    @property
    def has_tokens(self) -> bool:
        """In its encoder."""
        return True

    def slimmed(self) -> Self:
        """Of tokens of few numbers, and small windows."""
        slim = {"filters": max(4, 2 * self.heads), "window": 3}
        return self.model_copy(update={key: value for key, value in slim.items() if value < getattr(self, key)})

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """Heads that do not divide the tokens, and what any network has."""
        yield from _uneven(setting, "filters", self.filters, self.heads)
        yield from super().flaws(setting)


_HOME = "wardround.engine.networks"
_WHOLE, _DENSE = WHOLE_IMAGE_TASKS, DENSE_TASKS
PARTS = (
    Part(Kind.NETWORK, "vit", ViT, f"{_HOME}.vit:build_vit", _WHOLE),
    Part(Kind.NETWORK, "unetr", UNETR, f"{_HOME}.unetr:build_unetr", _DENSE, gandlf=("unetr",)),
    Part(Kind.NETWORK, "trans_unet", TransUNet, f"{_HOME}.unetr:build_trans_unet", _DENSE, gandlf=("transunet",)),
    Part(Kind.NETWORK, "swin_unetr", SwinUNETR, f"{_HOME}.swin:build_swin_unetr", _DENSE),
)
