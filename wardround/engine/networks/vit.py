"""Vision transformer for whole images, in 2D and 3D.

Own code, not MONAI's: that one's positions are weights for one size of image, and some of its layers get no gradient.
"""

from __future__ import annotations

from torch import Tensor, nn

from wardround.engine.networks.layers import truncated
from wardround.engine.networks.tokens import Tokens, TransformerBlock, layer_norm
from wardround.engine.parts.networks import ViT


class VisionTransformer(nn.Module):
    """Tokens, transformer blocks, their mean, and linear logits."""

    def __init__(self, parameters: ViT, inputs: int, outputs: int) -> None:
        super().__init__()
        width, dropout = parameters.width, parameters.dropout
        self.tokens = Tokens(parameters.dimensions, inputs, width, parameters.patch, dropout)
        self.blocks = nn.Sequential(
            *(TransformerBlock(width, parameters.heads, dropout) for _ in range(parameters.layers))
        )
        self.norm = layer_norm(width)
        self.head = nn.Linear(width, outputs)
        truncated(self)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (samples, outputs) of (samples, inputs, *grid); sides are multiples of the patch."""
        tokens = self.tokens(image)
        seen = self.norm(self.blocks(tokens.flatten(1, -2)))
        logits: Tensor = self.head(seen.mean(dim=1))
        return logits


def build_vit(parameters: ViT, inputs: int, outputs: int) -> nn.Module:
    """A vision transformer (Dosovitskiy et al. 2021) with fixed positions and a mean of tokens (Beyer et al. 2022)."""
    return VisionTransformer(parameters, inputs, outputs)
