"""Losses against MONAI's and torch's own, against published ones, and by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from wardround.engine.losses.distances import boundary_distances, distances_to, separable_distances, signed_distances
from wardround.engine.losses.reading import one_hot
from wardround.engine.parts import Kind, builtin_and_plugins
from wardround.engine.sampling import Batch, Surroundings

TINY = 1e-12
SAMPLES, CLASSES, GRID = 2, 3, (6, 5, 4)
GENERATOR = torch.Generator().manual_seed(3)
LOGITS = 2 * torch.randn(SAMPLES, CLASSES, *GRID, generator=GENERATOR, dtype=torch.float64)
MASK = torch.randint(0, CLASSES, (SAMPLES, *GRID), generator=GENERATOR)
TARGET = one_hot(MASK, CLASSES).reshape(SAMPLES, CLASSES, *GRID).double()
P = LOGITS.softmax(1)


def loss_of(name: str, **given: Any) -> Tensor:
    part = builtin_and_plugins().find(Kind.LOSS, name)
    loss: Any = part.make(part.parameters(**given))
    found: Tensor = loss(LOGITS, Batch((), LOGITS, {"mask": MASK}))
    return found


def monais(name: str, **given: Any) -> Tensor:
    import monai.losses

    made = getattr(monai.losses, name)(reduction="none", **given)
    found: Tensor = made(LOGITS, TARGET)
    return found.flatten(1).mean(1)


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("background", [False, True])
def test_dice_is_monais(squared: bool, background: bool) -> None:
    found = loss_of("dice", squared=squared, include_background=background, smooth=1e-5)
    expected = monais(
        "DiceLoss", softmax=True, squared_pred=squared, include_background=background, smooth_nr=1e-5, smooth_dr=1e-5
    )
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("weight", ["square", "simple", "uniform"])
def test_generalised_dice_is_monais(weight: Any) -> None:
    found = loss_of("generalized_dice", weight=weight, smooth=TINY)
    torch.testing.assert_close(
        found, monais("GeneralizedDiceLoss", softmax=True, w_type=weight, smooth_nr=0, smooth_dr=0)
    )


def test_tversky_and_jaccard_are_monais() -> None:
    theirs = monais(
        "TverskyLoss", softmax=True, include_background=False, alpha=0.3, beta=0.7, smooth_nr=1e-5, smooth_dr=1e-5
    )
    torch.testing.assert_close(loss_of("tversky"), theirs)
    theirs = monais("DiceLoss", softmax=True, include_background=False, jaccard=True, smooth_nr=0, smooth_dr=0)
    torch.testing.assert_close(loss_of("jaccard", smooth=TINY), theirs)


def test_focal_tversky_and_the_logarithm_of_dice_are_their_formulas() -> None:
    both = (P * TARGET).flatten(2).sum(2)[:, 1:]
    predicted, true = P.flatten(2).sum(2)[:, 1:], TARGET.flatten(2).sum(2)[:, 1:]
    index = both / (both + 0.4 * (predicted - both) + 0.6 * (true - both))
    expected = (1 - index).pow(0.5).mean(1)
    found = loss_of("focal_tversky", alpha=0.4, beta=0.6, exponent=0.5, smooth=TINY)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(loss_of("dice_log", smooth=TINY), -(2 * both / (predicted + true)).log().mean(1))


def test_mcc_is_monais_and_of_a_certain_prediction_scikit_learns() -> None:
    from sklearn.metrics import matthews_corrcoef

    theirs = monais("MCCLoss", softmax=True, include_background=False, smooth_nr=0, smooth_dr=0)
    torch.testing.assert_close(loss_of("mcc", smooth=TINY), theirs)
    torch.testing.assert_close(
        loss_of("mcc", smooth=TINY, include_background=True),
        monais("MCCLoss", softmax=True, smooth_nr=0, smooth_dr=0),
    )
    part = builtin_and_plugins().find(Kind.LOSS, "mcc_log")
    certain = 1e3 * one_hot(LOGITS.argmax(1), CLASSES).reshape(LOGITS.shape)
    found = part.make(part.parameters(smooth=TINY))(certain, Batch((), certain, {"mask": MASK}))
    for value, sample, truth in zip(found, LOGITS.argmax(1), MASK, strict=True):
        scores = [matthews_corrcoef(truth.ravel() == k, sample.ravel() == k) for k in (1, 2)]
        assert value.item() == pytest.approx(-np.mean([math.log((1 + score) / 2) for score in scores]), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_is_monais_and_its_gamma_is_used(gamma: float) -> None:
    found = loss_of("focal", gamma=gamma, class_weights=(0.5, 1.0, 3.0))
    theirs = monais("FocalLoss", use_softmax=True, gamma=gamma, weight=(0.5, 1.0, 3.0), include_background=True)
    torch.testing.assert_close(found, CLASSES * theirs, rtol=1e-5, atol=1e-6, check_dtype=False)
    assert gamma == 2.0 or not torch.allclose(found, loss_of("focal", gamma=2.0, class_weights=(0.5, 1.0, 3.0)))


def test_focal_and_binary_cross_entropy_of_regions_are_monais_and_torchs() -> None:
    from monai.losses import FocalLoss

    regions = Batch((), LOGITS, {"regions": TARGET.long()})
    for name, given, expected in (
        ("focal", {}, FocalLoss(gamma=2.0, reduction="none")(LOGITS, TARGET)),
        ("focal", {"gamma": 0.0}, functional.binary_cross_entropy_with_logits(LOGITS, TARGET, reduction="none")),
        (
            "bce",
            {"positive_weights": (1.0, 2.0, 5.0)},
            functional.binary_cross_entropy_with_logits(
                LOGITS, TARGET, reduction="none", pos_weight=torch.tensor([1.0, 2.0, 5.0]).reshape(3, 1, 1, 1)
            ),
        ),
    ):
        part = builtin_and_plugins().find(Kind.LOSS, name)
        found = part.make(part.parameters(**given))(LOGITS, regions)
        torch.testing.assert_close(found, expected.flatten(1).mean(1), rtol=1e-5, atol=1e-6, check_dtype=False)


def test_binary_cross_entropy_of_classes_is_that_of_their_probabilities() -> None:
    expected = functional.binary_cross_entropy(P, TARGET, reduction="none").flatten(1).mean(1)
    torch.testing.assert_close(loss_of("bce"), expected)


def test_divergence_is_torchs() -> None:
    smoothing = 0.2
    even = TARGET * (1 - smoothing) + smoothing / CLASSES
    expected = functional.kl_div(LOGITS.log_softmax(1), even, reduction="none").sum(1).flatten(1).mean(1)
    torch.testing.assert_close(loss_of("kld", label_smoothing=smoothing), expected)
    torch.testing.assert_close(loss_of("kld"), loss_of("cross_entropy"))


@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.35, 1.0])
def test_top_k_is_the_mean_of_the_greatest(fraction: float) -> None:
    each = functional.cross_entropy(LOGITS, MASK, reduction="none").flatten(1)
    many = max(1, int(each.shape[1] * fraction))
    torch.testing.assert_close(loss_of("top_k", fraction=fraction), each.topk(many).values.mean(1))
    torch.testing.assert_close(
        loss_of("dice_topk", fraction=fraction, topk_weight=0.5),
        loss_of("dice") + 0.5 * each.topk(many).values.mean(1),
    )


def test_top_k_shares_the_last_place_among_equals() -> None:
    part = builtin_and_plugins().find(Kind.LOSS, "top_k")
    logits = torch.zeros(1, 2, 10).requires_grad_()
    found = part.make(part.parameters(fraction=0.3))(logits, Batch((), logits, {"mask": torch.zeros(1, 10).long()}))
    torch.autograd.backward(found)
    assert found.item() == pytest.approx(math.log(2))
    assert logits.grad is not None
    assert torch.allclose(logits.grad, logits.grad[:, :, :1].expand(1, 2, 10))


def test_dice_and_focal_are_added() -> None:
    expected = 2 * loss_of("dice") + 0.5 * loss_of("focal", gamma=3.0)
    torch.testing.assert_close(loss_of("dice_focal", dice_weight=2.0, focal_weight=0.5, gamma=3.0), expected)


@pytest.mark.parametrize("background", [False, True])
def test_losses_by_distance_are_monais(background: bool) -> None:
    found = loss_of("boundary", dice_weight=0.0, boundary_weight=1.0, include_background=background)
    torch.testing.assert_close(
        found, monais("BoundaryLoss", softmax=True, include_background=background), check_dtype=False
    )
    found = loss_of("hausdorff", dice_weight=0.0, hausdorff_weight=1.0, include_background=background)
    theirs = monais("HausdorffDTLoss", softmax=True, include_background=background)
    torch.testing.assert_close(found, theirs, check_dtype=False)


MASKS = torch.rand(2, 3, 7, 6, 5, generator=torch.Generator().manual_seed(0)) < 0.05
SPACINGS = ((1.0, 1.0, 1.0), (0.7, 2.5, 1.3))


def test_distances_are_those_to_the_nearest_voxel_in_mm_however_they_are_computed() -> None:
    masks = MASKS.clone()
    masks[0, 1] = False
    found, again = distances_to(masks, SPACINGS), separable_distances(masks, SPACINGS)
    torch.testing.assert_close(found, again)
    assert found[0, 1].isinf().all()
    for sample, spacing in enumerate(SPACINGS):
        points = np.argwhere(masks[sample, 0].numpy()) * spacing
        places = np.argwhere(np.ones(masks.shape[2:], bool)) * spacing
        slow = np.linalg.norm(places[:, None] - points[None], axis=-1).min(1)
        np.testing.assert_allclose(found[sample, 0].numpy().ravel(), slow, rtol=1e-6)


def test_distances_to_a_boundary_are_simpleitks() -> None:
    import SimpleITK as sitk  # noqa: N813

    for sample, spacing in enumerate(SPACINGS):
        mask = ndimage.binary_dilation(MASKS[sample, 0].numpy())
        image = sitk.GetImageFromArray(mask.astype(np.uint8))
        image.SetSpacing(spacing[::-1])
        outside = sitk.GetArrayFromImage(sitk.DanielssonDistanceMap(image, False, False, True))
        given = torch.from_numpy(mask)[None, None]
        ours = signed_distances(given, (spacing,))[0, 0].numpy()
        np.testing.assert_allclose(ours[~mask], outside[~mask], rtol=1e-5)
        inside = ndimage.distance_transform_edt(mask, sampling=spacing)
        np.testing.assert_allclose(ours[mask], min(spacing) - inside[mask], rtol=1e-5, atol=1e-6)
        both = boundary_distances(given, (spacing,))[0, 0].numpy()
        np.testing.assert_allclose(both, np.where(mask, inside, outside), rtol=1e-5)


def test_a_mask_without_a_boundary_has_no_distance_to_it() -> None:
    for value in (False, True):
        mask = torch.full((1, 1, 4, 4), value)
        assert not signed_distances(mask, ((1.0, 2.0),)).any()
        assert not boundary_distances(mask, ((1.0, 2.0),)).any()


def test_distances_follow_the_spacing_of_each_sample() -> None:
    part = builtin_and_plugins().find(Kind.LOSS, "boundary")
    loss = part.make(part.parameters(dice_weight=0.0))
    around = [Surroundings((scale,) * 3, (0.0,)) for scale in (1.0, 3.0)]
    logits, truth = LOGITS[:1].expand(2, -1, -1, -1, -1), {"mask": MASK[:1].expand(2, -1, -1, -1)}
    one, three = loss(logits, Batch((), logits, truth, tuple(around)))
    assert three.item() == pytest.approx(3 * one.item(), rel=1e-5)
