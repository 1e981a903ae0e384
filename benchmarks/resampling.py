"""Making images smaller: with our filter, without it, and with a peer's; time, and what is left of stripes.

A volume is halved along each axis, and a picture of stripes of 8.25 pixels is made eight times smaller. Without a
filter the stripes come out as a pattern that the picture does not have; `left` is the largest value that they leave.

- wardround: the `resample` step, a Gaussian matched to the voxels (Cardoso et al. 2015) and linear interpolation.
- no filter: the same interpolation alone, as in release 0.1.0.
- scipy: a Gaussian of (factor - 1) / 2 voxels, as scikit-image's `resize` has it, and scipy's linear interpolation.

    python -m benchmarks.resampling
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from unittest.mock import patch

import numpy as np
from scipy import ndimage

from wardround.engine.imaging import Image
from wardround.engine.imaging.geometry import plain_geometry
from wardround.engine.parts.preprocessing import Resample
from wardround.engine.preprocessing import Sample, resampling
from wardround.engine.preprocessing.steps import ResampleStep

PERIOD, STRIPES, TIMES_SMALLER = 8.25, (1056, 1056), 8.0
Way = Callable[[np.ndarray, float], np.ndarray]


def ours(image: np.ndarray, factor: float) -> np.ndarray:
    """The step."""
    sample = Sample(Image(image[None], plain_geometry(image.shape)), None)
    return ResampleStep(Resample(spacing=(factor,) * image.ndim)).apply(sample).image.data[0]


def unfiltered(image: np.ndarray, factor: float) -> np.ndarray:
    """The step without its filter."""
    with patch.object(resampling, "low_pass_deviations", lambda source, target: (0.0,) * source.dimensions):
        return ours(image, factor)


def peer(image: np.ndarray, factor: float) -> np.ndarray:
    """What scikit-image's `resize` does."""
    smooth = ndimage.gaussian_filter(image, (factor - 1) / 2, mode="mirror")
    return np.asarray(ndimage.zoom(smooth, 1 / factor, order=1, mode="mirror", grid_mode=True))


WAYS: dict[str, Way] = {"wardround": ours, "no filter": unfiltered, "scipy": peer}


def main() -> None:
    """Print a row for each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=256, help="of the volume")
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    volume = np.random.default_rng(0).normal(size=(given.side,) * 3).astype(np.float32)
    wave = np.sin(np.arange(STRIPES[1], dtype=np.float32) * (2 * np.pi / PERIOD))
    stripes = np.ascontiguousarray(np.broadcast_to(wave, STRIPES))
    print(f"{'':<12}{'s, ' + str(given.side) + '^3':>12}{'left':>8}")
    for name, way in WAYS.items():
        seconds = []
        for _ in range(given.runs):
            began = time.perf_counter()
            way(volume, 2.0)
            seconds.append(time.perf_counter() - began)
        left = np.abs(way(stripes, TIMES_SMALLER)[:, 2:-2]).max()
        print(f"{name:<12}{statistics.median(seconds):>12.2f}{left:>8.3f}", flush=True)


if __name__ == "__main__":
    main()
