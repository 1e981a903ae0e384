"""What the headers of a data set's images tell of the study that fits it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.imaging.header import Header
from wardround.engine.imaging.image import Geometry, Space
from wardround.engine.imaging.reading import read_header
from wardround.engine.interop.description import Description
from wardround.engine.interop.listing import Listed
from wardround.engine.preprocessing.orientation import towards

_SHOWN = 3


@dataclass(frozen=True)
class Grids:
    """The usual grid of a data set.

    Attributes:
        spacing: the median along each axis, after orientation, in mm; empty where files tell none.
        shape: the median number of voxels along each axis at that spacing.
        is_body: whether files say how they lie in the body, so that they can be turned alike.
    """

    spacing: tuple[float, ...]
    shape: tuple[int, ...]
    is_body: bool

    @property
    def dimensions(self) -> int:
        """2 or 3."""
        return len(self.shape)


def read_grids(description: Description, cases: Sequence[Listed], findings: Findings) -> Grids | None:
    """Read the header of every case's first file; None where something is wrong, which becomes a finding."""
    headers: list[Header] = []
    lacking: list[str] = []
    for case in cases:
        header = _read(case.channels[0], findings) if case.channels else None
        if header is not None:
            headers.append(header)
            if len(case.channels) == 1 and header.channels != len(description.channels):
                lacking.append(f"{case.name} ({header.channels})")
    _tell_channels(description, lacking, findings)
    axes = {header.geometry.dimensions for header in headers}
    if len(axes) > 1:
        findings.add("some images are flat and others are volumes", got="2 and 3 axes", expected="one number of axes")
    return _usual(headers) if len(axes) == 1 and not lacking else None


def _read(path: Path, findings: Findings) -> Header | None:
    try:
        return read_header(path)
    except InputError as error:
        findings.extend(error.problems)
    return None


def _tell_channels(description: Description, lacking: Sequence[str], findings: Findings) -> None:
    if lacking:
        more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
        names = ", ".join(description.channels)
        findings.add(
            "an image does not hold the channels that the data set has",
            got=f"{', '.join(lacking[:_SHOWN])}{more}",
            expected=f"{len(description.channels)} ({names}) in each file, or a file for each",
            remedy="Copy the files of the other channels, or correct the names of the channels",
        )


def _usual(headers: Sequence[Header]) -> Grids:
    is_body = all(header.space is Space.BODY and header.geometry.dimensions == 3 for header in headers)
    grids = [_turned(header.geometry) if is_body else header.geometry for header in headers]
    spacing = np.median([grid.spacing for grid in grids], axis=0)
    sizes = np.array([grid.shape for grid in grids]) * np.array([grid.spacing for grid in grids]) / spacing
    shape = np.maximum(1, np.rint(np.median(sizes, axis=0))).astype(int)
    told = tuple(float(f"{step:.4g}") for step in spacing) if is_body else ()
    return Grids(told, tuple(shape.tolist()), is_body)


def _turned(grid: Geometry) -> Geometry:
    return towards(grid, "RAS").apply_to_grid(grid)
