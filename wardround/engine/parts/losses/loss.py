"""What a loss answers for."""

from __future__ import annotations

from wardround.engine.parts.part import Parameters


class LossParameters(Parameters):
    """Base of the parameters of a loss, with what is asked of it. Those of no `LossParameters` answer as this does."""

    @property
    def by_sample(self) -> bool:
        """Whether a sample's loss is the same beside any others. Where it is not, a loss belongs to a batch: it cannot
        be taken apart by sample or by patient, and that of a validation is one over all of its cases."""
        return True


def loss_of(parameters: Parameters) -> LossParameters:
    """The answers of a loss."""
    return parameters if isinstance(parameters, LossParameters) else LossParameters()
