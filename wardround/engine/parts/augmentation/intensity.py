"""Parameters of the random transforms of intensities. They act on batches of patches, after normalisation."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from wardround.engine.basics.closed import unfit
from wardround.engine.parts.augmentation.transform import TransformParameters
from wardround.engine.parts.numbers import NonNegative, Probability
from wardround.engine.parts.part import Kind, Part


class Noise(TransformParameters):
    """Additive Gaussian noise; its standard deviation is drawn uniformly from `std`, in units of the input."""

    std: tuple[NonNegative, NonNegative] = (0.0, 0.1)
    probability: Probability = 0.2

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
    """Raise intensities, scaled to 0..1 per sample and channel, to the power exp(g), g uniform in `log_gamma`."""

    log_gamma: tuple[float, float] = (-0.3, 0.3)
    probability: Probability = 0.2

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


_HOME = "wardround.engine.augmentation.intensity"
PARTS = (
    Part(Kind.AUGMENTATION, "noise", Noise, f"{_HOME}:NoiseTransform"),
    Part(Kind.AUGMENTATION, "gamma", Gamma, f"{_HOME}:GammaTransform"),
)
