"""Regions and voxels that do not count, read from a mask: against torch, slow formulas and the same loss elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from tests.support.studies import SEGMENTATION, changed, study_of
from wardround.engine.inference.activation import ACTIVATIONS
from wardround.engine.losses import ByCase, build_loss, losses_of
from wardround.engine.losses.derived import counted_voxels, derived
from wardround.engine.sampling.batch import Batch
from wardround.engine.study import Study
from wardround.engine.targets import Activation

REGIONS = {"whole": [1, 2, 4], "core": [1, 4], "enhancing": 4}
LOSSES = [
    "dice_ce",
    {"dice_ce": {"dice_weight": 0.5, "ce_weight": 2.0, "smooth": 1.0, "include_background": True}},
    "cross_entropy",
    {"cross_entropy": {"label_smoothing": 0.2, "class_weights": [0.5, 1.0, 3.0]}},
]


def regions_study(loss: object = "dice_ce", ignore: int | None = None) -> Study:
    return study_of(
        changed(SEGMENTATION, classes=None) | {"regions": REGIONS, "ignore": ignore, "training": {"loss": loss}}
    )


def classes_study(loss: object = "dice_ce") -> Study:
    return study_of(changed(SEGMENTATION, training={"loss": loss}) | {"ignore": 255})


def made(study: Study, grid: tuple[int, ...] = (4, 5, 6), samples: int = 2) -> tuple[Tensor, Batch]:
    """Outputs and a mask of all its indices."""
    generator = torch.Generator().manual_seed(3)
    outputs = 2 * torch.randn(samples, len(study.outputs), *grid, generator=generator)
    mask = torch.randint(0, study.mask_indices, (samples, *grid), generator=generator)
    return outputs, Batch((), outputs, {"mask": mask})


def lying(batch: Batch) -> Tensor:
    """(samples, regions, *grid) by the definition: a value lies in each region that lists it."""
    assert batch.label is not None
    values = np.array([0, 1, 2, 4, 255])[batch.label.numpy()]
    return torch.from_numpy(np.stack([np.isin(values, each) for each in REGIONS.values()], axis=1)).float()


def test_regions_stand_for_the_mask() -> None:
    study = regions_study()
    _, batch = made(study)
    truth = derived(study, batch).truth
    assert truth.keys() == {"regions"}
    assert torch.equal(truth["regions"], lying(batch))


def test_what_is_ignored_is_not_valid_and_of_no_region() -> None:
    study = regions_study(ignore=255)
    _, batch = made(study)
    truth = derived(study, batch).truth
    assert truth.keys() == {"regions", "valid"}
    assert torch.equal(truth["valid"], batch.truth["mask"] != 4)
    assert torch.equal(truth["regions"], lying(batch))


def test_other_studies_get_their_batch_as_it_is() -> None:
    study = study_of(SEGMENTATION)
    _, batch = made(study)
    assert derived(study, batch) is batch


def test_cross_entropy_of_regions_is_torchs_binary_one() -> None:
    study = regions_study("cross_entropy")
    outputs, batch = made(study)
    each = functional.binary_cross_entropy_with_logits(outputs, lying(batch), reduction="none")
    found = losses_of(study, build_loss(study), outputs, batch)
    torch.testing.assert_close(found, each.mean(dim=(1, 2, 3, 4)))


def test_dice_of_regions_is_its_formula() -> None:
    study = regions_study({"dice_ce": {"ce_weight": 0.0}})
    outputs, batch = made(study)
    p, q = outputs.double().sigmoid().numpy(), lying(batch).numpy()
    dice = [[(2 * (a * b).sum() + 1e-5) / (a.sum() + b.sum() + 1e-5) for a, b in zip(*each)] for each in zip(p, q)]  # noqa: B905
    found = losses_of(study, build_loss(study), outputs, batch)
    np.testing.assert_allclose(found.numpy(), 1 - np.mean(dice, axis=1), rtol=1e-5)


@pytest.mark.parametrize("loss", LOSSES[:3])
@pytest.mark.parametrize("of", [regions_study, classes_study])
def test_ignored_voxels_play_no_part(loss: object, of: object) -> None:
    """The loss is that of the other voxels alone, and no gradient reaches an ignored one."""
    study = regions_study(loss, ignore=255) if of is regions_study else classes_study(loss)
    outputs, batch = made(study, samples=1)
    valid = batch.truth["mask"] != study.ignored_class
    few = outputs[:, :, valid[0]], Batch((), outputs, {"mask": batch.truth["mask"][valid][None]})
    outputs.requires_grad_()
    found = losses_of(study, build_loss(study), outputs, batch)
    torch.testing.assert_close(found.detach(), losses_of(study, build_loss(study), *few))
    found.sum().backward()
    assert outputs.grad is not None
    assert not outputs.grad[:, :, ~valid[0]].any()
    assert outputs.grad[:, :, valid[0]].all()


@pytest.mark.parametrize("loss", LOSSES[:3])
def test_a_sample_of_which_no_voxel_counts_has_a_finite_loss_and_no_gradient(loss: object) -> None:
    study = classes_study(loss)
    outputs, _ = made(study)
    batch = Batch((), outputs, {"mask": torch.full((2, 4, 5, 6), study.ignored_class)})
    found = losses_of(study, build_loss(study), outputs.requires_grad_(), batch)
    assert torch.isfinite(found).all()
    found.sum().backward()
    assert outputs.grad is not None
    assert not outputs.grad.any()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("ignore", [None, 255])
def test_by_piece_and_as_a_whole_it_is_the_same(loss: object, ignore: int | None) -> None:
    study = regions_study(loss, ignore)
    outputs, batch = made(study, samples=1)
    pair, built = ACTIVATIONS[Activation.SIGMOID], build_loss(study)
    probabilities = pair.activate(outputs)
    whole = float(losses_of(study, built, pair.outputs_of(probabilities), batch))
    assert isinstance(built, ByCase)
    by_case, voxels = built.of_case(), probabilities[0].flatten(1).t()
    for some in torch.arange(120).split(37):
        by_case.add(*counted_voxels(study, voxels[some], batch.truth["mask"].flatten()[some]))
    assert by_case.value() == pytest.approx(whole, rel=1e-5)


def test_certain_probabilities_have_a_finite_loss() -> None:
    study = regions_study()
    built = build_loss(study)
    assert isinstance(built, ByCase)
    by_case = built.of_case()
    by_case.add(torch.tensor([[0.0, 1.0, 1.0]]), torch.tensor([[1.0, 0.0, 1.0]]))
    assert np.isfinite(by_case.value())
