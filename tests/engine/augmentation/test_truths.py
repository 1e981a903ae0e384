"""All truth on the grid follows the image: masks, overlapping regions, what is valid, images that are to be made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.augmentation import Augmentation, Drawn
from wardround.engine.augmentation.flip import FlipDrawn, FlipTransform
from wardround.engine.augmentation.intensity import NoiseDrawn, NoiseTransform
from wardround.engine.augmentation.on_grid import ON_GRID, OnGrid
from wardround.engine.augmentation.spatial import SpatialDrawn, SpatialTransform
from wardround.engine.parts import BreachError
from wardround.engine.parts.augmentation import Flip, Noise, Spatial
from wardround.engine.sampling import Batch, SampleKey

SHAPES = [(12, 14, 10), (16, 12)]


def batch_with_truths(shape: tuple[int, ...], samples: int = 3) -> Batch:
    """Every kind of truth on the grid, made from one mask, and one that is not on it."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.randint(0, 3, (samples, *shape), generator=generator, dtype=torch.uint8)
    image = torch.randn((samples, 1, *shape), generator=generator)
    truth = {
        "mask": mask,
        "regions": torch.stack([mask == 1, mask > 0], dim=1).to(torch.uint8),
        "valid": mask != 2,
        "image": torch.cat([image, 3 - image], dim=1),
        "numbers": torch.randn(samples, 2, generator=generator),
    }
    keys = tuple(SampleKey(f"{place:064x}", place) for place in range(samples))
    return Batch(keys, image, truth)


def require_one_geometry(after: Batch) -> None:
    """Regions and validity are where the moved mask says."""
    mask = after.truth["mask"]
    assert torch.equal(after.truth["regions"][:, 0], (mask == 1).to(torch.uint8))
    assert torch.equal(after.truth["regions"][:, 1], (mask > 0).to(torch.uint8))
    assert torch.equal(after.truth["valid"], mask != 2)


@pytest.mark.parametrize("shape", SHAPES)
def test_all_truth_on_the_grid_follows_the_image(shape: tuple[int, ...]) -> None:
    moves = [{"spatial": {"rotation": 30, "elastic": 2, "probability": 0.8}}, {"flip": {"probability": 0.7}}]
    sections: dict[str, Any] = {"augmentation": moves}
    if len(shape) == 2:
        sections |= {"preprocessing": [], "patches": {"size": [16, 16]}, "model": {"name": "unet", "dimensions": 2}}
    batch = batch_with_truths(shape)
    given = {name: tensor.clone() for name, tensor in batch.truth.items()}
    after = Augmentation(study_of(changed(SEGMENTATION, **sections)))(batch)
    assert not torch.equal(after.truth["mask"], batch.truth["mask"])
    require_one_geometry(after)
    # the truth is the input image, up to what lies outside: there the second channel is 0 too
    torch.testing.assert_close(after.truth["image"][:, 0], after.image[:, 0])
    assert {name: tensor.dtype for name, tensor in after.truth.items()} == {n: t.dtype for n, t in given.items()}
    assert after.truth["numbers"] is batch.truth["numbers"]
    for name, tensor in given.items():
        assert torch.equal(batch.truth[name], tensor)


def test_intensities_of_the_truth_stay_what_is_to_be_made() -> None:
    batch = batch_with_truths((12, 14, 10))
    study = study_of(changed(SEGMENTATION, augmentation=[{"noise": {"std": [0.5, 1], "probability": 1}}]))
    after = Augmentation(study)(batch)
    assert not torch.equal(after.image, batch.image)
    assert all(after.truth[name] is tensor for name, tensor in batch.truth.items())


def test_what_comes_in_from_outside_is_background_and_counts() -> None:
    batch = replace(batch_with_truths((21, 21), 1), image=torch.ones(1, 1, 21, 21))
    truth = {"valid": torch.zeros(1, 21, 21, dtype=torch.bool), "image": torch.ones(1, 2, 21, 21)}
    on_grid = OnGrid(replace(batch, truth=truth), ON_GRID)
    on_grid.undergo(SpatialTransform(Spatial()), [SpatialDrawn((45.0,), 1.0, 0.0, 0, padding=(5.0,))])
    after = on_grid.batch
    assert float(after.image[0, 0, 0, 0]) == 5.0
    assert not after.truth["image"][0, :, 0, 0].any()
    assert bool(after.truth["valid"][0, 0, 0])
    assert not bool(after.truth["valid"][0, 10, 10])


