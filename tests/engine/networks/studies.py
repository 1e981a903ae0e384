"""Studies that differ in their network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wardround.engine.study import Study


def network_study(
    model: Mapping[str, Any],
    *,
    inputs: Sequence[str] = ("T1w", "T2w"),
    size: Sequence[int] | None = None,
    seed: int = 42,
    batch_size: int = 2,
) -> Study:
    """A study of three classes (background included) whose patches have 16 voxels a side unless told."""
    dense = model["name"] != "resnet"
    classes = {"anterior": 1, "posterior": 2} if dense else {"none": 0, "some": 1, "many": 2}
    metric = "dice" if dense else "accuracy"
    return Study.model_validate(
        {
            "schema": 1,
            "study": "networks",
            "task": "segmentation" if dense else "classification",
            "inputs": list(inputs),
            "classes": classes,
            "patches": {"size": list(size or [16] * model["dimensions"])},
            "model": dict(model),
            "training": {"loss": "cross_entropy", "batch_size": batch_size},
            "validation": {"metrics": [metric], "select": metric},
            "seed": seed,
        }
    )
