"""Parameters of the losses that each voxel, or each case of a classification, has by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts.losses.loss import LossParameters, Smoothing, Weights, misfitting_weights
from wardround.engine.parts.losses.overlap import Fraction
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.setting import Setting


class BCE(LossParameters):
    """Binary cross-entropy of each output; `positive_weights` raise what is there and rare. Of exclusive classes each
    counts against all others together."""

    label_smoothing: Smoothing = 0.0
    positive_weights: Weights | None = None

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """Weights of another number than there are classes."""
        yield from misfitting_weights(setting, "positive_weights", self.positive_weights)


class Focal(LossParameters):
    """Focal loss (Lin et al. 2017): cross-entropy, weakened by (1 - p)^gamma where a voxel is right already.

    `class_weights` stand for the paper's alpha: of exclusive classes they weigh each class, of regions and labels what
    is there against what is not.
    """

    shorthand: ClassVar[str | None] = "gamma"
    gamma: Annotated[float, Field(ge=0, le=10)] = 2.0
    class_weights: Weights | None = None

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """Weights of another number than there are classes."""
        yield from misfitting_weights(setting, "class_weights", self.class_weights)


class TopK(LossParameters):
    """Cross-entropy over the `fraction` of a sample's voxels where it is greatest (Wu et al. 2016; nnU-Net's top k)."""

    shorthand: ClassVar[str | None] = "fraction"
    fraction: Fraction = 0.1
    label_smoothing: Smoothing = 0.0


class KLD(LossParameters):
    """Kullback-Leibler divergence of the prediction from the truth (Kullback & Leibler 1951), which may be smoothed:
    the cross-entropy less what no prediction could avoid."""

    label_smoothing: Smoothing = 0.0


_HOME = "wardround.engine.losses.entropy"
_BOTH = frozenset({"segmentation", "classification"})
_ALL = _BOTH | {"multilabel"}
PARTS = (
    Part(Kind.LOSS, "bce", BCE, f"{_HOME}:BCELoss", _ALL),
    Part(Kind.LOSS, "focal", Focal, f"{_HOME}:FocalLoss", _ALL, gandlf=("focal",)),
    Part(Kind.LOSS, "top_k", TopK, f"{_HOME}:TopKLoss", frozenset({"segmentation"})),
    Part(Kind.LOSS, "kld", KLD, f"{_HOME}:KLDLoss", _BOTH, gandlf=("kld",)),
)
