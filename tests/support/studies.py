"""Small studies as mappings, so that a test can spoil one value."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from wardround.engine.study import Study

SEGMENTATION: dict[str, Any] = {
    "schema": 1,
    "study": "blobs",
    "task": "segmentation",
    "inputs": ["T1w"],
    "classes": {"left": 1, "right": 2},
    "preprocessing": [{"orient": "RAS"}, {"z_normalize": {"within": "nonzero"}}],
    "augmentation": [{"noise": {"std": [0, 0.1], "probability": 0.2}}],
    "patches": {"size": [16, 16, 16], "per_case": 2},
    "model": {"name": "unet", "dimensions": 3, "filters": 4, "levels": 3},
    "training": {"loss": "dice_ce", "epochs": 2},
    "validation": {"outer_folds": 2, "inner_folds": 2, "metrics": ["dice"], "select": "dice"},
}

CLASSIFICATION: dict[str, Any] = {
    "schema": 1,
    "study": "pictures",
    "task": "classification",
    "inputs": ["grey"],
    "classes": {"benign": 0, "malignant": 1},
    "preprocessing": ["rescale"],
    "patches": {"size": [28, 28]},
    "model": {"name": "resnet", "dimensions": 2, "depth": 10, "filters": 8, "stem": "small"},
    "training": {"loss": "cross_entropy", "epochs": 2},
    "validation": {"metrics": ["accuracy", "auc"], "select": "auc"},
}

REGRESSION: dict[str, Any] = {
    "schema": 1,
    "study": "ages",
    "task": "regression",
    "inputs": ["grey"],
    "preprocessing": ["rescale"],
    "patches": {"size": [28, 28]},
    "model": {"name": "resnet", "dimensions": 2, "depth": 10, "filters": 8, "stem": "small"},
    "training": {"loss": "mse", "epochs": 2},
    "validation": {"outer_folds": 4, "inner_folds": 3, "metrics": ["mae", "pearson"], "select": "mae"},
}

MULTILABEL: dict[str, Any] = {
    **REGRESSION,
    "study": "findings",
    "task": "multilabel",
    "targets": ["effusion", "nodule"],
    "training": {"loss": "bce", "epochs": 2},
    "validation": {"outer_folds": 4, "inner_folds": 3, "metrics": ["auc", "f1", "accuracy"], "select": "auc"},
}

SURVIVAL: dict[str, Any] = {
    **REGRESSION,
    "study": "outcome",
    "task": "survival",
    "training": {"loss": "cox", "epochs": 2, "batch_size": 8},
    "validation": {"outer_folds": 4, "inner_folds": 3, "metrics": ["c_index"], "select": "c_index"},
}

TABLE: dict[str, Any] = {
    "schema": 1,
    "study": "table",
    "task": "classification",
    "inputs": [],
    "classes": {"healthy": 0, "ill": 1},
    "columns": {"age": "number", "sex": ["female", "male"]},
    "model": "linear",
    "training": {"loss": "cross_entropy", "epochs": 2, "batch_size": 8},
    "validation": {"outer_folds": 3, "inner_folds": 2, "metrics": ["accuracy", "auc"], "select": "auc"},
}


def changed(base: dict[str, Any], **sections: Any) -> dict[str, Any]:
    """A copy of `base` with whole sections replaced; None removes one."""
    content = copy.deepcopy(base)
    for name, value in sections.items():
        if value is None:
            del content[name]
        else:
            content[name] = value
    return content


def study_of(content: dict[str, Any]) -> Study:
    """The typed study."""
    return Study.model_validate(content)


def write_study(path: Path, content: dict[str, Any]) -> Path:
    """Write a study file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    YAML(typ="safe").dump(content, path)
    return path
