"""Memory that is kept while a training runs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from wardround.engine.training.allocation import memory_kept

NUMBERS = 2**24


PROGRAM = f"""
import resource, torch
from wardround.engine.training.allocation import memory_kept

def faults():
    for _ in range(2):
        torch.empty({NUMBERS}).fill_(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.empty({NUMBERS}).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

with memory_kept():
    kept = faults()
print(kept, faults())
"""
"""Prints how many pages the system had to provide for a tensor of 64 MB, asked for a third time: within, and after."""


@pytest.mark.skipif(sys.platform != "linux", reason="the allocator is glibc's")
def test_memory_is_kept_within_and_given_back_after() -> None:
    # In a process of its own: where free pieces lie in this one's heap is a matter of all tests before.
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120)
    kept, after = map(int, done.stdout.split())
    assert kept < 20
    assert after > kept


def test_it_may_end_in_an_error_and_begin_again() -> None:
    with pytest.raises(KeyError), memory_kept():
        raise KeyError
    with memory_kept():
        pass
