"""Parameters of the losses. Every loss has a per-sample form: one number per sample of the batch."""

from wardround.engine.parts.losses.adversarial import Adversarial
from wardround.engine.parts.losses.classic import CrossEntropy, DiceCE
from wardround.engine.parts.losses.entropy import BCE, KLD, Focal, TopK
from wardround.engine.parts.losses.images import SSIM, GradientDifference
from wardround.engine.parts.losses.loss import LossParameters, loss_of
from wardround.engine.parts.losses.numbers import L1, MSE, Huber
from wardround.engine.parts.losses.overlap import DiceFocal, SoftDice
from wardround.engine.parts.losses.surface import Boundary, Hausdorff
from wardround.engine.parts.losses.survival import Cox

__all__ = [
    "BCE",
    "KLD",
    "L1",
    "MSE",
    "SSIM",
    "Adversarial",
    "Boundary",
    "Cox",
    "CrossEntropy",
    "DiceCE",
    "DiceFocal",
    "Focal",
    "GradientDifference",
    "Hausdorff",
    "Huber",
    "LossParameters",
    "SoftDice",
    "TopK",
    "loss_of",
]
