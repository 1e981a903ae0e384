"""Parameters of the random transforms of intensities. They act on batches of patches, after normalisation."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from wardround.engine.basics.closed import Added, unfit
from wardround.engine.parts.augmentation.ranges import NonNegativeNumbers, Numbers
from wardround.engine.parts.augmentation.transform import TransformParameters
from wardround.engine.parts.numbers import NonNegative, Probability
from wardround.engine.parts.part import Kind, Part

_Logarithm = Annotated[float, Field(ge=-50, le=50)]
"""Beyond these a power is 0 or infinite."""


class Noise(TransformParameters):
    """Additive Gaussian noise; its standard deviation is drawn uniformly from `std`, in units of the input.

    With `unit: deviation` it is in units of the standard deviation of each sample's channel instead, for images that
    are not normalised: GaNDLF's `noise_var` is `std: [0, 0.015]` of it.
    """

    std: tuple[NonNegative, NonNegative] = (0.0, 0.1)
    probability: Probability = 0.2
    unit: Annotated[Literal["input", "deviation"], Added("0.4.0")] = "input"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.std[0] > self.std[1]:
            raise unfit(
                "the range of `std` runs backwards",
                got=str(list(self.std)),
                expected="the smaller number first",
                remedy=f"Write `std: {sorted(self.std)}`",
            )
        return self


class Gamma(TransformParameters):
    """Raise intensities, scaled to 0..1 per sample and channel, to the power exp(g), g uniform in `log_gamma`.

    invert: probability that it is done to the negative, where dark and bright change places before and after.
    retain: `range` keeps the least and the greatest value of a channel, `moments` its mean and standard deviation
    instead. nnU-Net (Isensee et al. 2021) does it twice: with `log_gamma: [-0.36, 0.41]`, `retain: moments` and
    `invert` 1 and 0, with probabilities 0.1 and 0.3.
    """

    log_gamma: tuple[_Logarithm, _Logarithm] = (-0.3, 0.3)
    probability: Probability = 0.2
    invert: Annotated[Probability, Added("0.4.0")] = 0.0
    retain: Annotated[Literal["range", "moments"], Added("0.4.0")] = "range"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.log_gamma[0] > self.log_gamma[1]:
            raise unfit(
                "the range of `log_gamma` runs backwards",
                got=str(list(self.log_gamma)),
                expected="the smaller number first",
                remedy=f"Write `log_gamma: {sorted(self.log_gamma)}`",
            )
        return self


class Brightness(TransformParameters):
    """Multiply intensities by a number from `factor`, then add one from `shift`, in units of the input.

    nnU-Net multiplies alone (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z).
    """

    factor: NonNegativeNumbers = (0.75, 1.25)
    shift: Numbers = (0.0, 0.0)
    probability: Probability = 0.15


class Contrast(TransformParameters):
    """Stretch intensities about the mean of their sample and channel by a number from `factor`.

    With `limited` what lies beyond the least and the greatest value that were there before is cut to them, as nnU-Net
    does it (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z).
    """

    factor: NonNegativeNumbers = (0.75, 1.25)
    limited: bool = True
    probability: Probability = 0.15


_HOME = "wardround.engine.augmentation.intensity"
PARTS = (
    Part(Kind.AUGMENTATION, "noise", Noise, f"{_HOME}:NoiseTransform", gandlf=("noise", "noise_var")),
    Part(Kind.AUGMENTATION, "gamma", Gamma, f"{_HOME}:GammaTransform", gandlf=("gamma",)),
    Part(Kind.AUGMENTATION, "brightness", Brightness, f"{_HOME}:BrightnessTransform"),
    Part(Kind.AUGMENTATION, "contrast", Contrast, f"{_HOME}:ContrastTransform"),
)
