"""Parameters of the random transforms that imitate what scanners do. They act on batches of patches."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from wardround.engine.parts.augmentation.ranges import (
    Counts,
    NonNegativeNumbers,
    PositiveShares,
    Shares,
    in_order,
)
from wardround.engine.parts.augmentation.transform import TransformParameters
from wardround.engine.parts.numbers import Probability
from wardround.engine.parts.part import Kind, Part

_Quanta = Annotated[float, Field(gt=0, le=1e9)]
"""No more than can be counted one by one."""


class BiasField(TransformParameters):
    """Multiply by a field that varies slowly, as the sensitivity of a coil does.

    After Van Leemput et al. 1999 (doi:10.1109/42.811268) and Sudre et al. 2017 (doi:10.1007/978-3-319-66182-7_31): it
    is the exponential of a polynomial of this `order` in the places of voxels, from -1 to 1 along each axis. Its
    coefficients are drawn between -`coefficients` and `coefficients`, as in TorchIO.
    """

    coefficients: Annotated[float, Field(ge=0, le=5)] = 0.5
    order: Annotated[int, Field(ge=1, le=6)] = 3
    probability: Probability = 0.2


class Motion(TransformParameters):
    """Let the subject move while an MR image is acquired (Shaw et al. 2019, proceedings.mlr.press/v102/shaw19a.html).

    The lines of k-space follow each other along an axis that is drawn; between some of them, as often as `movements`
    says, the subject turns by up to `rotation` degrees and moves by up to `translation` mm. The middle of k-space shows
    it where it is in the image, so that the truth stays where it is.
    """

    rotation: Annotated[float, Field(ge=0, le=180)] = 10.0
    translation: Annotated[float, Field(ge=0, le=1000)] = 10.0
    movements: Counts = (2, 2)
    probability: Probability = 0.1


class Ghosting(TransformParameters):
    """Repeat the image along an axis that is drawn, as breathing and flow do in MR images (TorchIO's RandomGhosting).

    Every n-th line of k-space, n from `ghosts`, is weakened by a share from `intensity`; `restored` is the share of the
    lines about its middle that stay, the middle one always.
    """

    ghosts: Counts = (4, 10)
    intensity: Shares = (0.5, 1.0)
    restored: Annotated[float, Field(ge=0, le=1)] = 0.02
    probability: Probability = 0.1


class Spike(TransformParameters):
    """Stripes over an MR image: waves from single wrong values of k-space (herringbone artefact).

    As many as `spikes` says, of an amplitude from `intensity` in standard deviations of a sample's channel. TorchIO's
    is in units of the greatest value of k-space, which of a normalised image is hardly ever the mean.
    """

    spikes: Counts = (1, 1)
    intensity: NonNegativeNumbers = (0.2, 1.0)
    probability: Probability = 0.1


class Gibbs(TransformParameters):
    """Ringing beside edges: along each axis only a share from `kept` of the lines of k-space is left, the middle ones.

    After Morelli et al. 2011, doi:10.1148/rg.314105115; an acquisition of fewer lines that is filled up with zeros.
    """

    kept: PositiveShares = (0.5, 0.9)
    probability: Probability = 0.1


class RicianNoise(TransformParameters):
    """Noise of magnitude images in MR: Gaussian in both halves of the complex signal.

    After Gudbjartsson and Patz 1995 (doi:10.1002/mrm.1910340618). Its standard deviation is drawn uniformly from `std`,
    in units of the input; no signal is the least value of a sample's channel.
    """

    std: NonNegativeNumbers = (0.0, 0.1)
    probability: Probability = 0.2


class PoissonNoise(TransformParameters):
    """Noise of counted quanta, as in X-ray and nuclear images.

    The brightest voxel of a sample's channel stands for a number from `quanta`, drawn evenly in its logarithm, and the
    least value for none.
    """

    quanta: Annotated[tuple[_Quanta, _Quanta], AfterValidator(in_order)] = (100.0, 10000.0)
    probability: Probability = 0.2


_HOME = "wardround.engine.augmentation"
PARTS = (
    Part(Kind.AUGMENTATION, "bias_field", BiasField, f"{_HOME}.bias_field:BiasFieldTransform", gandlf=("bias",)),
    Part(Kind.AUGMENTATION, "motion", Motion, f"{_HOME}.kspace:MotionTransform", gandlf=("motion",)),
    Part(Kind.AUGMENTATION, "ghosting", Ghosting, f"{_HOME}.kspace:GhostingTransform", gandlf=("kspace",)),
    Part(Kind.AUGMENTATION, "spike", Spike, f"{_HOME}.kspace:SpikeTransform", gandlf=("kspace",)),
    Part(Kind.AUGMENTATION, "gibbs", Gibbs, f"{_HOME}.kspace:GibbsTransform"),
    Part(Kind.AUGMENTATION, "rician_noise", RicianNoise, f"{_HOME}.noise:RicianNoiseTransform"),
    Part(Kind.AUGMENTATION, "poisson_noise", PoissonNoise, f"{_HOME}.noise:PoissonNoiseTransform"),
)
