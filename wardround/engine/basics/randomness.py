"""Counter-based random streams: a stream is a pure function of a seed and labels, never of what ran before.

Streams derive from the study's seed, case digests and draw numbers (Salmon et al. 2011, Philox), so that the order of
files, the number of workers and an interruption change nothing.
"""

from __future__ import annotations

import hashlib

import numpy as np

Label = str | int


def stream_key(seed: int, *labels: Label) -> int:
    """A 128-bit key for a seed and labels; every pair of different argument lists gets its own key."""
    text = "\x1f".join(f"{type(label).__name__}:{label}" for label in (seed, *labels))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")


def stream(seed: int, *labels: Label) -> np.random.Generator:
    """A numpy generator for a seed and labels, such as `stream(42, "patch", case_digest, draw)`."""
    return np.random.Generator(np.random.Philox(key=stream_key(seed, *labels)))


def torch_seed(seed: int, *labels: Label) -> int:
    """A 63-bit seed for `torch.manual_seed`, from the same labels."""
    return stream_key(seed, *labels) & (2**63 - 1)
