"""Probabilities of a whole image that are wanted one class at a time, beside memory where they are big."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
from torch import Tensor

from wardround.engine.inference.sinks import ProbabilitySink, Sink

HELD = 1 << 28
"""Bytes of probabilities that are held in memory; more go to a file."""


class ClassVolumes(Sink, Protocol):
    """Takes the slabs of an image with all classes, and gives back a whole volume of one class."""

    classes: int

    def volume(self, index: int) -> np.ndarray:
        """float32 (*shape): one class, once all planes are in."""


class HeldVolumes(ProbabilitySink):
    """All classes in memory."""

    def __init__(self, classes: int, shape: Sequence[int]) -> None:
        super().__init__(classes, shape)
        self.classes = classes

    def volume(self, index: int) -> np.ndarray:
        """A view of one class."""
        return np.asarray(self.whole[index])


class FiledVolumes:
    """All classes in a file, one behind the other; what is asked for is read.

    Reads and writes go through the system's cache of files, which it takes back when others need memory; a map would
    count as this process's memory.
    """

    def __init__(self, classes: int, shape: Sequence[int], file: BinaryIO) -> None:
        self.classes = classes
        self._shape, self._file = tuple(shape), file
        self._plane = 4 * int(np.prod(self._shape[1:]))

    def put(self, first: int, planes: Tensor) -> None:
        """Write planes to their place, one class after the other."""
        for index in range(self.classes):
            self._file.seek(self._begin(index) + first * self._plane)
            self._file.write(np.ascontiguousarray(planes[..., index].numpy()).data)

    def volume(self, index: int) -> np.ndarray:
        """Read one class."""
        volume = np.empty(self._shape, dtype=np.float32)
        self._file.seek(self._begin(index))
        if self._file.readinto(volume.data) != volume.nbytes:  # type: ignore[attr-defined]
            raise OSError("a temporary file of probabilities ended early")
        return volume

    def _begin(self, index: int) -> int:
        return index * self._shape[0] * self._plane


@contextmanager
def class_volumes(classes: int, shape: Sequence[int], folder: Path | None = None) -> Iterator[ClassVolumes]:
    """Room for the probabilities of an image of this shape while the block runs.

    What is larger than `HELD` goes to a file of `folder` (default: the system's folder for temporary files) that has no
    name, is private to its user and is gone with the block. Its room is taken beforehand; where no file can be made,
    the disk has no room or the system cannot take it beforehand, the probabilities are held in memory.
    """
    size = 4 * classes * int(np.prod(shape))
    file = _file_with_room(size, folder) if size > HELD else None
    if file is None:
        yield HeldVolumes(classes, shape)
        return
    with file:
        yield FiledVolumes(classes, shape, file)


def _file_with_room(size: int, folder: Path | None) -> BinaryIO | None:
    """A nameless file that has so many bytes of the disk; None where there is none to be had."""
    try:
        file: BinaryIO = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  whoever asked closes it
    except OSError:
        return None
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except (OSError, AttributeError):  # macOS has no such call
        file.close()  # what a disk gave before it was full goes back
        return None
    return file
