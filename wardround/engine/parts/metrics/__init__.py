"""Parameters of the metrics."""

from wardround.engine.parts.metrics.classification import AUC, Accuracy
from wardround.engine.parts.metrics.images import NCC, PSNR, StructuralSimilarity
from wardround.engine.parts.metrics.lesions import LesionDice
from wardround.engine.parts.metrics.numbers import MAE, R2, MeanSquaredError, Pearson
from wardround.engine.parts.metrics.rates import Sensitivity
from wardround.engine.parts.metrics.segmentation import HD95, NSD, Dice
from wardround.engine.parts.metrics.survival import CIndex

__all__ = [
    "AUC",
    "HD95",
    "MAE",
    "NCC",
    "NSD",
    "PSNR",
    "R2",
    "Accuracy",
    "CIndex",
    "Dice",
    "LesionDice",
    "MeanSquaredError",
    "Pearson",
    "Sensitivity",
    "StructuralSimilarity",
]
