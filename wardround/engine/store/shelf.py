"""Which stored arrays this process has mapped: the most recent ones, and each checked when it is mapped first.

The system lets a process have about 65,000 maps. A cohort of X-rays may have more arrays, so maps that were not used
for long are given up; whoever still holds such an array keeps it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MAPPED_CASES = 8_192
"""Four maps each, at most."""


@dataclass(frozen=True)
class Arrays:
    """The mapped arrays of one case."""

    image: np.ndarray
    label: np.ndarray | None
    foreground: dict[int, np.ndarray]
    wanted: np.ndarray | None = None


class Shelf:
    """The arrays of recent cases by folder. Safe to use from several threads."""

    def __init__(self, capacity: int = MAPPED_CASES) -> None:
        self.capacity = capacity
        self._recent: OrderedDict[Path, Arrays] = OrderedDict()
        self._checked: dict[Path, str] = {}
        self._lock = threading.Lock()

    def arrays(self, folder: Path, load: Callable[[], Arrays]) -> Arrays:
        """The arrays of a folder, loaded where they are not mapped."""
        with self._lock:
            found = self._recent.get(folder)
            if found is not None:
                self._recent.move_to_end(folder)
                return found
        loaded = load()  # outside the lock: a big case takes a while to check
        with self._lock:
            self._recent[folder] = loaded
            while len(self._recent) > self.capacity:
                self._recent.popitem(last=False)
        return loaded

    def forget(self, folder: Path) -> None:
        """Map a folder anew when it is asked for next."""
        with self._lock:
            self._recent.pop(folder, None)

    def is_checked(self, folder: Path, state: str) -> bool:
        """Whether this process has read every byte of the arrays there while their files were in this state."""
        return self._checked.get(folder) == state

    def note_checked(self, folder: Path, state: str) -> None:
        """The arrays of a folder are whole."""
        self._checked[folder] = state


SHELF = Shelf()
"""The process's own."""
