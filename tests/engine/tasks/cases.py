"""Studies of each task and stored cases that need no files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from wardround.engine.imaging.image import Geometry
from wardround.engine.store.case import StoredCase
from wardround.engine.study import Study

SEGMENTATION: dict[str, Any] = {
    "schema": 1,
    "study": "discs",
    "task": "segmentation",
    "inputs": ["grey"],
    "classes": {"disc": 1, "ring": 4},
    "patches": {"size": [16, 16]},
    "model": {"name": "unet", "dimensions": 2, "filters": 4, "levels": 2, "norm": "instance", "dropout": 0.3},
    "training": {"loss": "dice_ce"},
    "validation": {"metrics": ["dice", "hd95", "nsd"], "select": "dice"},
}
CLASSIFICATION: dict[str, Any] = SEGMENTATION | {
    "study": "sides",
    "task": "classification",
    "classes": {"left": 3, "right": 5},
    "model": {"name": "resnet", "dimensions": 2, "depth": 10, "filters": 4, "stem": "small", "norm": "batch"},
    "training": {"loss": "cross_entropy"},
    "validation": {"metrics": ["accuracy", "auc"], "select": "auc"},
}


def study(content: dict[str, Any], **changes: Any) -> Study:
    """A study with some sections replaced."""
    return Study.model_validate(content | changes)


def stored_case(
    seed: int, shape: tuple[int, ...] = (16, 16), *, labelled: bool = True, spacing: float = 1.0
) -> StoredCase:
    """Random voxels with a disc in a ring, of class `seed % 2`."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.arange(size) for size in shape), indexing="ij"))
    radius = np.sqrt(((grid - 8) ** 2).sum(0))
    label = np.where(radius < 3, 1, np.where(radius < 5, 2, 0)).astype(np.uint8)
    image = (label + rng.normal(0, 0.5, shape)).astype(np.float32)[None]
    geometry = Geometry(shape, (spacing,) * len(shape), (0.0,) * len(shape), tuple(np.eye(len(shape)).ravel()))
    truth = (label, seed % 2) if labelled else (None, None)
    return StoredCase(f"{seed:064x}", image, truth[0], {}, geometry, geometry, truth[1], Path())
