"""Parameters of the optimisers that torch has; those of our own stand in `recent`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from wardround.engine.basics.closed import Added
from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts.numbers import NonNegative, ProperFraction
from wardround.engine.parts.optimization.optimizer import Betas, DecayingParameters, Epsilon, OptimizerParameters, Rate
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.setting import Setting


class AdamW(DecayingParameters):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    learning_rate: Rate = 1e-3
    weight_decay: NonNegative = 1e-2
    betas: Betas = (0.9, 0.999)
    epsilon: Annotated[Epsilon, Added("0.4.0")] = 1e-8
    amsgrad: Annotated[bool, Added("0.4.0")] = False


class Adam(DecayingParameters):
    """Adam (Kingma & Ba 2015); weight decay is added to the gradient, and `amsgrad` keeps the largest second moment
    (Reddi et al. 2018)."""

    learning_rate: Rate = 1e-3
    betas: Betas = (0.9, 0.999)
    epsilon: Epsilon = 1e-8
    amsgrad: bool = False


class SGD(DecayingParameters):
    """Stochastic gradient descent (Robbins & Monro 1951), with momentum (Polyak 1964) and weight decay if given.

    `nesterov` looks ahead along the momentum (Nesterov 1983), as nnU-Net does with a momentum of 0.99.
    """

    learning_rate: Rate = 1e-2
    momentum: ProperFraction = 0.0
    nesterov: Annotated[bool, Added("0.4.0")] = False

    def flaws(self, setting: Setting) -> Iterable[Flaw]:
        """There is nothing to look ahead along without momentum."""
        if self.nesterov and not self.momentum:
            place, remedy = (*setting.place, "nesterov"), "Write `momentum: 0.9` beside it, or take `nesterov` out"
            yield Flaw(place, "nesterov looks ahead along the momentum", "momentum 0", "a momentum", remedy=remedy)


class Adamax(DecayingParameters):
    """Adam with the infinity norm in the place of the second moment (Kingma & Ba 2015, section 7)."""

    learning_rate: Rate = 2e-3
    betas: Betas = (0.9, 0.999)
    epsilon: Epsilon = 1e-8


class NAdam(DecayingParameters):
    """Adam with Nesterov's momentum (Dozat 2016), whose share rises by `momentum_decay`."""

    learning_rate: Rate = 2e-3
    betas: Betas = (0.9, 0.999)
    epsilon: Epsilon = 1e-8
    momentum_decay: NonNegative = 4e-3


class RAdam(DecayingParameters):
    """Adam with a rectified variance, which needs no warm-up (Liu et al. 2020)."""

    learning_rate: Rate = 1e-3
    betas: Betas = (0.9, 0.999)
    epsilon: Epsilon = 1e-8


class RMSprop(DecayingParameters):
    """Gradients over the root of their mean square (Tieleman & Hinton 2012); `centered` subtracts the squared mean
    (Graves 2013). `smoothing` is the share of the mean square that is kept at each step."""

    learning_rate: Rate = 1e-2
    smoothing: ProperFraction = 0.99
    momentum: ProperFraction = 0.0
    epsilon: Epsilon = 1e-8
    centered: bool = False


class Adagrad(DecayingParameters):
    """Gradients over the root of the sum of their squares (Duchi et al. 2011)."""

    learning_rate: Rate = 1e-2
    epsilon: Epsilon = 1e-10


class Adadelta(DecayingParameters):
    """Steps in the units of the weights, from running means of squares (Zeiler 2012); `rho` is what of them is kept."""

    learning_rate: Rate = 1.0
    rho: ProperFraction = 0.9
    epsilon: Epsilon = 1e-6


class ASGD(DecayingParameters):
    """Averaged SGD (Polyak & Juditsky 1992) as torch has it: a step is the learning rate over
    (1 + shrink x learning rate x steps)^power, and the weights lose `shrink` of each.

    What is learned are the weights of the steps: for an average of them set `training.ema`.
    """

    learning_rate: Rate = 1e-2
    shrink: NonNegative = 1e-4
    power: Annotated[float, Field(ge=0, le=1)] = 0.75


class Rprop(OptimizerParameters):
    """Resilient backpropagation (Riedmiller & Braun 1993): of gradients the signs alone count.

    Each weight's step begins with `learning_rate`, shrinks and grows by `factors` and stays within `steps`. So a
    schedule has nothing to say, and none but `constant` is taken. It is made for whole cohorts as one batch.
    """

    learning_rate: Rate = 1e-3
    factors: tuple[Annotated[float, Field(gt=0, lt=1)], Annotated[float, Field(gt=1)]] = (0.5, 1.2)
    steps: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] = (1e-6, 50.0)

    @property
    def follows_schedule(self) -> bool:
        """Steps are found from the signs of gradients."""
        return False

    def flaws(self, setting: Setting) -> Iterable[Flaw]:
        """The first step lies within the bounds of all."""
        least, most = self.steps
        if not least <= self.learning_rate <= most:
            what = "the first step does not lie within `steps`"
            got, expected = f"{self.learning_rate:g}", f"{least:g} to {most:g}, the smaller one first"
            yield Flaw((*setting.place, "steps"), what, got, expected, remedy="Change `learning_rate` or `steps`")


_HOME = "wardround.engine.training.optimizers"
PARTS = (
    Part(Kind.OPTIMIZER, "adamw", AdamW, f"{_HOME}:build_adamw", gandlf=("adamw",)),
    Part(Kind.OPTIMIZER, "adam", Adam, f"{_HOME}:build_adam", gandlf=("adam",)),
    Part(Kind.OPTIMIZER, "sgd", SGD, f"{_HOME}:build_sgd", gandlf=("sgd",)),
    Part(Kind.OPTIMIZER, "adamax", Adamax, f"{_HOME}:build_adamax", gandlf=("adamax",)),
    Part(Kind.OPTIMIZER, "nadam", NAdam, f"{_HOME}:build_nadam", gandlf=("nadam",)),
    Part(Kind.OPTIMIZER, "radam", RAdam, f"{_HOME}:build_radam", gandlf=("radam",)),
    Part(Kind.OPTIMIZER, "rmsprop", RMSprop, f"{_HOME}:build_rmsprop", gandlf=("rmsprop",)),
    Part(Kind.OPTIMIZER, "adagrad", Adagrad, f"{_HOME}:build_adagrad", gandlf=("adagrad",)),
    Part(Kind.OPTIMIZER, "adadelta", Adadelta, f"{_HOME}:build_adadelta", gandlf=("adadelta",)),
    Part(Kind.OPTIMIZER, "asgd", ASGD, f"{_HOME}:build_asgd", gandlf=("asgd",)),
    Part(Kind.OPTIMIZER, "rprop", Rprop, f"{_HOME}:build_rprop", gandlf=("rprop",)),
)
