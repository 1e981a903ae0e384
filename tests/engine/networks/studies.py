"""Studies that differ in their network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wardround.engine.parts import Kind, Part, builtin_and_plugins
from wardround.engine.parts.networks.network import WHOLE_IMAGE_TASKS
from wardround.engine.study import Study
from wardround.engine.trial.networks import slim

NETWORKS: tuple[Part, ...] = tuple(
    part for part in builtin_and_plugins().parts(Kind.NETWORK) if "norm" in part.parameters.model_fields
)
"""Those that look at images."""
DETERMINED = ("dropout", "drop_path")
"""Shares of what is left out at random in training."""


def is_dense(name: str) -> bool:
    """Whether a network of that name says something of each voxel."""
    return not WHOLE_IMAGE_TASKS & builtin_and_plugins().find(Kind.NETWORK, name).tasks


def network_study(
    model: Mapping[str, Any],
    *,
    inputs: Sequence[str] = ("T1w", "T2w"),
    size: Sequence[int] | None = None,
    seed: int = 42,
    batch_size: int = 2,
) -> Study:
    """A study of three classes (background included) whose patches have 16 voxels a side unless told."""
    dense = is_dense(model["name"])
    if not builtin_and_plugins().find(Kind.NETWORK, model["name"]).tasks & {"segmentation", *WHOLE_IMAGE_TASKS}:
        return _of_images(model, inputs, size, seed)
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


def _of_images(model: Mapping[str, Any], inputs: Sequence[str], size: Sequence[int] | None, seed: int) -> Study:
    """For networks that make images alone: three of them."""
    return Study.model_validate(
        {
            "schema": 1,
            "study": "networks",
            "task": "synthesis",
            "inputs": list(inputs),
            "targets": ["first", "second", "third"],
            "patches": {"size": list(size or [16] * model["dimensions"])},
            "model": dict(model),
            "training": {"loss": "mse", "batch_size": 2},
            "validation": {"metrics": ["mae"], "select": "mae"},
            "seed": seed,
        }
    )


def slim_study(part: Part, **changes: Any) -> Study:
    """A study of flat patches of 32 by 64 with a network of few feature maps, which leaves nothing out at random."""
    fields = part.parameters.model_fields
    group = {"norm": "group"} if fields["norm"].default != "layer" else {}
    kept = {key: 0 for key in DETERMINED if key in fields}
    return slim(network_study({"name": part.name, "dimensions": 2, **group, **kept, **changes}, size=[32, 64]))
