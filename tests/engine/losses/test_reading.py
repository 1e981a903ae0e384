"""Every loss reads every kind of truth alike: classes, regions that overlap, and voxels that do not count."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from wardround.engine.losses import ByCase
from wardround.engine.losses.classic import on_device
from wardround.engine.losses.reading import read
from wardround.engine.parts import Kind, Parameters, builtin_and_plugins
from wardround.engine.parts.losses import CrossEntropy, DiceCE, Focal, SoftDice, loss_of
from wardround.engine.sampling import Batch, Surroundings

DENSE = [part for part in builtin_and_plugins().parts(Kind.LOSS) if part.serves("segmentation") and not part.package]
WHOLE = [part for part in builtin_and_plugins().parts(Kind.LOSS) if part.serves("classification") and not part.package]
SAMPLES, CLASSES, GRID = 3, 3, (5, 4)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def truths() -> dict[str, dict[str, Tensor]]:
    """Of dense outputs, by what they show."""
    generator = torch.Generator().manual_seed(5)
    mask = torch.randint(0, CLASSES, (SAMPLES, *GRID), generator=generator)
    regions = torch.randint(0, 2, (SAMPLES, CLASSES, *GRID), generator=generator)
    valid = torch.rand((SAMPLES, *GRID), generator=generator) < 0.7
    return {
        "mask": {"mask": mask},
        "regions": {"regions": regions},
        "mask in part": {"mask": mask, "valid": valid},
        "regions in part": {"regions": regions, "valid": valid.long()},
    }


def batch_of(outputs: Tensor, truth: dict[str, Tensor]) -> Batch:
    around = Surroundings((0.7, 1.5), (0.0,))
    return Batch((), outputs, truth, (around,) * len(outputs))


def by_default(rows: list[Any]) -> Iterator[tuple[str, Parameters, Any]]:
    for part in rows:
        parameters = part.parameters()
        yield part.name, parameters, part.make(parameters)


LOSSES = [pytest.param(made, id=name) for name, _, made in by_default(DENSE)]
VECTORS = [pytest.param(made, id=name) for name, _, made in by_default(WHOLE)]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", truths())
def test_the_gradient_is_that_of_differences(loss: Any, kind: str) -> None:
    outputs, truth = random(SAMPLES, CLASSES, *GRID), truths()[kind]
    outputs.requires_grad_()
    assert torch.autograd.gradcheck(lambda given: loss(given, batch_of(given, truth)), outputs, fast_mode=True)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", truths())
def test_a_sample_has_its_own_loss_whatever_is_beside_it(loss: Any, kind: str) -> None:
    outputs = random(SAMPLES, CLASSES, *GRID).float()
    batch = batch_of(outputs, truths()[kind])
    together = loss(outputs, batch)
    alone = torch.cat([loss(outputs[place : place + 1], batch.one(place)) for place in range(SAMPLES)])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", ["mask", "regions"])
def test_what_does_not_count_changes_nothing(loss: Any, kind: str) -> None:
    outputs, truth = random(SAMPLES, CLASSES, *GRID).float(), truths()[f"{kind} in part"]
    valid = truth["valid"] != 0
    found = loss(outputs, batch_of(outputs, truth))
    others = 9 * random(SAMPLES, CLASSES, *GRID, seed=1).float()
    seen = valid.unsqueeze(1)
    told = truth[kind]
    other_truth = torch.where(valid if kind == "mask" else seen, told, 1 - told.clamp_max(1))
    changed = torch.where(seen, outputs, others)
    if isinstance(loss, ByCase):  # a loss by distances sees predictions and truths of neighbours, and nothing else
        torch.testing.assert_close(loss(changed, batch_of(outputs, {**truth, kind: other_truth})), found)
    torch.testing.assert_close(loss(changed, batch_of(outputs, truth)), found)
    assert not torch.allclose(loss(outputs, batch_of(outputs, {kind: told})), found)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", ["mask in part", "regions in part"])
def test_a_sample_of_which_nothing_counts_costs_nothing_and_pulls_nowhere(loss: Any, kind: str) -> None:
    outputs, truth = random(SAMPLES, CLASSES, *GRID).float().requires_grad_(), truths()[kind]
    truth["valid"][1] = 0
    found = loss(outputs, batch_of(outputs, truth))
    torch.autograd.backward(found.sum())
    assert found[1] == 0
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()
    assert not outputs.grad[1].any()
    assert outputs.grad[0].any()
    assert outputs.grad[2].any()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", truths())
@pytest.mark.parametrize("value", [0, 1])
def test_absent_and_filling_classes_and_certain_outputs_stay_finite(loss: Any, kind: str, value: int) -> None:
    truth = {name: torch.full_like(each, value) if name != "valid" else each for name, each in truths()[kind].items()}
    for scale in (0.0, 60.0, -60.0, 1e4):
        outputs = (scale * random(SAMPLES, CLASSES, *GRID).float().sign()).requires_grad_()
        found = loss(outputs, batch_of(outputs, truth))
        torch.autograd.backward(found.sum())
        assert found.isfinite().all()
        assert outputs.grad is not None
        assert outputs.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", ["mask", "regions"])
def test_the_truth_costs_least(loss: Any, kind: str) -> None:
    truth = truths()[kind]
    target = read(random(SAMPLES, CLASSES, *GRID), batch_of(random(SAMPLES, 1), truth)).target
    perfect = (40 * target - 20).float().reshape(SAMPLES, CLASSES, *GRID)
    batch = batch_of(perfect, truth)
    right, unsure, wrong = (loss(scale * perfect, batch) for scale in (1.0, 0.0, -1.0))
    assert (right < unsure).all()
    assert (unsure < wrong).all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", truths())
def test_losses_are_float32_under_autocast(loss: Any, kind: str) -> None:
    outputs = random(SAMPLES, CLASSES, *GRID).bfloat16()
    batch = batch_of(outputs.float(), truths()[kind])
    expected = loss(outputs.float(), batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = loss(outputs, batch)
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


@pytest.mark.parametrize("loss", [each for each in LOSSES if isinstance(each.values[0], ByCase)])
@pytest.mark.parametrize("kind", truths())
@pytest.mark.parametrize("pieces", [1, 3])
def test_pieces_of_what_counts_give_the_loss_of_the_volume(loss: Any, kind: str, pieces: int) -> None:
    outputs = random(1, CLASSES, *GRID).float()
    truth = {name: each[:1] for name, each in truths()[kind].items()}
    exclusive = "mask" in truth
    probabilities = outputs.softmax(1) if exclusive else outputs.sigmoid()
    counted = truth.get("valid", torch.ones(1, *GRID)).flatten() != 0
    voxels = probabilities.flatten(2)[0].T[counted]
    told = truth["mask"].flatten() if exclusive else truth["regions"].flatten(2)[0].T
    case = loss.of_case()
    for some, classes in zip(voxels.chunk(pieces), told[counted].chunk(pieces), strict=True):
        case.add(some, classes)
    assert case.value() == pytest.approx(float(loss(outputs, batch_of(outputs, truth))), rel=1e-5, abs=1e-6)
    assert loss.of_case().value() == 0, "of nothing that counts"


@pytest.mark.parametrize("loss", VECTORS)
def test_labels_of_cases_are_read_one_by_one_and_unknown_ones_are_left_out(loss: Any) -> None:
    outputs = random(SAMPLES, CLASSES)
    known = torch.tensor([[1.0, 0.0, 1.0], [0.0, math.nan, 1.0], [math.nan] * 3], dtype=torch.float64)
    given = outputs.clone().requires_grad_()
    found = loss(given, batch_of(given, {"labels": known}))
    torch.autograd.backward(found.sum())
    assert found[2] == 0
    assert given.grad is not None
    assert not given.grad[2].any()
    assert given.grad[1, 1] == 0
    assert given.grad[1, 0] != 0
    fewer = loss(outputs[1:2, [0, 2]], batch_of(outputs, {"labels": known[1:2, [0, 2]]}))
    torch.testing.assert_close(found[1:2], fewer)
    assert torch.autograd.gradcheck(lambda some: loss(some, batch_of(some, {"labels": known})), given, fast_mode=True)


@pytest.mark.parametrize("loss", VECTORS)
def test_categories_and_labels_agree_where_there_are_two_classes_told_apart_by_one_output(loss: Any) -> None:
    """softmax of (0, x) is the sigmoid of x."""
    outputs = random(4, 1)
    pair = torch.cat([torch.zeros_like(outputs), outputs], dim=1)
    category = torch.tensor([0, 1, 1, 0])
    of_classes = loss(pair, batch_of(pair, {"category": category}))
    of_label = loss(outputs, batch_of(outputs, {"labels": category.double().unsqueeze(1)}))
    torch.testing.assert_close(of_classes, of_label)


def test_a_loss_over_the_batch_says_so() -> None:
    assert all(loss_of(each).by_sample for each in (DiceCE(), SoftDice(), Focal(), CrossEntropy()))
    assert not loss_of(DiceCE(batch=True)).by_sample
    assert not loss_of(SoftDice(batch=True)).by_sample
    assert loss_of(Parameters()).by_sample, "of a package, whose losses are all held to it"


@pytest.mark.parametrize("name", ["dice", "dice_ce"])
def test_dice_over_the_batch_is_that_of_its_samples_put_side_by_side(name: str) -> None:
    part = builtin_and_plugins().find(Kind.LOSS, name)
    each, whole = (part.make(part.parameters(batch=batch)) for batch in (False, True))
    outputs, truth = random(SAMPLES, CLASSES, *GRID).float(), truths()["mask"]["mask"]
    side_by_side = torch.cat(list(outputs), dim=2).unsqueeze(0), torch.cat(list(truth), dim=1).unsqueeze(0)
    expected = each(side_by_side[0], Batch((), side_by_side[0], {"mask": side_by_side[1]}))
    found = whole(outputs, Batch((), outputs, {"mask": truth}))
    torch.testing.assert_close(found.mean(), expected[0])
    assert not torch.allclose(each(outputs, Batch((), outputs, {"mask": truth})).mean(), expected[0])


def test_truths_of_another_shape_are_refused() -> None:
    outputs = random(SAMPLES, CLASSES, *GRID)
    for truth in truths().values():
        batch = batch_of(outputs, truth)
        with pytest.raises(ValueError, match="has the shape"):
            read(outputs[:, :, :-1], batch)
        with pytest.raises(ValueError, match="has the shape"):
            read(outputs[:1], replace(batch, surroundings=()))
    with pytest.raises(ValueError, match="need a batch with a category or labels"):
        read(outputs.mean((2, 3)), batch_of(outputs, truths()["mask"]))


@pytest.mark.parametrize(("name", "key"), list(product(["focal", "cross_entropy"], ["class_weights"])))
def test_weights_count_by_class(name: str, key: str) -> None:
    part = builtin_and_plugins().find(Kind.LOSS, name)
    plain, zero = (part.make(part.parameters(**given)) for given in ({}, {key: (1.0, 0.0, 1.0)}))
    outputs = random(SAMPLES, CLASSES)
    category = torch.tensor([0, 1, 2])
    one, other = (loss(outputs, batch_of(outputs, {"category": category})) for loss in (plain, zero))
    assert other[1] == 0
    assert torch.equal(one[[0, 2]], other[[0, 2]])


@pytest.mark.parametrize(("name", "key"), [("cross_entropy", "class_weights"), ("bce", "positive_weights")])
def test_weights_are_learned_with_after_a_validation_has_used_them_first(name: str, key: str) -> None:
    on_device.cache_clear()
    part = builtin_and_plugins().find(Kind.LOSS, name)
    loss, outputs = part.make(part.parameters(**{key: (1.0, 2.0, 3.0)})), torch.zeros(1, 3, 2, 2, requires_grad=True)
    batch = Batch((), outputs.detach(), {"regions": torch.ones(1, 3, 2, 2)})
    with torch.inference_mode():
        loss(outputs, batch)
    loss(outputs, batch).sum().backward()
    assert outputs.grad is not None
    assert outputs.grad.all()


def test_a_correlation_stays_finite_with_the_least_that_may_be_added() -> None:
    part = builtin_and_plugins().find(Kind.LOSS, "mcc")
    with pytest.raises(ValueError, match="smooth"):
        part.parameters(smooth=1e-20)  # its square would be 0 in float32
    outputs = torch.zeros(1, 2, 32, 32)
    outputs[:, 0] = 500
    outputs.requires_grad_()
    mask = torch.zeros(1, 32, 32, dtype=torch.long)
    mask[0, 3, 3] = 1
    loss = part.make(part.parameters(smooth=1e-12))(outputs, Batch((), outputs.detach(), {"mask": mask}))
    (gradient,) = torch.autograd.grad(loss.sum(), outputs)
    assert loss.isfinite().all()
    assert gradient.isfinite().all()
