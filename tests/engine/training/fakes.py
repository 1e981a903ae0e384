"""A tiny 2D study, and a source of batches that needs no files: a batch is a pure function of the step."""

from __future__ import annotations

from typing import Any

import torch

from wardround.engine.basics.randomness import torch_seed
from wardround.engine.sampling.batch import Batch, SampleKey
from wardround.engine.study import Study


def tiny_study(**changes: Any) -> Study:
    """A 2D segmentation of two classes on 16x16 patches, with dropout, so that the random state matters."""
    training = {"loss": "dice_ce", "optimizer": {"name": "adamw", "learning_rate": 1e-2}, "batch_size": 2, "epochs": 1}
    content: dict[str, Any] = {
        "schema": 1,
        "study": "tiny",
        "task": "segmentation",
        "inputs": ["grey"],
        "classes": {"disc": 1},
        "augmentation": [{"flip": {"axes": "all"}}, {"noise": {"std": [0, 0.2], "probability": 0.5}}],
        "patches": {"size": [16, 16], "per_case": 2, "foreground": 0.5},
        "model": {"name": "unet", "dimensions": 2, "filters": 4, "levels": 2, "norm": "instance", "dropout": 0.3},
        "training": training | changes.pop("training", {}),
        "validation": {"outer_folds": 3, "inner_folds": 3, "metrics": ["dice"], "select": "dice"},
    }
    return Study.model_validate(content | changes)


class DiscBatches:
    """Discs on noise."""

    steps_per_epoch = 4

    def __init__(self, study: Study) -> None:
        self._study = study
        self.read: list[int] = []

    def batch(self, step: int) -> Batch:
        """The batch of a step."""
        self.read.append(step)
        generator = torch.Generator().manual_seed(torch_seed(0, "discs", step))
        count, size = self._study.training.batch_size, self._study.patches.size
        rows, columns = torch.meshgrid(*(torch.arange(side) for side in size), indexing="ij")
        centres = torch.randint(4, 12, (count, 2, 1, 1), generator=generator)
        label = (((rows - centres[:, 0]) ** 2 + (columns - centres[:, 1]) ** 2) < 16).long()
        image = label[:, None].float() + 0.5 * torch.randn(count, 1, *size, generator=generator)
        keys = tuple(SampleKey(f"{step:064x}", draw) for draw in range(count))
        return Batch(keys, image, {"mask": label})
