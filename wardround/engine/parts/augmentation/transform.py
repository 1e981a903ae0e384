"""What a random transform answers for."""

from __future__ import annotations

from wardround.engine.parts.part import Parameters


class TransformParameters(Parameters):
    """Base of the parameters of a random transform, with what is asked of it."""

    def mirrored_axes(self, dimensions: int) -> tuple[int, ...]:
        """The axes of a patch, counted from 0, along which it shows the network mirror images."""
        return ()


def transform_of(parameters: Parameters) -> TransformParameters:
    """The answers of a transform. One whose parameters are of no `TransformParameters` says nothing of itself."""
    return parameters if isinstance(parameters, TransformParameters) else TransformParameters()
