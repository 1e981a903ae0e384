"""Two losses added, each with its weight."""

from __future__ import annotations

from wardround.engine.losses.added import AddedByCase, AddedLoss
from wardround.engine.losses.entropy import FocalLoss, TopKLoss
from wardround.engine.losses.overlap import SoftDice
from wardround.engine.parts.losses.entropy import Focal, TopK
from wardround.engine.parts.losses.overlap import DiceFocal, DiceTopK


class DiceFocalLoss(AddedByCase):
    """Soft Dice plus the focal loss."""

    def __init__(self, parameters: DiceFocal) -> None:
        dice = SoftDice(parameters.smooth, parameters.include_background)
        focal = FocalLoss(Focal(gamma=parameters.gamma))
        super().__init__(dice, focal, (parameters.dice_weight, parameters.focal_weight))


class DiceTopKLoss(AddedLoss):
    """Soft Dice plus cross-entropy over the worst voxels."""

    def __init__(self, parameters: DiceTopK) -> None:
        dice = SoftDice(parameters.smooth, parameters.include_background)
        worst = TopKLoss(TopK(fraction=parameters.fraction, label_smoothing=parameters.label_smoothing))
        super().__init__(dice, worst, (parameters.dice_weight, parameters.topk_weight))
