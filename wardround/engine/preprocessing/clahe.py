"""Adaptive equalization of histograms, limited in contrast, of images and volumes: plane by plane."""

from __future__ import annotations

from itertools import product

import numpy as np

from wardround.engine.parts.preprocessing.histograms import AdaptiveHistogramEqualization
from wardround.engine.preprocessing.channelwise import bin_of, histogram_of, per_channel, range_of, require_contrast
from wardround.engine.preprocessing.sample import Sample


class AdaptiveHistogramEqualizationStep:
    """Per channel: each intensity becomes its share among those near it."""

    version = 1

    def __init__(self, parameters: AdaptiveHistogramEqualization) -> None:
        self._tiles, self._clip, self._bins = parameters.tiles, parameters.clip, parameters.bins

    def apply(self, sample: Sample) -> Sample:
        """Raises `InputError` for a channel whose values are all equal."""
        return per_channel(sample, self._equalized)

    def _equalized(self, values: np.ndarray, out: np.ndarray) -> None:
        low, high = range_of(values)
        require_contrast(high - low, values, values.size)
        tiles = tuple(min(self._tiles, side) for side in values.shape)
        edges = [_edges(side, count) for side, count in zip(values.shape, tiles, strict=True)]
        maps = np.empty((*tiles, self._bins), dtype=np.float32)
        for tile in np.ndindex(*tiles):
            box = tuple(slice(edge[place], edge[place + 1]) for edge, place in zip(edges, tile, strict=True))
            maps[tile] = self._shares(histogram_of(values[box], low, high, self._bins))
        between = [_between(edge) for edge in edges]
        for index in range(len(values)):
            plane = bin_of(values[index], low, high, self._bins)
            out[index] = _interpolated(maps, plane, index, between)

    def _shares(self, counts: np.ndarray) -> np.ndarray:
        """The share of a tile's voxels that lie in each bin or below it, once high bins are limited."""
        most = max(self._clip * counts.sum(), 1.0)
        limited = np.minimum(counts, most)
        limited += (counts.sum() - limited.sum()) / len(counts)
        return np.asarray(np.cumsum(limited) / counts.sum())


def _edges(side: int, tiles: int) -> np.ndarray:
    """Where tiles that are as equal as they can be begin, and the last one ends."""
    return np.arange(tiles + 1) * side // tiles


Between = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Of each voxel along an axis: the tile whose middle lies before it, the one behind, and the share of the latter."""


def _between(edges: np.ndarray) -> Between:
    middles = (edges[:-1] + edges[1:] - 1) / 2
    places = np.interp(np.arange(edges[-1]), middles, np.arange(len(middles)))
    before = np.floor(places).astype(np.intp)
    return before, np.minimum(before + 1, len(middles) - 1), places - before


def _interpolated(maps: np.ndarray, plane: np.ndarray, index: int, between: list[Between]) -> np.ndarray:
    """A plane of bins, of the first axis, as the maps of the tiles about each voxel have it."""
    first, *others = between
    grids = [np.meshgrid(*rows, indexing="ij") for rows in zip(*others, strict=True)]
    out = np.zeros(plane.shape)
    for corner in product((0, 1), repeat=len(between)):
        share = first[2][index] if corner[0] else 1 - first[2][index]
        if not share:
            continue
        weight = np.full(plane.shape, share)
        for axis, side in enumerate(corner[1:]):
            weight *= grids[2][axis] if side else 1 - grids[2][axis]
        tiles = tuple(grids[side][axis] for axis, side in enumerate(corner[1:]))
        out += weight * maps[(first[corner[0]][index], *tiles, plane)]
    return out
