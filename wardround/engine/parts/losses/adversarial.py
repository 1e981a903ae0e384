"""Parameters of the loss with an adversary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from wardround.engine.basics.flaws import Flaw, written
from wardround.engine.parts.losses.loss import LossParameters
from wardround.engine.parts.numbers import NonNegative
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.setting import Setting


class Adversarial(LossParameters):
    """Absolute error and an adversary (pix2pix, Isola et al. 2017): a second network, that sees the inputs too, learns
    to tell true images from made ones patch by patch (PatchGAN), and the study's network to make what it cannot tell.

    l1_weight: of the absolute error beside the adversary. objective: whether the adversary learns by least squares (Mao
    et al. 2017) or by cross-entropy (Goodfellow et al. 2014). filters: its feature maps, doubled at each of `levels`
    halvings. Both networks step at once, by the study's optimiser. Validations know the absolute error alone.
    """

    l1_weight: NonNegative = 100.0
    objective: Literal["least_squares", "cross_entropy"] = "least_squares"
    filters: Annotated[int, Field(ge=2, le=512)] = 32
    levels: Annotated[int, Field(ge=1, le=6)] = 3

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """A patch that the adversary's halvings leave nothing of."""
        least = 2**self.levels
        if min(setting.patch) < least:
            what, expected = "the adversary halves this patch until nothing is left", f"sides of {least} or more"
            remedy = "Make the patch larger, or give the loss fewer `levels`"
            yield Flaw(("patches", "size"), what, written(setting.patch), expected, remedy=remedy)


PARTS = (
    Part(
        Kind.LOSS,
        "adversarial",
        Adversarial,
        "wardround.engine.losses.adversarial:AdversarialLoss",
        frozenset({"synthesis"}),
    ),
)
