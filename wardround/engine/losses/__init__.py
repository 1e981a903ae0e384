"""Losses with one number per sample. `build_loss` gives the study's loss."""

from wardround.engine.losses.build import Loss, build_loss, losses_of
from wardround.engine.losses.bycase import ByCase, CaseLoss
from wardround.engine.losses.scales import coarser, supervised

__all__ = ["ByCase", "CaseLoss", "Loss", "build_loss", "coarser", "losses_of", "supervised"]
