"""Losses with one number per sample. `build_loss` gives the study's loss."""

from wardround.engine.losses.build import Loss, build_loss

__all__ = ["Loss", "build_loss"]
