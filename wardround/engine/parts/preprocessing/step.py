"""What a preprocessing step answers for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from wardround.engine.parts.numbers import Millimetres
from wardround.engine.parts.part import Parameters
from wardround.engine.parts.preprocessing.grid import Grid

Directions = Annotated[str, Field(pattern=r"^([RLAPSI]{3})?$")]
"""Three letters such as RAS, or none."""
Contrast = Literal["all", "nonzero"]


class StepParameters(Parameters):
    """Base of the parameters of a preprocessing step, with what is asked of it before an image is opened."""

    @property
    def orientation(self) -> Directions:
        """The anatomical directions to which it turns the axes, such as RAS; empty where it turns none."""
        return ""

    @property
    def target_spacing(self) -> tuple[Millimetres, ...] | None:
        """The mm per axis that its parameter `spacing` asks for; None where it asks for none."""
        return None

    @property
    def needs_contrast(self) -> Contrast | None:
        """Among which voxels of a channel values must differ: `all`, those that are not zero, or nowhere."""
        return None

    @property
    def window(self) -> tuple[float, float] | None:
        """The range to which it limits the intensities that it is given; None where it limits none."""
        return None

    @property
    def rescales(self) -> bool:
        """Whether intensities after it no longer mean what they mean in the file."""
        return False

    @property
    def pixels(self) -> tuple[float, float] | None:
        """The least and the greatest value that it can be given; None where any will do."""
        return None

    @property
    def cuts(self) -> bool:
        """Whether it cuts voxels off, so that nothing after it knows what lies there."""
        return False

    def reaches(self, channel: str) -> bool:
        """Whether it changes the channel of a name."""
        return True

    def grid_after(self, grid: Grid) -> Grid | None:
        """The grid that it leaves, of one that has been turned to `orientation`; None where a header does not tell."""
        return None

    def largest_after(self, grid: Grid) -> Grid | None:
        """A grid that is at least as large as the one that it leaves; None where a header does not tell."""
        return self.grid_after(grid)


def step_of(parameters: Parameters) -> StepParameters:
    """The answers of a step. One whose parameters are of no `StepParameters` says nothing of itself."""
    return parameters if isinstance(parameters, StepParameters) else StepParameters()
