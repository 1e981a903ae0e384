"""What parts are tried on: a small case, and a small batch, made from numbers that are always the same."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from wardround.engine.imaging.image import Geometry, Image
from wardround.engine.preprocessing import Sample
from wardround.engine.sampling import Batch, SampleKey, Surroundings
from wardround.engine.sampling.batch import widened
from wardround.engine.study import Study
from wardround.engine.study.tabular import width_of
from wardround.engine.targets import Written, target_of

_SIDES = {2: 64, 3: 32}
"""A patch is cut down to sides of less than twice this, by number of axes; what is left over beyond a multiple of it
stays, so that a network which halves the patch meets the same remainders."""
_LARGEST = 96**3
"""Voxels of a patch that a network may be tried on as it is."""


@dataclass(frozen=True)
class Sizes:
    """On how many voxels parts are tried.

    Attributes:
        patch: of the study.
        small: a patch that takes little time.
    """

    patch: tuple[int, ...]
    small: tuple[int, ...]

    @classmethod
    def of(cls, study: Study) -> Sizes:
        """A network that says by how much it reduces a grid gets two voxels of its coarsest one: a norm needs two."""
        reductions, patch = study.reductions, study.patches.size
        factors = [side / reduction for side, reduction in zip(patch, reductions, strict=True)]
        if max(reductions) > 1 and all(factor.is_integer() for factor in factors):
            widest = factors.index(max(factors))
            small = [reduction * (2 if axis == widest else 1) for axis, reduction in enumerate(reductions)]
            least = study.least_side
            return cls(patch, tuple(min(side, max(few, least)) for side, few in zip(patch, small, strict=True)))
        least = _SIDES[study.dimensions]
        return cls(patch, tuple(side if side < 2 * least else least + side % least for side in patch))

    @property
    def is_affordable(self) -> bool:
        """Whether a whole patch may be computed on."""
        return math.prod(self.patch) <= _LARGEST


def sample_of(study: Study, shape: tuple[int, ...]) -> Sample:
    """A case before preprocessing: values around those that the study keeps, and every class in the mask."""
    generator, axes = np.random.default_rng(study.seed), len(shape)
    low, high = _range(study)
    data = generator.uniform(low, high, (len(study.inputs), *shape)).astype(np.float32)
    geometry = Geometry(shape, _spacing(study), (0.0,) * axes, tuple(np.eye(axes).ravel().tolist()))
    target = target_of(study)
    if target.written is Written.IMAGE:
        (made,) = target.example(study, 1, shape).values()
        return Sample(Image(data, geometry), None, wanted=made[0])
    if not target.on_grid:
        return Sample(Image(data, geometry), None)
    classes = study.mask_indices
    label = generator.integers(0, classes, shape).astype(np.uint8 if classes <= 256 else np.uint16)
    return Sample(Image(data, geometry), label)


def _range(study: Study) -> tuple[float, float]:
    """What a step can be given, or from a little below to a little above what a clipping one leaves; or as a
    normalised image has it."""
    pixels = next(filter(None, study.steps(lambda step: step.pixels)), None)
    if pixels is not None:
        return pixels
    low, high = next(filter(None, study.steps(lambda step: step.window)), (0.0, 0.0))
    margin = (high - low) / 8
    return (low - margin, high + margin) if margin else (-1.0, 2.0)


def _spacing(study: Study) -> tuple[float, ...]:
    """Near the spacing that the study resamples to, so that few voxels are made."""
    wanted = next(filter(None, study.steps(lambda step: step.target_spacing)), (0.8,) * study.dimensions)
    return tuple(1.25 * step for step in wanted)


def batch_of(study: Study, shape: tuple[int, ...], samples: int) -> Batch:
    """A batch as it is after preprocessing, with a padding value of 0; labels as they are before they are learnt."""
    generator = torch.Generator().manual_seed(study.seed % 2**63)
    image = torch.randn((samples, len(study.inputs), *shape), generator=generator)
    made = target_of(study).example(study, samples, shape)
    truth = {name: torch.from_numpy(array) for name, array in made.items()}
    keys = tuple(SampleKey(f"{number:064x}", number) for number in range(samples))
    around = Surroundings((1.0,) * len(shape), (0.0,) * len(study.inputs))
    return Batch(keys, image, truth, (around,) * samples)


def features_of(study: Study, samples: int) -> torch.Tensor | None:
    """Features of a few rows, as a network sees them; None where the study has no columns."""
    if not study.columns:
        return None
    return torch.randn((samples, width_of(study.columns)), generator=torch.Generator().manual_seed(2))


def learnt(batch: Batch) -> Batch:
    """The batch as a loss gets it."""
    return batch.with_truth(widened)
