"""Small cohorts of pictures and volumes that a small network learns within seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.images import write_classification_cohort, write_segmentation_cohort
from wardround.engine.study import Study


def flat_study(**changes: Any) -> Study:
    """A 2D segmentation of one class, 12 cases in 3 x 2 folds."""
    content: dict[str, Any] = {
        "schema": 1,
        "study": "flat",
        "task": "segmentation",
        "inputs": ["grey"],
        "classes": {"blob": 1},
        "preprocessing": [{"z_normalize": "all"}],
        "augmentation": [{"flip": "all"}, {"noise": {"std": [0, 0.1]}}],
        "patches": {"size": [16, 16], "per_case": 2, "foreground": 0.5},
        "model": {"name": "unet", "dimensions": 2, "filters": 4, "levels": 2, "dropout": 0.1},
        "training": {
            "loss": "dice_ce",
            "optimizer": {"name": "adamw", "learning_rate": 0.02},
            "batch_size": 4,
            "steps": 12,
        },
        "validation": {"outer_folds": 3, "inner_folds": 2, "metrics": ["dice", "hd95"], "select": "dice"},
        "inference": {"overlap": 0.25, "batch_size": 4},
    }
    return Study.model_validate(content | changes)


def flat_cohort(folder: Path, cases: int = 9) -> Path:
    """PNG pictures with one blob each; the path of their manifest."""
    return write_segmentation_cohort(folder, cases=cases, shape=(24, 28), classes=1)


def solid_study(**changes: Any) -> Study:
    """A 3D segmentation with reorientation and resampling."""
    settings: dict[str, Any] = {
        "study": "solid",
        "preprocessing": [{"orient": "LPS"}, {"resample": [1.5, 1.5, 1.5]}, {"z_normalize": "all"}],
        "patches": {"size": [16, 16, 16], "per_case": 1},
        "model": {"name": "unet", "dimensions": 3, "filters": 2, "levels": 2},
        "training": {"loss": "dice_ce", "batch_size": 2, "steps": 2},
    }
    return flat_study(**(settings | changes))


def solid_cohort(folder: Path, cases: int = 6) -> Path:
    """Oblique NIfTI volumes with one ellipsoid each; the path of their manifest."""
    return write_segmentation_cohort(folder, cases=cases, shape=(18, 22, 14), classes=1)


def halves_study(**changes: Any) -> Study:
    """A 2D classification: which half of the picture is brighter."""
    settings: dict[str, Any] = {
        "study": "halves",
        "task": "classification",
        "classes": {"left": 0, "right": 1},
        "augmentation": [{"noise": {"std": [0, 0.1]}}],
        "patches": {"size": [28, 28], "per_case": 1},
        "model": {"name": "resnet", "dimensions": 2, "depth": 10, "filters": 4, "stem": "small"},
        "training": {
            "loss": "cross_entropy",
            "optimizer": {"name": "adamw", "learning_rate": 0.01},
            "batch_size": 8,
            "steps": 20,
        },
        "validation": {"outer_folds": 3, "inner_folds": 2, "metrics": ["accuracy", "auc"], "select": "accuracy"},
    }
    return flat_study(**(settings | changes))


def halves_cohort(folder: Path, cases: int = 24) -> Path:
    """PNG pictures with a class each; the path of their manifest."""
    return write_classification_cohort(folder, cases=cases)
