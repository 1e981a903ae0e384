"""Memory that is kept while a training runs."""

from __future__ import annotations

import resource
import sys

import pytest
import torch

from wardround.engine.training.allocation import memory_kept

NUMBERS = 2**24


def _faults() -> int:
    """Pages that the system had to provide for a tensor of 64 MB, asked for a third time."""
    for _ in range(2):
        torch.empty(NUMBERS).fill_(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.empty(NUMBERS).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(sys.platform != "linux", reason="the allocator is glibc's")
def test_memory_is_kept_within_and_given_back_after() -> None:
    with memory_kept():
        kept = _faults()
    assert kept < 20
    assert _faults() > kept


def test_it_may_end_in_an_error_and_begin_again() -> None:
    with pytest.raises(KeyError), memory_kept():
        raise KeyError
    with memory_kept():
        pass
