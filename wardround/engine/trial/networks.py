"""The network on a batch: forwards and backwards as in training, then as in a prediction."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from wardround.engine.networks import Outputs, build_network, logits_of, outputs_of
from wardround.engine.parts import BreachError, Kind
from wardround.engine.parts.networks import network_of
from wardround.engine.study import Study
from wardround.engine.tasks.task import frozen
from wardround.engine.trial.attempt import Attempts, require_finite, require_unchanged
from wardround.engine.trial.material import Sizes, batch_of, features_of


def try_network(study: Study, sizes: Sizes, attempts: Attempts) -> nn.Module | None:
    """Build the network and try it on a small batch; where it fails on that, what it does with a whole patch counts.

    Returns the network if it could be built.
    """
    study, network = slim(study), None
    with attempts.of(study.model.part(Kind.NETWORK)):
        network = build_network(study)
        try:
            _learn(study, network, sizes.small)
        except Exception:
            if sizes.small == sizes.patch:
                raise
            _try_whole_patch(study, sizes)
        else:
            _predict(study, network, sizes.small)
            if sizes.small != sizes.patch and study.model.part(Kind.NETWORK).package:
                _try_whole_patch(study, sizes)
    return network


def slim(study: Study) -> Study:
    """The study with few filters in a network of Wardround's own: their number changes nothing there but the time."""
    model, network = study.model, network_of(study.model.parameters)
    if network is None or model.part(Kind.NETWORK).package:
        return study
    return study.model_copy(update={"model": model.model_copy(update={"parameters": network.slimmed()})})


def as_tuple(outputs: Outputs) -> tuple[Tensor, ...]:
    """Outputs on one grid or on several, in the same form."""
    return (outputs,) if isinstance(outputs, Tensor) else outputs


def _learn(study: Study, network: nn.Module, shape: tuple[int, ...]) -> None:
    batch = batch_of(study, shape, min(2, study.training.batch_size))
    image = batch.image.clone()
    network.train()
    outputs = as_tuple(outputs_of(study, network, image, features_of(study, len(image))))
    require_unchanged(batch.image, image, "its argument")
    for each in outputs:
        require_finite(each.detach(), "outputs")
        if not each.requires_grad:
            raise BreachError(
                "outputs without a gradient", "outputs that can be differentiated by the network's weights"
            )
    torch.autograd.backward([each.square().mean() for each in outputs])
    for name, weight in network.named_parameters():
        if weight.grad is not None:
            require_finite(weight.grad, f"the gradient of {name}")
    network.zero_grad(set_to_none=True)


def _predict(study: Study, network: nn.Module, shape: tuple[int, ...]) -> None:
    batch = batch_of(study, shape, 1)
    with frozen(network):
        once, again = (logits_of(study, network, batch.image, features_of(study, 1)) for _ in range(2))
    require_finite(once, "outputs of a prediction")
    if not torch.equal(once, again):
        raise BreachError("other outputs for the same image", "the same: nothing is random or kept in a prediction")


def _try_whole_patch(study: Study, sizes: Sizes) -> None:
    """A network may work on a smaller patch than the study's and not on that, or the other way round. So it is followed
    there without values, which takes no memory; where that fails and the patch is not too large, with them."""
    try:
        _forwards(study, sizes.patch, torch.device("meta"))
    except Exception as error:
        if sizes.is_affordable:
            _forwards(study, sizes.patch, torch.device("cpu"))
        elif not _cannot_be_followed(error):
            raise


def _forwards(study: Study, shape: tuple[int, ...], device: torch.device) -> None:
    network = build_network(study).to(device)
    with torch.no_grad():
        batch = batch_of(study, shape, min(2, study.training.batch_size))
        table = features_of(study, len(batch.image))
        outputs_of(study, network, batch.image.to(device), None if table is None else table.to(device))


def _cannot_be_followed(error: BaseException) -> bool:
    """Whether a network asked for values where there are only shapes; torch names the device then."""
    causes = (error, error.__cause__)
    return any("meta" in str(each).lower() for each in causes)
