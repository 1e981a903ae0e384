"""The loss on outputs that are made up, so that a network which fails hides nothing of it."""

from __future__ import annotations

import torch
from torch import Tensor

from wardround.engine.inference.activation import ACTIVATIONS
from wardround.engine.losses import ByCase, Loss, build_loss, losses_of
from wardround.engine.losses.derived import counted_voxels
from wardround.engine.parts import BreachError, Kind
from wardround.engine.parts.losses import loss_of
from wardround.engine.sampling import Batch
from wardround.engine.study import Study
from wardround.engine.targets import target_of
from wardround.engine.trial.attempt import Attempts, require_finite, require_unchanged
from wardround.engine.trial.material import Sizes, batch_of, learnt

_SIDE = 16


def try_loss(study: Study, sizes: Sizes, attempts: Attempts) -> None:
    """Forwards and backwards on two samples; and on a whole case, as a validation takes it."""
    shape = tuple(min(side, _SIDE) for side in sizes.patch)
    with attempts.of(study.training.loss.part(Kind.LOSS)):
        loss, batch = build_loss(study), learnt(batch_of(study, shape, 2))
        _differentiate(study, loss, batch)
        _score_a_case(study, loss, learnt(batch_of(study, shape, 1)))


def _outputs(study: Study, batch: Batch) -> Tensor:
    grid = target_of(study).grid(batch.image.shape[2:])
    generator, samples = torch.Generator().manual_seed(1), len(batch.image)
    apart = torch.arange(1, samples + 1).reshape(-1, *[1] * (len(grid) + 1))  # no sample is like another
    return apart * torch.randn((samples, len(study.outputs), *grid), generator=generator)


def _differentiate(study: Study, loss: Loss, batch: Batch) -> None:
    given = _outputs(study, batch)
    outputs = given.clone().requires_grad_()
    found = losses_of(study, loss, outputs, batch)
    require_unchanged(given, outputs.detach(), "the network's outputs")
    require_finite(found.detach(), "losses")
    torch.autograd.backward(found.mean())
    if outputs.grad is None:
        raise BreachError("no gradient", "a gradient by the network's outputs")
    require_finite(outputs.grad, "the gradient")
    if len(batch.image) > 1 and loss_of(study.training.loss.parameters).by_sample:
        _require_independence(study, loss, given, batch, found.detach())


def _require_independence(study: Study, loss: Loss, outputs: Tensor, batch: Batch, found: Tensor) -> None:
    """A sample's loss may not depend on the others: a mean over them could not be taken apart by patient."""
    own = float(losses_of(study, loss, outputs[:1], batch.one(0)))
    if abs(own - float(found[0])) > 1e-3 * max(1.0, abs(own)):
        got = f"{float(found[0]):.4g} for a sample beside another one and {own:.4g} for it alone"
        raise BreachError(got, "a loss of each sample that does not depend on the others")


def _score_a_case(study: Study, loss: Loss, batch: Batch) -> None:
    """On the logarithms of probabilities, or on what else a validation has."""
    pair = ACTIVATIONS[target_of(study).activation_of(study)]
    logits = pair.outputs_of(pair.activate(_outputs(study, batch)))
    with torch.no_grad():
        whole = losses_of(study, loss, logits, Batch((), logits, batch.truth))
    require_finite(whole, "losses of a case")
    if batch.label is None or not isinstance(loss, ByCase):
        return
    by_case, voxels = loss.of_case(), pair.activate(logits).movedim(1, -1).reshape(-1, logits.shape[1])
    by_case.add(*counted_voxels(study, voxels, batch.label.reshape(-1)))
    value = float(by_case.value())
    if not abs(value - float(whole)) <= 1e-3 * max(1.0, abs(value)):
        raise BreachError(f"{value:.4g} by piece and {float(whole):.4g} of the whole case", "the same loss both ways")