@dataclass(frozen=True)
class ShiftDrawn(Drawn):
    """By how many voxels of the first axis."""

    by: int


class OldShift:
    """A transform as packages for 0.3.0 have it: it moves, changes intensities, and knows of image and label alone."""

    def draw(self, random: np.random.Generator, dimensions: int) -> ShiftDrawn:
        """Always."""
        return ShiftDrawn(2)

    def apply(
        self, image: torch.Tensor, label: torch.Tensor | None, drawn: Sequence[ShiftDrawn | None]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Push out at one end; what comes in at the other is 0."""
        image, label = image.clone(), None if label is None else label.clone()
        for place, parameters in enumerate(drawn):
            if parameters is not None:
                for tensor in (image[place, 0], *(() if label is None else (label[place],))):
                    moved = tensor.roll(parameters.by, 0)
                    moved[: parameters.by] = 0
                    tensor.copy_(moved)
                image[place] += 100
        return image, label


@pytest.mark.parametrize("shape", SHAPES)
def test_a_transform_that_knows_image_and_label_alone_moves_all_truth(shape: tuple[int, ...]) -> None:
    batch = batch_with_truths(shape)
    on_grid = OnGrid(batch, ON_GRID)
    on_grid.undergo(OldShift(), [ShiftDrawn(2), None, ShiftDrawn(3)])
    after = on_grid.batch
    require_one_geometry(after)
    for place, by in enumerate((2, 0, 3)):
        wanted = batch.truth["image"][place].roll(by, 1)
        wanted[:, :by] = 0
        assert torch.equal(after.truth["image"][place], wanted)  # moved, and 100 is added to the input alone
        assert torch.equal(after.truth["mask"][place, by:], batch.truth["mask"][place, : shape[0] - by])


class OldView(OldShift):
    """Gives back what it was given, as another tensor in the same memory."""

    def apply(self, image: torch.Tensor, label: torch.Tensor | None, drawn: Sequence[Any]) -> Any:
        """Nothing."""
        return image[:], None if label is None else label[:]


def test_what_a_transform_gives_back_as_it_was_is_not_written_into() -> None:
    batch = batch_with_truths((8, 8))
    given = batch.image.clone(), batch.truth["mask"].clone()
    on_grid = OnGrid(batch, ON_GRID)
    on_grid.undergo(OldView(), [ShiftDrawn(2)] * 3)
    on_grid.undergo(NoiseTransform(Noise()), [NoiseDrawn(1.0, 0)] * 3)
    on_grid.undergo(FlipTransform(Flip()), [FlipDrawn((0,))] * 3)
    assert torch.equal(batch.image, given[0])
    assert torch.equal(batch.truth["mask"], given[1])
    require_one_geometry(on_grid.batch)


def test_a_transform_is_told_of_no_mask_where_there_is_none() -> None:
    batch = replace(batch_with_truths((12, 14, 10)), truth={})
    on_grid = OnGrid(batch, ON_GRID)
    on_grid.undergo(OldShift(), [ShiftDrawn(2)] * 3)
    assert on_grid.batch.truth == {}
    assert float(on_grid.batch.image.mean()) > 90


class Halving(SpatialTransform):
    """Gives a type that it may not give."""

    def motion(self, drawn: Any, shape: tuple[int, ...], device: torch.device) -> Any:
        """An image of double precision."""
        found = super().motion(drawn, shape, device)
        return type("Wrong", (), {"image": lambda self, volumes: found.image(volumes).double()})()


def test_a_motion_that_gives_another_type_is_told() -> None:
    on_grid = OnGrid(batch_with_truths((12, 14, 10)), ON_GRID)
    with pytest.raises(BreachError, match="float64"):
        on_grid.undergo(Halving(Spatial()), [SpatialDrawn((5.0, 0.0, 0.0), 1.0, 0.0, 0)] * 3)
