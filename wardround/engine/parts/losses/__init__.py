"""Parameters of the losses. Every loss has a per-sample form: one number per sample of the batch."""

from wardround.engine.parts.losses.classic import CrossEntropy, DiceCE

__all__ = ["CrossEntropy", "DiceCE"]
