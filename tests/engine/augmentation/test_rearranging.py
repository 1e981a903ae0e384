"""Turns, boxes, shifts and shears, and what a study may not ask of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.ndimage import affine_transform

from tests.support.studies import CLASSIFICATION, SEGMENTATION, changed, study_of
from wardround.engine.augmentation.boxes import CutoutDrawn, CutoutTransform, SwapEverything, SwapImage, swap_transform
from wardround.engine.augmentation.resampling import Resampling
from wardround.engine.augmentation.spatial import SpatialDrawn, SpatialTransform
from wardround.engine.augmentation.turns import Rotate90Transform, Rotate180Transform, TurnDrawn
from wardround.engine.parts.augmentation import Cutout, Rotate90, Rotate180, Spatial, Swap
from wardround.engine.sampling import Surroundings
from wardround.engine.study import Study
from wardround.engine.study.located_problems import flaws_of


def test_four_quarters_and_two_halves_are_the_image_again() -> None:
    image, label = torch.randn(1, 2, 6, 6, 6), torch.randint(0, 3, (1, 6, 6, 6))
    random = np.random.default_rng(0)
    for transform, times in ((Rotate90Transform(Rotate90(probability=1)), 4), (Rotate180Transform(Rotate180()), 2)):
        drawn = next(found for _ in range(50) if (found := transform.draw(random, 3)) is not None)
        once: tuple[torch.Tensor, Any] = (image, label)
        for _ in range(times):
            once = transform.apply(*once, [drawn])
        assert torch.equal(once[0], image)
        assert torch.equal(once[1], label)


def test_a_quarter_turn_is_numpys_and_turns_about_the_named_axis_alone() -> None:
    image = torch.randn(1, 1, 5, 6, 6)
    turned, _ = Rotate90Transform(Rotate90(axes=(0,))).apply(image, None, [TurnDrawn((1, 2), 3)])
    np.testing.assert_array_equal(turned[0, 0].numpy(), np.rot90(image[0, 0].numpy(), 3, (1, 2)))
    random = np.random.default_rng(0)
    drawn = [Rotate90Transform(Rotate90(axes=(0,), probability=1)).draw(random, 3) for _ in range(50)]
    assert {each.plane for each in drawn if each} == {(1, 2)}
    assert {each.quarters for each in drawn if each} == {1, 2, 3}


def test_a_half_turn_takes_any_shape() -> None:
    image = torch.randn(1, 1, 4, 7)
    turned, _ = Rotate180Transform(Rotate180()).apply(image, None, [TurnDrawn((0, 1), 2)])
    assert torch.equal(turned, image.flip([2, 3]))


def test_cutout_fills_its_boxes_with_the_mean_and_leaves_the_rest() -> None:
    image = torch.randn(1, 2, 20, 20)
    drawn = CutoutDrawn((0.25,), ((0.0, 0.999),), "mean")
    cut, _ = CutoutTransform(Cutout()).apply(image, None, [drawn])
    torch.testing.assert_close(cut[0, :, :5, 15:], image[0].mean((1, 2), keepdim=True).expand(2, 5, 5))
    cut[0, :, :5, 15:] = image[0, :, :5, 15:]
    assert torch.equal(cut, image)


@pytest.mark.parametrize("shape", [(12, 14, 10), (30, 8)])
def test_swapping_moves_voxels_and_loses_none(shape: tuple[int, ...]) -> None:
    random, image = np.random.default_rng(1), torch.arange(float(np.prod(shape))).reshape(1, 1, *shape)
    transform = swap_transform(Swap(side=(0.1, 0.5), probability=1))
    assert isinstance(transform, SwapEverything)
    for _ in range(40):
        drawn = transform.draw(random, len(shape))
        swapped, label = transform.apply(image, image[:, 0].long(), [drawn])
        assert torch.equal(swapped.flatten().sort().values, image.flatten())
        assert label is not None
        assert torch.equal(swapped[:, 0].long(), label)
        assert not torch.equal(swapped, image)


def test_the_truth_of_an_image_that_is_to_be_restored_stays() -> None:
    transform = swap_transform(Swap(truth="stays", probability=1))
    assert isinstance(transform, SwapImage)
    image, label = torch.randn(1, 1, 16, 16), torch.randint(0, 3, (1, 16, 16))
    swapped, after = transform.apply(image, label, [transform.draw(np.random.default_rng(0), 2)])
    assert after is label
    assert not torch.equal(swapped, image)


@pytest.mark.parametrize("spacing", [(), (2.0, 0.5, 1.0)])
def test_translation_is_in_mm_and_moves_content_forwards(spacing: tuple[float, ...]) -> None:
    image = torch.zeros(1, 1, 21, 21, 21)
    image[0, 0, 10, 10, 10] = 1
    transform = SpatialTransform(Spatial(translation=8))
    drawn = SpatialDrawn((0.0, 0.0, 0.0), 1.0, 0.0, 0, translation=(4.0, -2.0, 3.0))
    drawn = transform.placed(drawn, Surroundings(spacing or (1.0,) * 3, (0.0,)))
    moved, _ = transform.apply(image, None, [drawn])
    place = np.unravel_index(int(moved[0, 0].argmax()), (21, 21, 21))
    steps = np.array([4, -2, 3]) / (spacing or 1)
    np.testing.assert_array_equal(place, 10 + steps)
    assert np.isclose(float(moved.max()), 1, atol=1e-4)


def test_a_shear_is_scipys() -> None:
    values = np.random.default_rng(1).normal(size=(15, 13)).astype(np.float32)
    drawn = SpatialDrawn((20.0,), 1.2, 0.0, 0, shear=(25.0,))
    ours, _ = SpatialTransform(Spatial()).apply(torch.from_numpy(values)[None, None], None, [drawn])
    turn = np.radians(20)
    forwards = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * 1.2
    forwards = forwards @ np.array([[1, np.tan(np.radians(25))], [0, 1]])
    back, middle = np.linalg.inv(forwards), (np.array(values.shape) - 1) / 2
    oracle = affine_transform(values, back, middle - back @ middle, order=1, mode="grid-constant", cval=0)
    np.testing.assert_allclose(ours[0, 0].numpy(), oracle, atol=2e-5)


def test_what_a_spatial_transform_draws_has_not_changed_for_studies_without_its_new_keys() -> None:
    plain = SpatialTransform(Spatial(probability=1)).draw(np.random.default_rng(3), 3)
    more = SpatialTransform(Spatial(probability=1, shear=5, translation=3)).draw(np.random.default_rng(3), 3)
    assert plain is not None
    assert more is not None
    assert (plain.angles, plain.scale, plain.seed) == (more.angles, more.scale, more.seed)
    assert (plain.shear, plain.translation) == ((), ())
    assert len(more.shear) == len(more.translation) == 3


def _flaws(augmentation: Any, **sections: Any) -> str:
    base = CLASSIFICATION if "inputs" in sections else SEGMENTATION
    with pytest.raises(ValidationError) as caught:
        study_of(changed(base, augmentation=[augmentation], **sections))
    told = flaws_of(caught.value, Study)
    return "; ".join(f"{flaw.what} {flaw.got} {flaw.way_out} at {flaw.location}" for flaw in told)


def test_a_quarter_turn_of_an_oblong_patch_is_refused_with_what_would_do() -> None:
    oblong = {"size": [16, 16, 8]}
    said = _flaws("rotate_90", patches=oblong)
    assert "a quarter turn makes another shape of the patch" in said
    assert "axes: [2]" in said
    assert study_of(changed(SEGMENTATION, augmentation=[{"rotate_90": [2]}], patches=oblong))
    assert study_of(changed(SEGMENTATION, augmentation=["rotate_180"], patches=oblong))
    assert "an axis stands twice" in _flaws({"rotate_90": [2, 2]})
    assert "no axis is named" in _flaws({"rotate_90": []})


def test_flat_images_turn_in_their_plane() -> None:
    assert "not about an axis" in _flaws({"rotate_180": [0]}, inputs=["grey"])
    assert study_of(changed(CLASSIFICATION, augmentation=["rotate_180", "rotate_90"]))


@pytest.mark.parametrize("name", ["hed", "color_jitter"])
def test_colours_need_three_channels(name: str) -> None:
    assert "this augmentation is for colours" in _flaws(name, inputs=["grey"])
    said = _flaws({name: {"black_to_white": [1, 1]}}, inputs=["red", "green", "blue"])
    assert "black and white are the same" in said
    assert study_of(changed(CLASSIFICATION, augmentation=[name], inputs=["red", "green", "blue"]))


@pytest.mark.parametrize("augmentation", [
    {"blur": {"sigma": [2, 1]}}, {"low_resolution": {"scale": [0, 1]}}, {"low_resolution": {"scale": [0.5, 2]}},
    {"ghosting": {"ghosts": [0, 2]}}, {"swap": {"side": [0.1, 0.7]}}, {"cutout": {"side": [0.3, 0.1]}},
    {"poisson_noise": {"quanta": [0, 10]}}, {"gibbs": {"kept": [0, 0.5]}}, {"contrast": {"factor": [-1, 1]}},
    {"poisson_noise": {"quanta": [10, 1e20]}}, {"gamma": {"log_gamma": [0, 900]}}, {"gamma": {"log_gamma": [-900, 0]}},
])  # fmt: skip
def test_ranges_without_sense_are_refused(augmentation: Any) -> None:
    assert next(iter(augmentation)) in _flaws(augmentation)


@pytest.mark.parametrize("padding", [(), (2.0, -3.0)])
@pytest.mark.parametrize("shape", [(9, 11, 7), (40, 60, 70), (2, 1, 5)])
def test_our_resampling_of_volumes_is_torchs(shape: tuple[int, ...], padding: tuple[float, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    sides = torch.tensor(shape).reshape(3, 1, 1, 1)
    positions = torch.rand((3, *shape), generator=generator) * (sides + 6) - 3
    positions[:, 0] = positions[:, 0].round()  # some at voxels
    positions[torch.tensor(shape) == 1] = 0
    image = torch.randn((2, *shape), generator=generator)
    label = torch.randint(0, 200, (1, *shape), generator=generator, dtype=torch.uint8)
    ours, theirs = Resampling(positions, padding), _Whole(positions, padding)
    torch.testing.assert_close(ours.image(image), theirs.image(image), atol=1e-4, rtol=0)
    torch.testing.assert_close(ours.values(image), theirs.values(image), atol=1e-4, rtol=0)
    assert float((ours.labels(label) != theirs.labels(label)).float().mean()) < 1e-3  # half-way by rounding


class _Whole(Resampling):
    """By torch, as on a GPU."""

    def _by_slabs(self, volumes: torch.Tensor) -> bool:
        return False
