"""Parameters of the optimisers that torch has not."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from wardround.engine.parts.numbers import NonNegative, ProperFraction
from wardround.engine.parts.optimization.optimizer import Betas, DecayingParameters, Epsilon, Rate
from wardround.engine.parts.part import Kind, Part


class NovoGrad(DecayingParameters):
    """Gradients over their norm, layer by layer (Ginsburg et al. 2019), with decoupled weight decay."""

    learning_rate: Rate = 1e-3
    betas: Betas = (0.95, 0.98)
    epsilon: Epsilon = 1e-8


class AdEMAMix(DecayingParameters):
    """AdamW with a second, slow mean of the gradients (Pagliardini et al. 2024), which counts `alpha` times.

    `alpha` and the third of `betas` rise to their values over `warmup` steps; the authors take all steps of a run.
    """

    learning_rate: Rate = 1e-3
    betas: tuple[ProperFraction, ProperFraction, Annotated[float, Field(gt=0, lt=1)]] = (0.9, 0.999, 0.9999)
    alpha: NonNegative = 5.0
    epsilon: Epsilon = 1e-8
    warmup: Annotated[int, Field(ge=0)] = 0


class Lion(DecayingParameters):
    """The signs of a mean of gradients (Chen et al. 2023), with decoupled weight decay.

    Every weight goes equally far: the authors take a learning rate 3 to 10 times smaller than AdamW's, and a weight
    decay as many times larger.
    """

    learning_rate: Rate = 1e-4
    betas: Betas = (0.9, 0.99)


class Adopt(DecayingParameters):
    """Adam that converges with any second of `betas` (Taniguchi et al. 2024): a gradient is divided before it joins its
    own square, and clipped. Weight decay is decoupled. The first step only measures gradients and moves nothing."""

    learning_rate: Rate = 1e-3
    betas: Betas = (0.9, 0.9999)
    epsilon: Epsilon = 1e-6


_HOME = "wardround.engine.training.descents"
PARTS = (
    Part(Kind.OPTIMIZER, "novograd", NovoGrad, f"{_HOME}:build_novograd", gandlf=("novograd",)),
    Part(Kind.OPTIMIZER, "ademamix", AdEMAMix, f"{_HOME}:build_ademamix", gandlf=("ademamix",)),
    Part(Kind.OPTIMIZER, "lion", Lion, f"{_HOME}:build_lion", gandlf=("lion",)),
    Part(Kind.OPTIMIZER, "adopt", Adopt, f"{_HOME}:build_adopt", gandlf=("adopt",)),
)
