"""Counter-based random streams: a stream is a pure function of a seed and labels, never of what ran before.

Streams derive from the study's seed, case digests and draw numbers (Salmon et al. 2011, Philox), so that the order of
files, the number of workers and an interruption change nothing.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.random.bit_generator import ISeedSequence

from wardround.engine.basics.canonical import canonical_json

Label = str | int


class _Key(ISeedSequence):
    """Gives a generator its key. Without it numpy asks the system for entropy first, which takes most of the time."""

    def __init__(self, key: int) -> None:
        self._words = np.array([key & (2**64 - 1), key >> 64], dtype=np.uint64)

    def generate_state(self, n_words: int, dtype: object = np.uint32) -> np.ndarray:
        """The two 64-bit words that Philox asks for."""
        return self._words[:n_words]


def stream_key(seed: int, *labels: Label) -> int:
    """A 128-bit key for a seed and labels; every pair of different argument lists gets its own key."""
    return int.from_bytes(hashlib.sha256(canonical_json([seed, *labels])).digest()[:16], "big")


def stream(seed: int, *labels: Label) -> np.random.Generator:
    """A numpy generator for a seed and labels, such as `stream(42, "patch", case_digest, draw)`."""
    return np.random.Generator(np.random.Philox(_Key(stream_key(seed, *labels))))  # type: ignore[arg-type]


def torch_seed(seed: int, *labels: Label) -> int:
    """A 63-bit seed for `torch.manual_seed`, from the same labels."""
    return stream_key(seed, *labels) & (2**63 - 1)
