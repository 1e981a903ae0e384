"""A batch is a function of seed and step; patches are where they should be."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.studies import CLASSIFICATION, SEGMENTATION, changed, study_of
from wardround.engine.basics.problems import InputError
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.sampling import Batch, PatchSource
from wardround.engine.sampling.patches import PatchPlan
from wardround.engine.sampling.share import Share
from wardround.engine.store import StoredCase
from wardround.engine.store.entries import foreground_of


def _case(number: int, shape: tuple[int, ...] = (24, 20, 18)) -> StoredCase:
    """A case whose voxels tell where they lie: image = flat index, and a few labelled voxels."""
    image = (np.arange(np.prod(shape), dtype=np.float32).reshape(shape) + 1e5 * number)[None]
    label = np.zeros(shape, np.uint8)
    label[tuple(side // 4 for side in shape)] = 1
    label[tuple(side // 2 for side in shape)] = 2
    digest = f"{number:064x}"
    grid = plain_geometry(shape)
    return StoredCase(digest, image, label, foreground_of(label, digest), grid, grid, None, Path())


def _study(per_case: int = 2, batch_size: int = 3, foreground: float = 0.5, size: tuple[int, ...] = (8, 8, 8)):  # type: ignore[no-untyped-def]
    patches = {"size": list(size), "per_case": per_case, "foreground": foreground}
    return study_of(
        changed(SEGMENTATION, patches=patches, training={"loss": "dice_ce", "epochs": 2, "batch_size": batch_size})
    )


def _same(first: Batch, second: Batch) -> bool:
    assert first.label is not None
    assert second.label is not None
    return (
        first.keys == second.keys and torch.equal(first.image, second.image) and torch.equal(first.label, second.label)
    )


CASES = [_case(number) for number in range(5)]


def test_shuffled_cases_give_the_same_batches() -> None:
    study = _study()
    first, second = PatchSource(study, CASES), PatchSource(study, CASES[::-1])
    assert all(_same(first.batch(step), second.batch(step)) for step in range(9))


def test_a_batch_does_not_depend_on_what_was_read_before() -> None:
    study = _study()
    forwards = [PatchSource(study, CASES).batch(step) for step in (0, 5, 11)]
    source = PatchSource(study, CASES)
    backwards = [source.batch(step) for step in (11, 5, 0)][::-1]
    assert all(_same(*pair) for pair in zip(forwards, backwards, strict=True))


def test_a_sample_is_the_same_in_another_cohort() -> None:
    study = _study(batch_size=1)
    few, many = PatchSource(study, CASES[:2]), PatchSource(study, CASES)
    by_key = {few.batch(step).keys[0]: few.batch(step) for step in range(4)}
    found = [batch for step in range(10) if (batch := many.batch(step)).keys[0] in by_key]
    assert len(found) == 4
    assert all(_same(batch, by_key[batch.keys[0]]) for batch in found)


def test_every_epoch_sees_every_case_equally_often_in_another_order() -> None:
    source = PatchSource(_study(batch_size=4), CASES)
    assert source.steps_per_epoch == 3
    keys = list(itertools.chain.from_iterable(source.keys(step) for step in range(5)))
    epochs = [keys[:10], keys[10:]]
    for epoch, samples in enumerate(epochs):
        assert Counter(key.case for key in samples) == {case.digest: 2 for case in CASES}
        assert {key.draw for key in samples} == {2 * epoch, 2 * epoch + 1}
    assert [key.case for key in epochs[0]] != [key.case for key in epochs[1]]
    assert len({*keys}) == 20


def test_shares_of_a_batch_are_the_whole_of_it() -> None:
    """In the order of the whole, of gathered batches too; an epoch is as long."""
    study = _study(batch_size=4)
    study = study.model_copy(update={"training": study.training.model_copy(update={"accumulate": 2})})
    whole, shares = PatchSource(study, CASES), [PatchSource(study, CASES, Share(rank, 2)) for rank in range(2)]
    assert {share.steps_per_epoch for share in shares} == {whole.steps_per_epoch}
    for step in range(3):
        batch, (first, second) = whole.batch(step), (share.batch(step) for share in shares)
        assert (len(first.keys), len(batch.keys)) == (4, 8)
        places = {0: [0, 1, 4, 5], 1: [2, 3, 6, 7]}
        for rank, share in enumerate((first, second)):
            assert share.keys == tuple(batch.keys[place] for place in places[rank])
            assert torch.equal(share.image, batch.image[places[rank]])
            assert torch.equal(share.truth["mask"], batch.truth["mask"][places[rank]])


def test_another_seed_gives_other_batches() -> None:
    study = _study()
    assert PatchSource(study, CASES).keys(0) != PatchSource(study.model_copy(update={"seed": 7}), CASES).keys(0)


def test_image_and_label_are_cut_from_one_place() -> None:
    batch = PatchSource(_study(foreground=1.0), CASES).batch(0)
    assert (batch.image.dtype, batch.image.shape) == (torch.float32, (3, 1, 8, 8, 8))
    assert batch.label is not None
    assert (batch.label.dtype, batch.label.shape, batch.target) == (torch.uint8, (3, 8, 8, 8), None)
    for key, image, label in zip(batch.keys, batch.image, batch.label, strict=True):
        case = next(case for case in CASES if case.digest == key.case)
        for flat, value in zip(image[0].flatten().tolist(), label.flatten().tolist(), strict=True):
            assert case.label is not None
            assert case.label.flat[int(flat - case.image.min())] == value
        assert label.any()


def test_batches_do_not_share_memory() -> None:
    source = PatchSource(_study(), CASES)
    first = source.batch(0)
    kept = first.image.clone()
    source.batch(1)
    assert torch.equal(first.image, kept)


def test_foreground_patches_are_centred_and_classes_drawn_evenly() -> None:
    label = np.zeros((40, 40, 40), np.uint8)
    label[8:20, 8:20, 8:20], label[30, 30, 30] = 1, 2
    grid = plain_geometry(label.shape)
    case = StoredCase("c", label[None].astype(np.float32), label, foreground_of(label, "c"), grid, grid, None, Path())
    random = np.random.default_rng(0)
    plan = PatchPlan((8, 8, 8), 0.6)
    corners = [np.asarray(plan.corner(case, random)) for _ in range(4000)]
    centres = [int(label[tuple(corner + 4)]) for corner in corners]
    assert np.isclose(np.mean([value == 2 for value in centres]), 0.3, atol=0.03)
    uniform = [np.asarray(PatchPlan((8, 8, 8), 0.0).corner(case, random)) for _ in range(4000)]
    assert np.min(uniform) == 0
    assert np.max(uniform) == 32
    np.testing.assert_allclose(np.mean(uniform, axis=0), 16, atol=0.6)


def test_a_case_smaller_than_the_patch_lies_in_its_middle() -> None:
    source = PatchSource(_study(size=(16, 8, 8)), [_case(0, (9, 20, 6))])
    batch = source.batch(0)
    assert batch.label is not None
    inside = batch.image[0, 0, 3:12, :, 1:7]
    assert (inside[1:] > 0).all()
    outside = batch.image.clone()
    outside[:, :, 3:12, :, 1:7] = 0
    assert not outside.any()


@pytest.mark.parametrize(("padding", "expected"), [(-2.5, -2.5), ("minimum", 1e5), (0, 0.0)])
def test_a_case_is_padded_with_what_the_study_says(padding: float | str, expected: float) -> None:
    study = study_of(changed(SEGMENTATION, patches={"size": [16, 8, 8], "padding": padding}))
    case = _case(1, (9, 20, 6))
    grid = replace(case.geometry, spacing=(0.7, 0.7, 5.0))
    batch = PatchSource(study, [replace(case, geometry=grid)]).batch(0)
    assert batch.label is not None
    assert (batch.image[:, :, :3] == expected).all()
    assert (batch.image[:, :, :, :, 7:] == expected).all()
    assert not batch.label[:, :3].any()
    assert all(found.padding == (expected,) for found in batch.surroundings)
    assert all(found.spacing == (0.7, 0.7, 5.0) for found in batch.surroundings)


def test_classification_gives_targets() -> None:
    study = study_of(changed(CLASSIFICATION, patches={"size": [8, 8]}))
    grid = plain_geometry((9, 9))
    image = np.ones((1, 9, 9), np.float32)
    cases = [StoredCase(str(target), image, None, {}, grid, grid, target, Path()) for target in (0, 1)]
    batch = PatchSource(study, cases).batch(0)
    assert batch.label is None
    assert batch.target is not None
    assert batch.target.tolist() == [int(key.case) for key in batch.keys]


def test_cases_without_truth_are_refused() -> None:
    with pytest.raises(InputError, match="no case"):
        PatchSource(_study(), [])
    grid = plain_geometry((9, 9, 9))
    blank = StoredCase("ff" * 32, np.ones((1, 9, 9, 9), np.float32), None, {}, grid, grid, None, Path())
    with pytest.raises(InputError, match="has no mask"):
        PatchSource(_study(), [blank])


def test_each_draw_of_a_case_is_a_patch_of_its_own_in_every_epoch() -> None:
    source = PatchSource(_study(per_case=6, batch_size=6, foreground=0.0), CASES[:1])
    corners = [float(patch[0, 0, 0, 0]) for step in range(3) for patch in source.batch(step).image]
    assert len(set(corners)) >= 16


def test_no_patch_is_of_ignored_voxels_alone() -> None:
    label = np.full((40, 40, 40), 3, np.uint8)
    label[17], label[17, 3:6, 3:6] = 0, 1
    grid = plain_geometry(label.shape)
    coordinates = foreground_of(label, "c", ignored=3)
    case = StoredCase("c", label[None].astype(np.float32), label, coordinates, grid, grid, None, Path())
    assert case.classes == {1}
    random = np.random.default_rng(0)
    for foreground in (0.0, 0.5):
        plan = PatchPlan((8, 8, 8), foreground)
        corners = [plan.corner(case, random) for _ in range(300)]
        assert all((label[tuple(slice(at, at + 8) for at in corner)] != 3).any() for corner in corners)
        assert len(set(corners)) > 100
