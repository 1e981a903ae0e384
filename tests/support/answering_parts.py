"""An installed package whose parts answer for themselves, as Wardround's own do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor, nn

from tests.support.installing import install_package
from wardround.engine.basics.flaws import Flaw
from wardround.engine.imaging.image import Image
from wardround.engine.parts import Kind, Part
from wardround.engine.parts.augmentation import TransformParameters
from wardround.engine.parts.losses import CrossEntropy
from wardround.engine.parts.networks import NetworkParameters
from wardround.engine.parts.preprocessing import Grid, StepParameters
from wardround.engine.parts.preprocessing.step import Contrast
from wardround.engine.parts.setting import Setting
from wardround.engine.preprocessing import Sample

PACKAGE = "answering-parts 1.0"


class Halve(StepParameters):
    """Keep every second voxel along each axis, within an intensity window; `lies` foretells another grid."""

    low: float = 0.0
    high: float = 1.0
    lies: bool = False

    @property
    def window(self) -> tuple[float, float]:
        """From low to high."""
        return self.low, self.high

    @property
    def needs_contrast(self) -> Contrast:
        """Everywhere."""
        return "all"

    def grid_after(self, grid: Grid) -> Grid:
        """Half as many voxels, rounded up, twice as long."""
        shape = tuple((side + (0 if self.lies else 1)) // 2 for side in grid.shape)
        return Grid(shape, tuple(2 * step for step in grid.spacing))

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """In flat images."""
        if setting.dimensions == 2:
            yield Flaw(setting.place, "only volumes can be halved", "2 axes", "3", remedy="Take it out")


class HalveStep:
    """Every second voxel."""

    version = 1

    def __init__(self, parameters: Halve) -> None:
        self._low, self._high = parameters.low, parameters.high

    def apply(self, sample: Sample) -> Sample:
        """The sample on the coarser grid."""
        every = (slice(None, None, 2),) * sample.image.geometry.dimensions
        data = np.clip(sample.image.data[(slice(None), *every)], self._low, self._high)
        old = sample.image.geometry
        grid = replace(old, shape=data.shape[1:], spacing=tuple(2 * step for step in old.spacing))
        return Sample(Image(data, grid), None if sample.label is None else sample.label[every].copy())


class Mirror(TransformParameters):
    """Mirrors the first axis."""

    def mirrored_axes(self, dimensions: int) -> tuple[int, ...]:
        """The first."""
        return (0,)


class MirrorTransform:
    """Draws nothing."""

    def __init__(self, parameters: Mirror) -> None:
        pass

    def draw(self, random: np.random.Generator, dimensions: int) -> None:
        """Never."""

    def apply(self, image: Tensor, label: Tensor | None, drawn: object) -> tuple[Tensor, Tensor | None]:
        """As it is."""
        return image, label


class Fifths(NetworkParameters):
    """A network whose patches must be multiples of five."""

    width: int = 4

    @property
    def divisor(self) -> int:
        """Five, or an error of the package where it is told to have one."""
        if self.width == 13:
            raise RuntimeError("thirteen")
        return 5

    @property
    def smaller_divisor(self) -> str:
        """None really."""
        return "another network"


def build_fifths(parameters: Fifths, inputs: int, classes: int) -> nn.Module:
    """A single layer."""
    return {2: nn.Conv2d, 3: nn.Conv3d}[parameters.dimensions](inputs, classes, 1)


class Balanced(CrossEntropy):
    """A loss that knows how many classes it was written for; `junk` answers with what is no flaw."""

    classes: int = 3
    junk: bool = False

    def flaws(self, setting: Setting) -> Iterator[Flaw]:
        """Another number."""
        if self.junk:
            yield "nonsense"  # type: ignore[misc]
        if len(setting.classes) != self.classes:
            where = (*setting.place, "classes")
            yield Flaw(where, "another number of classes", str(self.classes), str(len(setting.classes)), remedy="Count")


_HOME = "tests.support.answering_parts"
PARTS = (
    Part(Kind.PREPROCESSING, "halve", Halve, f"{_HOME}:HalveStep"),
    Part(Kind.AUGMENTATION, "mirror", Mirror, f"{_HOME}:MirrorTransform"),
    Part(Kind.NETWORK, "fifths", Fifths, f"{_HOME}:build_fifths"),
    Part(Kind.LOSS, "balanced", Balanced, "wardround.engine.losses.classic:CrossEntropyLoss"),
)
_ENTRIES = f"""\
[wardround.parts]
answering = {_HOME}:PARTS
"""


def install(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the package into this process, as pip would leave it in the folder `site`."""
    install_package(site, monkeypatch, PACKAGE, _ENTRIES)
