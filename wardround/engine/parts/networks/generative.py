"""Parameters of networks that make images: through a narrow code, out of noise, or beside a segmentation."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wardround.engine.parts.networks.network import Filters, NetworkParameters, Norm
from wardround.engine.parts.numbers import NonNegative
from wardround.engine.parts.part import Kind, Part


class HalvingParameters(NetworkParameters):
    """Base of the parameters of networks that halve the grid between their levels.

    filters: feature maps at full resolution, doubled at each of `levels - 1` halvings.
    """

    filters: Filters = 16
    levels: Annotated[int, Field(ge=2, le=7)] = 4

    @property
    def widths(self) -> tuple[int, ...]:
        """Feature maps of each level, the finest first."""
        return tuple(self.filters * 2**level for level in range(self.levels))

    @property
    def reduction(self) -> int:
        """Each level below the first halves the grid."""
        return 1 << (self.levels - 1)

    @property
    def divisor(self) -> int:
        """What the reduction asks for."""
        return self.reduction

    @property
    def smaller_divisor(self) -> str:
        """Each level less halves it."""
        return "fewer `levels`"


class Autoencoder(HalvingParameters):
    """Encoder and decoder without skip connections, so that all of an image goes through its code (Hinton &
    Salakhutdinov 2006).

    features: numbers of the code at each place of the coarsest grid. kl_weight: with more than 0 it is variational
    (Kingma & Welling 2014): in training codes are drawn about their means, and their divergence from a standard normal
    distribution, in nats a voxel of the image, counts so much. `predict --features` writes the mean code of each image.
    """

    features: Annotated[int, Field(ge=1, le=4096)] = 32
    kl_weight: NonNegative = 0.0


class Diffusion(HalvingParameters):
    """Images out of noise beside the images that they are made of (Ho et al. 2020; Saharia et al. 2022): a U-Net learns
    to say the image from it and any share of noise, by the study's loss.

    Noise follows the cosine schedule (Nichol & Dhariwal 2021). A prediction begins with noise that is drawn once, with
    the weights, and takes `sampling_steps` steps without new noise (DDIM, Song et al. 2021); the network runs in each.
    """

    levels: Annotated[int, Field(ge=2, le=7)] = 3
    norm: Norm = "group"
    sampling_steps: Annotated[int, Field(ge=1, le=1000)] = 10


class SDNet(HalvingParameters):
    """Anatomy and its looks told apart (Chartsias et al. 2019): a U-Net says `anatomy` maps of zeros and ones, from
    which alone classes are read; in training the image is made again from them and `looks` numbers, so that scanners
    may differ in the latter.

    What that adds to the study's loss: kl_weight times the divergence of the looks from a standard normal distribution,
    image_weight times the mean absolute difference of the image made again, in its units, and looks_weight times that
    of looks found again in an image that was made with them. Their ratios to the loss are the paper's.
    """

    anatomy: Annotated[int, Field(ge=2, le=64)] = 8
    looks: Annotated[int, Field(ge=1, le=256)] = 8
    kl_weight: NonNegative = 0.001
    image_weight: NonNegative = 0.1
    looks_weight: NonNegative = 0.1

    @property
    def reduction(self) -> int:
        """The looks are read on a grid that is halved once more than that of the anatomy."""
        return 1 << self.levels


_TASKS = frozenset({"synthesis"})
PARTS = (
    Part(Kind.NETWORK, "autoencoder", Autoencoder, "wardround.engine.networks.autoencoder:AutoencoderNetwork", _TASKS),
    Part(
        Kind.NETWORK,
        "sdnet",
        SDNet,
        "wardround.engine.networks.sdnet:SDNetwork",
        frozenset({"segmentation"}),
        gandlf=("sdnet",),
    ),
    Part(Kind.NETWORK, "diffusion", Diffusion, "wardround.engine.networks.diffusion:DiffusionNetwork", _TASKS),
)
