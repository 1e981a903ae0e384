"""Memory for batches that is used again once nobody holds it.

Fresh memory costs more than the copy of a patch into it, because the system has to map and clear its pages. But a
batch belongs to whoever got it for as long as they like. So each piece is lent out behind an array of its own, which
lives exactly as long as any tensor, view or saved gradient that uses it, and comes back when that array dies.
"""

from __future__ import annotations

import weakref
from collections import deque

import torch

_KEPT = 8
"""Free pieces that are kept for later; more than a reading-ahead thread ever has in use."""


class BatchMemory:
    """Lends tensors of one shape and type. Safe to use from several threads."""

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype) -> None:
        self._shape, self._dtype = shape, dtype
        self._free: deque[torch.Tensor] = deque(maxlen=_KEPT)

    def tensor(self) -> torch.Tensor:
        """A tensor with arbitrary content that shares memory with no other one in use."""
        try:
            piece = self._free.pop()
        except IndexError:
            piece = torch.empty(self._shape, dtype=self._dtype)
        lent = piece.numpy()
        weakref.finalize(lent, self._free.append, piece).atexit = False
        return torch.from_numpy(lent)
