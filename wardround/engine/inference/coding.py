"""What a network that has a code makes of an image of any size: one vector for the whole of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from wardround.engine.imaging.readable import Readable, copy_region
from wardround.engine.inference.windows import WindowGrid
from wardround.engine.study.sections import Inference

Encoder = Callable[[Tensor], Tensor]


def mean_code(
    encode: Encoder, image: Readable, window: Sequence[int], inference: Inference, outside: Sequence[float] = ()
) -> np.ndarray:
    """(features,) float32: the mean over windows, and over the places of each, of what `encode` says of them.

    `encode` maps (samples, channels, *window) on the CPU to (samples, features, ...). Windows lie as those of a
    prediction, and `outside` is as there (`predict_windows`).
    """
    spatial = image.shape[1:]
    shape = tuple(max(size, side) for size, side in zip(spatial, window, strict=True))
    before = tuple((large - size) // 2 for large, size in zip(shape, spatial, strict=True))
    starts = WindowGrid.over(shape, window, inference).positions()
    total: np.ndarray | None = None
    for first in range(0, len(starts), inference.batch_size):
        some = starts[first : first + inference.batch_size]
        windows = np.empty((len(some), image.shape[0], *window), dtype=np.float32)
        for start, out in zip(some, windows, strict=True):
            copy_region(image, [at - shift for at, shift in zip(start, before, strict=True)], out, outside)
        codes = encode(torch.from_numpy(windows)).flatten(2).mean(dim=2).double().sum(dim=0).numpy()
        total = codes if total is None else total + codes
    assert total is not None
    return (total / len(starts)).astype(np.float32)
