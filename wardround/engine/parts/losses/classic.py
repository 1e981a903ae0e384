"""Parameters of the losses. Every loss has a per-sample form: one number per sample of the batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from wardround.engine.basics.closed import Added
from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts.losses.loss import LossParameters, Smooth, Smoothing, Weights, misfitting_weights
from wardround.engine.parts.numbers import NonNegative
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.setting import Setting


class DiceCE(LossParameters):
    """Soft Dice loss (Milletari et al. 2016) plus cross-entropy, as in nnU-Net (Isensee et al. 2021).

    `batch` takes Dice over the voxels of the whole batch, as nnU-Net can: a sample's loss is then not its own.
    """

    dice_weight: NonNegative = 1.0
    ce_weight: NonNegative = 1.0
    include_background: bool = False
    smooth: Smooth = 1e-5
    batch: Annotated[bool, Added("0.4.0")] = False

    @property
    def by_sample(self) -> bool:
        """Not where Dice is taken over the batch."""
        return not self.batch


class CrossEntropy(LossParameters):
    """Cross-entropy on class indices; over the voxels of a segmentation it is averaged within each sample."""

    label_smoothing: Smoothing = 0.0
    class_weights: Weights | None = None

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """Weights of another number than there are classes."""
        yield from misfitting_weights(setting, "class_weights", self.class_weights)


_HOME = "wardround.engine.losses.classic"
_BOTH = frozenset({"segmentation", "classification"})
PARTS = (
    Part(
        Kind.LOSS, "dice_ce", DiceCE, f"{_HOME}:DiceCELoss", frozenset({"segmentation"}), gandlf=("dcce", "dcce_logits")
    ),
    Part(Kind.LOSS, "cross_entropy", CrossEntropy, f"{_HOME}:CrossEntropyLoss", _BOTH, gandlf=("ce", "cel")),
)
