"""The augmentations, each on a small batch, with parameters for which it does something."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from wardround.engine.augmentation import Augmentation
from wardround.engine.parts import BreachError, Kind
from wardround.engine.sampling import Batch, SampleKey
from wardround.engine.study import Study
from wardround.engine.trial.attempt import Attempts, require_finite, require_unchanged
from wardround.engine.trial.material import Sizes, batch_of

_DRAWS = 64
"""So often parameters are drawn, at most, until some of them change a sample."""
_SIDE = 24


def try_transforms(study: Study, sizes: Sizes, attempts: Attempts) -> None:
    """Each transform by itself, so that one which fails hides no other."""
    shape = tuple(min(side, _SIDE) for side in sizes.patch)
    for place, use in enumerate(study.augmentation):
        with attempts.of(use.part(Kind.AUGMENTATION), f"augmentation.{place}.{use.name}"):
            alone = study.model_copy(update={"augmentation": (use,)})
            _try(Augmentation(alone), batch_of(study, shape, 2), study.mask_indices)


def _try(augmentation: Augmentation, batch: Batch, classes: int) -> None:
    active = with_draws(augmentation, batch)
    image, label = active.image.clone(), None if active.label is None else active.label.clone()
    once, again = augmentation(active), augmentation(active)
    require_unchanged(image, active.image, "its argument's image")
    require_unchanged(label, active.label, "its argument's label")
    require_finite(once.image, "voxels")
    _require_same(once.image, again.image, "image")
    if once.label is not None and again.label is not None:
        _require_same(once.label, again.label, "label")
        _require_classes(once.label, classes)


def with_draws(augmentation: Augmentation, batch: Batch) -> Batch:
    """The batch with a first sample for which the transform draws something, where it does so now and then."""
    for draw in range(_DRAWS):
        keys = (SampleKey(batch.keys[0].case, draw), *batch.keys[1:])
        if augmentation.draw(keys)[0][0] is not None:
            return replace(batch, keys=keys)
    return batch


def require_one_geometry(augmentation: Augmentation, batch: Batch) -> None:
    """Raise `BreachError` unless regions that are those of a mask's classes still are, once both were augmented."""
    mask = batch.truth["mask"]
    classes = range(1, int(mask.max()) + 1)
    regions = torch.stack([mask == index for index in classes], dim=1).to(torch.uint8)
    after = augmentation(replace(batch, truth={"mask": mask, "regions": regions, "valid": mask != 1})).truth
    together = [after["regions"][:, place] == (after["mask"] == index) for place, index in enumerate(classes)]
    if not all(each.all() for each in (*together, after["valid"] == (after["mask"] != 1))):
        got = "regions, or voxels that are valid, elsewhere than the mask of the same classes"
        raise BreachError(got, "one geometry for all truth of a sample")


def _require_same(once: Tensor, again: Tensor, what: str) -> None:
    if not torch.equal(once, again):
        got = f"another {what} for the same draws"
        raise BreachError(got, "the same outcome: all that is random comes from `draw` and its generator")


def _require_classes(label: Tensor, classes: int) -> None:
    others = sorted(set(np.unique(label.numpy()).tolist()) - set(range(classes)))
    if others:
        raise BreachError(f"{others[:3]} in the label", f"places of classes, 0 to {classes - 1}")
