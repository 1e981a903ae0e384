"""Each transform: identity, an oracle, purity, and independence of the batch."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.augmentation import Augmentation
from wardround.engine.augmentation.flip import FlipDrawn, FlipTransform
from wardround.engine.augmentation.intensity import GammaDrawn, GammaTransform, NoiseDrawn, NoiseTransform
from wardround.engine.augmentation.spatial import SpatialDrawn, SpatialTransform, _lattice
from wardround.engine.parts.augmentation import Flip, Gamma, Noise, Spatial
from wardround.engine.sampling import Batch, SampleKey, Surroundings

ALL: list[dict[str, Any]] = [
    {"spatial": {"rotation": 20, "scale": [0.8, 1.2], "elastic": 2, "probability": 0.7}},
    {"flip": {"probability": 0.5}},
    {"noise": {"std": [0, 0.2], "probability": 0.7}},
    {"gamma": {"probability": 0.7}},
]


def _batch(samples: int = 6, shape: tuple[int, ...] = (12, 14, 10)) -> Batch:
    generator = torch.Generator().manual_seed(0)
    image = torch.randn((samples, 2, *shape), generator=generator)
    label = torch.randint(0, 3, (samples, *shape), generator=generator)
    return Batch(tuple(SampleKey(f"{place:064x}", place) for place in range(samples)), image, {"mask": label})


def _augmentation(transforms: list[dict[str, Any]], shape: tuple[int, ...] = (12, 14, 10)) -> Augmentation:
    base = changed(SEGMENTATION, augmentation=transforms)
    if len(shape) == 2:
        base = changed(
            base,
            preprocessing=[],
            patches={"size": [16, 16]},
            model={"name": "unet", "dimensions": 2, "filters": 4, "levels": 3},
        )
    return Augmentation(study_of(base))


def _one(batch: Batch, place: int) -> Batch:
    return batch.one(place)


@pytest.mark.parametrize("shape", [(12, 14, 10), (20, 24)])
def test_batched_equals_one_by_one_bit_for_bit(shape: tuple[int, ...]) -> None:
    augment, batch = _augmentation(ALL, shape), _batch(shape=shape)
    together = augment(batch)
    assert together.label is not None
    for place in range(6):
        alone = augment(_one(batch, place))
        assert alone.label is not None
        assert torch.equal(together.image[place], alone.image[0])
        assert torch.equal(together.label[place], alone.label[0])
    assert not torch.equal(together.image, batch.image)


def test_types_shapes_and_arguments_stay() -> None:
    augment, batch = _augmentation(ALL), _batch()
    assert batch.label is not None
    image, label = batch.image.clone(), batch.label.clone()
    after = augment(batch)
    assert after.label is not None
    assert (after.image.dtype, after.image.shape) == (torch.float32, image.shape)
    assert (after.label.dtype, after.label.shape) == (torch.int64, label.shape)
    assert set(after.label.unique().tolist()) <= {0, 1, 2}
    assert torch.equal(batch.image, image)
    assert torch.equal(batch.label, label)
    assert torch.equal(augment(batch).image, after.image)


def test_drawn_parameters_are_plain_and_depend_on_key_and_place_only() -> None:
    augment, keys = _augmentation(ALL), _batch().keys
    draws = augment.draw(keys)
    json.dumps([[None if drawn is None else asdict(drawn) for drawn in row] for row in draws])
    assert draws == augment.draw(keys)
    assert [row[::-1] for row in draws] == [*augment.draw(keys[::-1])]
    other = augment.draw([replace(key, draw=key.draw + 100) for key in keys])
    assert draws != other


def test_probability_zero_returns_the_very_tensors() -> None:
    still = [{name: {"probability": 0}} for name in ("spatial", "flip", "noise", "gamma")]
    batch = _batch()
    after = _augmentation(still)(batch)
    assert after.image is batch.image
    assert after.label is batch.label


def test_parameters_that_change_nothing_are_drawn_as_none() -> None:
    random = np.random.default_rng(0)
    assert SpatialTransform(Spatial(rotation=0, scale=(1, 1), probability=1)).draw(random, 3) is None
    assert NoiseTransform(Noise(std=(0, 0), probability=1)).draw(random, 3) is None
    assert GammaTransform(Gamma(log_gamma=(0, 0), probability=1)).draw(random, 3) is None
    assert FlipTransform(Flip(axes=(), probability=1)).draw(random, 3) is None


def test_probabilities_are_kept() -> None:
    random = np.random.default_rng(0)
    for transform in (SpatialTransform(Spatial(probability=0.3)), NoiseTransform(Noise(probability=0.3))):
        share = np.mean([transform.draw(random, 3) is not None for _ in range(4000)])
        assert np.isclose(share, 0.3, atol=0.03)


def test_a_quarter_turn_is_exact() -> None:
    image = torch.randn(1, 1, 9, 9, 9)
    label = torch.randint(0, 3, (1, 9, 9, 9))
    drawn = SpatialDrawn((0.0, 0.0, 90.0), 1.0, 0.0, 0)
    turned, turned_label = SpatialTransform(Spatial()).apply(image, label, [drawn])
    torch.testing.assert_close(turned, image.rot90(1, (2, 3)), atol=1e-4, rtol=0)
    assert turned_label is not None
    assert torch.equal(turned_label, label.rot90(1, (1, 2)))


@pytest.mark.parametrize("shape", [(11, 9, 13), (15, 12)])
def test_rotation_and_scale_against_scipy(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    angles = (7.0, -11.0, 23.0) if len(shape) == 3 else (17.0,)
    image = torch.from_numpy(values)[None, None]
    ours, _ = SpatialTransform(Spatial()).apply(image, None, [SpatialDrawn(angles, 1.1, 0.0, 0)])
    axes = ((1, 2), (2, 0), (0, 1)) if len(shape) == 3 else ((0, 1),)
    matrix = np.eye(len(shape))
    for angle, (first, second) in zip(np.radians(angles), axes, strict=True):
        turn = np.eye(len(shape))
        turn[[first, first, second, second], [first, second, first, second]] = (
            np.cos(angle),
            -np.sin(angle),
            np.sin(angle),
            np.cos(angle),
        )
        matrix = turn @ matrix
    middle = ((np.asarray(shape) - 1) / 2).reshape(-1, *(1,) * len(shape))
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")) - middle
    places = np.tensordot(np.linalg.inv(matrix * 1.1), grid, axes=1) + middle
    oracle = map_coordinates(values, places, order=1, mode="grid-constant", cval=0)
    np.testing.assert_allclose(ours[0, 0].numpy(), oracle, atol=2e-5)


def test_scale_above_one_enlarges_the_content() -> None:
    label = torch.zeros(1, 20, 20, 20, dtype=torch.int64)
    label[0, 7:13, 7:13, 7:13] = 1
    drawn = SpatialDrawn((0.0, 0.0, 0.0), 1.5, 0.0, 0)
    _, grown = SpatialTransform(Spatial()).apply(label[:, None].float(), label, [drawn])
    assert grown is not None
    assert np.isclose(float(grown.sum() / label.sum()), 1.5**3, rtol=0.25)


def test_the_elastic_field_is_a_cubic_spline_of_the_given_size() -> None:
    for side in (16, 17, 33):
        points, weights = _lattice(side, 8)
        np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
        np.testing.assert_allclose(weights @ points, np.arange(side), atol=1e-4)  # linear functions are reproduced
    image = torch.arange(24.0)[:, None, None].expand(24, 24, 24)[None, None].contiguous()
    drawn = SpatialDrawn((0.0, 0.0, 0.0), 1.0, 2.0, 5)
    moved, _ = SpatialTransform(Spatial(elastic=2)).apply(image, None, [drawn])
    displacement = (moved - image)[0, 0, 8:16, 8:16, 8:16]
    assert 0.05 < float(displacement.std()) < 2.0
    jump = (displacement[1:] - displacement[:-1]).abs().max()
    assert float(jump) < 1.0


def test_image_and_label_move_together() -> None:
    label = torch.zeros(1, 24, 24, 24, dtype=torch.int64)
    label[0, 6:18, 8:16, 7:17] = 1
    drawn = SpatialDrawn((10.0, -20.0, 30.0), 0.9, 1.5, 3)
    image, moved = SpatialTransform(Spatial(elastic=1.5)).apply(label[:, None].float(), label, [drawn])
    assert moved is not None
    assert float(((image[0, 0] > 0.5) != (moved[0] == 1)).float().mean()) < 0.01


def test_flip_moves_image_and_label_and_back() -> None:
    batch, transform = _batch(3), FlipTransform(Flip())
    drawn = [FlipDrawn((0, 2)), None, FlipDrawn((1,))]
    assert batch.label is not None
    image, label = transform.apply(batch.image, batch.label, drawn)
    assert label is not None
    assert torch.equal(image[0], batch.image[0].flip([1, 3]))
    assert torch.equal(label[2], batch.label[2].flip([1]))
    assert torch.equal(image[1], batch.image[1])
    back, back_label = transform.apply(image, label, drawn)
    assert torch.equal(back, batch.image)
    assert back_label is not None
    assert torch.equal(back_label, batch.label)


def test_noise_has_its_deviation_and_grows_from_its_seed() -> None:
    image = torch.zeros(2, 1, 32, 32, 32)
    noisy, _ = NoiseTransform(Noise()).apply(image, None, [NoiseDrawn(0.3, 7), None])
    assert np.isclose(float(noisy[0].std()), 0.3, rtol=0.03)
    assert not noisy[1].any()
    again, _ = NoiseTransform(Noise()).apply(image[:1], None, [NoiseDrawn(0.3, 7)])
    assert torch.equal(noisy[0], again[0])


def test_gamma_against_its_formula_and_keeps_the_range() -> None:
    image = torch.randn(1, 2, 8, 8, 8)
    image[0, 1] = 4.0
    bent, _ = GammaTransform(Gamma()).apply(image, None, [GammaDrawn(1.4)])
    low, high = image[0, 0].min(), image[0, 0].max()
    torch.testing.assert_close(bent[0, 0], ((image[0, 0] - low) / (high - low)) ** 1.4 * (high - low) + low)
    torch.testing.assert_close(bent[0, 1], image[0, 1])
    assert bent.isfinite().all()


@pytest.mark.parametrize(("spacing", "angles", "expected"), [
    ((0.7, 5.0), (90.0,), (0.0, 7.0)),
    ((0.7, 0.7, 5.0), (0.0, 90.0, 0.0), (0.0, 0.0, -7.0)),
    ((0.7, 5.0, 0.7), (0.0, 0.0, 30.0), (7 * 3**0.5 / 2, 3.5, 0.0)),
])  # fmt: skip
def test_a_rotation_turns_in_mm(
    spacing: tuple[float, ...], angles: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    shape = tuple(41 if step < 1 else 9 for step in spacing)
    middle = (np.asarray(shape) - 1) / 2
    places = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")) - middle.reshape(-1, *(1,) * len(shape))
    offset = places * np.reshape(spacing, (-1, *(1,) * len(shape)))
    at = np.asarray([7.0, *(0.0,) * (len(shape) - 1)]).reshape(-1, *(1,) * len(shape))
    blob = np.exp(-((offset - at) ** 2).sum(0) / (2 * 4.0**2)).astype(np.float32)
    transform = SpatialTransform(Spatial())
    drawn = transform.placed(SpatialDrawn(angles, 1.0, 0.0, 0), Surroundings(spacing, (0.0,)))
    moved = transform.apply(torch.from_numpy(blob)[None, None], None, [drawn])[0][0, 0].numpy()
    peak = offset[:, moved == moved.max()].mean(axis=1)
    np.testing.assert_allclose(peak, expected, atol=0.55 * np.max(spacing))
    # the blob is round in mm, and stays so where it was not cut
    near = np.abs(offset - np.reshape(expected, at.shape)).max(axis=0) < 6
    again = np.exp(-((offset - np.reshape(expected, at.shape)) ** 2).sum(0) / (2 * 4.0**2))
    np.testing.assert_allclose(moved[near], again[near], atol=0.2)


def test_the_batch_tells_a_rotation_the_size_of_voxels() -> None:
    augment, batch = _augmentation([{"spatial": {"rotation": 20, "probability": 1}}]), _batch()
    cubes = replace(batch, surroundings=(Surroundings((0.5, 0.5, 0.5), (0.0, 0.0)),) * 6)
    assert torch.equal(augment(cubes).image, augment(batch).image)  # to the bit, as if nothing were known
    flat = replace(batch, surroundings=(*cubes.surroundings[:5], Surroundings((0.7, 0.7, 5.0), (0.0, 0.0))))
    same = [torch.equal(one, other) for one, other in zip(augment(flat).image, augment(batch).image, strict=True)]
    assert same == [True] * 5 + [False]


@pytest.mark.parametrize("padding", [(), (-3.0, 8.0)])
def test_outside_a_patch_lies_the_padding_and_background(padding: tuple[float, ...]) -> None:
    image, label = torch.ones(1, 2, 21, 21), torch.ones(1, 21, 21, dtype=torch.int64)
    drawn = SpatialDrawn((45.0,), 1.0, 0.0, 0, padding=padding)
    turned, turned_label = SpatialTransform(Spatial()).apply(image, label, [drawn])
    assert turned_label is not None
    for corner in ((0, 0), (0, 20), (20, 0), (20, 20)):
        assert turned[0, :, *corner].tolist() == list(padding or (0.0, 0.0))
        assert turned_label[0, *corner] == 0
    assert turned[0, :, 10, 10].tolist() == [1.0, 1.0]
    for channel, value in enumerate(padding or (0.0, 0.0)):
        low, high = sorted((value, 1.0))
        assert ((turned[0, channel] >= low - 1e-5) & (turned[0, channel] <= high + 1e-5)).all()


def test_padding_is_that_of_the_samples_case() -> None:
    augment, batch = _augmentation([{"spatial": {"rotation": 90, "probability": 1}}]), _batch(2)
    ones = replace(batch, image=torch.ones_like(batch.image) * 5)
    ones = replace(ones, surroundings=tuple(Surroundings((1.0,) * 3, (value, value)) for value in (5.0, 4.0)))
    after = augment(ones).image
    torch.testing.assert_close(after[0], ones.image[0])
    assert float(after[1].min()) == 4.0
