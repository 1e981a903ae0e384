"""Parameters of the losses. Every loss has a per-sample form: one number per sample of the batch."""

from wardround.engine.parts.losses.classic import CrossEntropy, DiceCE
from wardround.engine.parts.losses.loss import LossParameters, loss_of
from wardround.engine.parts.losses.multilabel import BCE
from wardround.engine.parts.losses.numbers import L1, MSE, Huber
from wardround.engine.parts.losses.survival import Cox

__all__ = ["BCE", "L1", "MSE", "Cox", "CrossEntropy", "DiceCE", "Huber", "LossParameters", "loss_of"]
