"""What every network has. Channels in and out come from the study, not from its parameters."""

from __future__ import annotations

from typing import Literal

from wardround.engine.parts.part import Parameters

Dimensions = Literal[2, 3]
Norm = Literal["instance", "batch", "group"]


class NetworkParameters(Parameters):
    """What every network has."""

    dimensions: Dimensions = 3
    norm: Norm = "instance"

    @property
    def reduction(self) -> int:
        """How many voxels along each axis become one on the network's coarsest grid; 1 where no grid is reduced."""
        return 1
