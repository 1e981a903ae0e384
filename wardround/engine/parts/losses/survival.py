"""Parameters of the losses of times until an event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from wardround.engine.basics.flaws import Flaw
from wardround.engine.parts.losses.loss import LossParameters
from wardround.engine.parts.part import Kind, Part
from wardround.engine.parts.setting import Setting


class Cox(LossParameters):
    """Negative logarithm of the partial likelihood (Cox 1972) over a batch, divided by its events; not per sample.

    ties: how events at the same time share the risk of those still followed, after Breslow (1974) or Efron (1977).
    A case is compared with those of its batch that were followed as long, so that large batches teach more. Batches
    have the like of events: `batch_size` should be so large that each has some.
    """

    shorthand: ClassVar[str | None] = "ties"
    ties: Literal["efron", "breslow"] = "efron"

    @property
    def by_sample(self) -> bool:
        """It compares the samples of a batch."""
        return False

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """A batch of one, in which nobody can be compared."""
        if setting.batch_size == 1:
            what, remedy = "a partial likelihood compares the cases of a batch", "Write for example `batch_size: 32`"
            yield Flaw(("training", "batch_size"), what, "1", "2 or more, better 32", remedy=remedy)


PARTS = (Part(Kind.LOSS, "cox", Cox, "wardround.engine.losses.survival:CoxLoss", frozenset({"survival"})),)
