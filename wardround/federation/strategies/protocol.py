"""What a strategy is: what it shares, its half at a site, and its half at the aggregator.

Neither half holds what changes from round to round: that is passed in and handed back, and kept durably by whoever
plays the round.

Arrays are named `group/tensor`, whether they cross or are kept: a group of at most 32 lower-case letters, digits and
underscores that begins with a letter, and after the stroke up to 255 letters, digits and `_.-/`. Their type is float32,
float16, int64 or uint8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np

from wardround.engine.basics.problems import Problem
from wardround.engine.study import Study
from wardround.federation.strategies.sharing import Sharing

if TYPE_CHECKING:
    from torch import Tensor, nn

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Incoming:
    """What a site's half begins a round with, beside the network, which has the incoming weights.

    Attributes:
        shared: the arrays that came in other groups than the model's, as `group/tensor`.
        carried: what the half kept after this site's last accepted round; empty at first, and where that was lost.
        rates: the learning rate of each step of the round.
    """

    shared: Arrays
    carried: Arrays
    rates: tuple[float, ...]


@dataclass(frozen=True)
class Sent:
    """What a site's half hands over after a round, beside the trained weights.

    Attributes:
        shared: the arrays of every other group that comes up, as `group/tensor`; and of the model's own, where it is
            not the trained weights as they are that go up.
        numbers: the declared numbers.
        carried: what it keeps for the site's next round, as `group/tensor`, such as `kept/momentum`. It is committed
            once the aggregator has accepted the reply.
    """

    shared: Arrays = field(default_factory=dict)
    numbers: Mapping[str, float] = field(default_factory=dict)
    carried: Arrays = field(default_factory=dict)


class SiteHalf(Protocol):
    """A strategy's half at a site for one round; the first three methods are those of the engine's `StepHook`.

    A round that was interrupted goes on at a checkpoint of the weights with a new half, made from the same `Incoming`.
    """

    def loss_term(self, network: nn.Module) -> Tensor | None:
        """A scalar that is added to the loss, or None."""

    def before_update(self, network: nn.Module) -> None:
        """Change the gradients in place before the optimiser uses them."""

    def after_step(self, network: nn.Module) -> None:
        """Change the weights in place after the optimiser."""

    def finish(self, network: nn.Module) -> Sent:
        """What goes up and what stays, when the network has been trained."""


@dataclass(frozen=True)
class Sites:
    """Who takes part in a round, and what the plan makes of them.

    Attributes:
        names: those on the roster whose keys hold, whether their replies come or not.
        weigh: what sites with so many training cases weigh beside each other by the plan, in their order: whole numbers
            of at least 1. By cases where nothing is said.
    """

    names: tuple[str, ...]
    weigh: Callable[[Sequence[int]], tuple[int, ...]] = tuple


@dataclass(frozen=True)
class Contribution:
    """One site's part of a round, checked.

    Attributes:
        site: its name.
        cases: its training cases.
        weight: what the plan gives it in a mean, at least 1.
        steps: optimiser steps that it made.
        loss: its mean training loss, if that may leave it.
        arrays: the groups that came up, as `group/tensor`.
        numbers: the declared numbers.
    """

    site: str
    cases: int
    weight: int
    steps: int
    loss: float | None
    arrays: Arrays
    numbers: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Folded:
    """What a round leaves behind.

    Attributes:
        model: the new global arrays, all groups that go down, named and typed as the base's.
        state: what the aggregator's half itself carries to the next round, as `group/tensor`, such as `kept/momentum`;
            empty for one that carries nothing.
    """

    model: Arrays
    state: Arrays


class Fold(Protocol):
    """One round's aggregation under way. Replies come one by one, so that memory does not grow with their number."""

    def add(self, contribution: Contribution) -> None:
        """Take in one site's part."""

    def finish(self) -> Folded:
        """The result. Raises ValueError when nothing was added."""


class Strategy(Protocol):
    """Both halves of how sites and aggregator learn together. Holds its parameters only."""

    @property
    def sharing(self) -> Sharing:
        """What crosses between them."""

    def flaws(self, study: Study) -> Sequence[Problem]:
        """What of a study does not go with it; loads no torch."""

    def at_site(self, incoming: Incoming, network: nn.Module) -> SiteHalf:
        """The half at a site for one round."""

    def begin(self, base: Arrays, state: Arrays, sites: Sites) -> Fold:
        """Start to fold a round whose sites were sent `base`.

        Args:
            state: what the last round's fold handed back.
            sites: who is on the roster now, whether their replies come or not.
        """
