"""The partial likelihood of times until an event. It compares the samples of a batch, in float32 also under
autocast."""

from __future__ import annotations

import torch
from torch import Tensor

from wardround.engine.parts.losses.survival import Cox
from wardround.engine.sampling.batch import Batch

_ROWS = 1024
"""Events that are compared with everybody at once: memory grows with the product."""


class CoxLoss:
    """-sum over events of (f_i - log sum over those at risk of exp f_j), by the number of events (Cox 1972).

    At risk at a time are all who were followed as long or longer. Of d events at one time, whose sum of exp f is D
    within the R of all at risk, each has the loss log R - f_i after Breslow (1974), and mean over l = 0 .. d - 1 of
    log (R - l D / d) - f_i after Efron (1977).
    """

    def __init__(self, parameters: Cox) -> None:
        self._is_efron = parameters.ties == "efron"

    def __call__(self, outputs: Tensor, batch: Batch) -> Tensor:
        """(samples,) float32: 0 for those without an event, and such that their mean is the loss of the batch. All 0
        where there is no event."""
        if "survival" not in batch.truth:
            raise ValueError(f"outputs of shape {tuple(outputs.shape)} need a batch with times and events")
        risks = outputs.float().reshape(len(outputs))
        times, events = batch.truth["survival"][:, 0], batch.truth["survival"][:, 1] > 0
        places = events.nonzero().reshape(-1)
        if not len(places):
            return risks * 0
        pieces = [self._of(some, risks, times, events) for some in torch.split(places, _ROWS)]
        losses = torch.cat(pieces) * (len(risks) / len(places))
        return torch.zeros_like(risks).index_put((places,), losses)

    def _of(self, places: Tensor, risks: Tensor, times: Tensor, events: Tensor) -> Tensor:
        """(places,) of the events at these places."""
        own = times[places].unsqueeze(1)
        at_risk = _log_sum(risks, times.unsqueeze(0) >= own)
        if self._is_efron:
            tied = (times.unsqueeze(0) == own) & events.unsqueeze(0)
            at_risk = at_risk + _efron(_log_sum(risks, tied) - at_risk, tied.sum(dim=1))
        return at_risk - risks[places]


def _log_sum(risks: Tensor, of: Tensor) -> Tensor:
    """(rows,) log sum exp of the risks that each row of (rows, samples) names; it names one at least."""
    return torch.where(of, risks.unsqueeze(0), -torch.inf).logsumexp(dim=1)


def _efron(log_share: Tensor, tied: Tensor) -> Tensor:
    """Mean over l = 0 .. d - 1 of log (1 - l / d D / R), from log D / R and d."""
    steps = torch.arange(int(tied.max()), device=tied.device).unsqueeze(0)
    count = tied.unsqueeze(1)
    shares = (steps / count) * log_share.clamp_max(0).exp().unsqueeze(1)
    counted = steps < count
    return torch.where(counted, torch.log1p(-torch.where(counted, shares, 0.0)), 0.0).sum(dim=1) / tied
