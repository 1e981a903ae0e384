"""Watches that one learner's network is gone before the next one is made."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from wardround.engine.training import Learner


@contextmanager
def networks_alive() -> Iterator[list[int]]:
    """For each learner that is made in the block, how many networks of earlier ones were still alive.

    Python collects no cyclic garbage by itself meanwhile: a network that only that would free holds its device's memory
    for as long as chance will have it.
    """
    networks: list[weakref.ref[Any]] = []
    counts: list[int] = []
    make = Learner.__init__

    def watched(self: Learner, *words: Any, **keys: Any) -> None:
        counts.append(sum(network() is not None for network in networks))
        make(self, *words, **keys)
        networks.append(weakref.ref(self.network))

    gc.collect()
    gc.disable()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Learner, "__init__", watched)
            yield counts
    finally:
        gc.enable()
