"""One stored case on disk: a folder of plain arrays and a description."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import ValidationError

from wardround.engine.basics.blocks import BLOCK, blocks
from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.closed import Closed
from wardround.engine.basics.files import fsync_file, fsync_folder
from wardround.engine.basics.randomness import stream
from wardround.engine.imaging.types import Geometry
from wardround.engine.preprocessing import Sample
from wardround.engine.store.mapping import BrokenArrayError, map_array, write_array
from wardround.engine.store.types import StoredCase

FORMAT: Literal[1] = 1
"""Grows whenever the layout of an entry changes; enters the key."""
COORDINATES_PER_CLASS = 10_000
DESCRIPTION = "case.json"


class Description(Closed):
    """What `case.json` says.

    `foreground` is the number of coordinates of each class index, in the order in which they lie in `foreground.npy`.
    """

    format: Literal[1] = FORMAT
    study: str
    digest: str
    image_shape: tuple[int, ...]
    label_type: Literal["uint8", "uint16"] | None
    foreground: dict[int, int]
    geometry: Geometry
    native: Geometry
    target: int | None


@dataclass(frozen=True)
class Content:
    """What is stored of a case, before it is written."""

    study: str
    digest: str
    sample: Sample
    native: Geometry
    target: int | None

    @property
    def bytes(self) -> int:
        """How much room it needs, not counting foreground coordinates and the description."""
        label = self.sample.label
        return int(self.sample.image.data.nbytes) + (0 if label is None else int(label.nbytes))


def write_entry(folder: Path, content: Content) -> None:
    """Write a case into an empty folder, durably."""
    sample = content.sample
    coordinates = {} if sample.label is None else foreground_of(sample.label, content.digest)
    arrays = {"image": sample.image.data}
    if sample.label is not None:
        dimensions = sample.label.ndim
        arrays["label"] = sample.label
        arrays["foreground"] = np.concatenate([np.empty((0, dimensions), np.int32), *coordinates.values()])
    for name, array in arrays.items():
        write_array(folder / f"{name}.npy", array)
    description = _describe(content, {index: len(found) for index, found in coordinates.items()})
    (folder / DESCRIPTION).write_bytes(canonical_model(description))
    fsync_file(folder / DESCRIPTION)
    fsync_folder(folder)


def read_entry(folder: Path) -> StoredCase | None:
    """The case in a folder, mapped into memory; None if there is none, or if it is not whole."""
    try:
        description = Description.model_validate_json((folder / DESCRIPTION).read_bytes())
        return _mapped(folder, description)
    except (FileNotFoundError, ValidationError, BrokenArrayError):
        return None


def foreground_of(label: np.ndarray, digest: str) -> dict[int, np.ndarray]:
    """Coordinates of each class but 0, int32 of shape (n, dimensions), in the order of the array.

    Of a class with more than 10,000 voxels a random part is kept, drawn from a stream of the case's digest.
    """
    pieces = list(blocks(np.ascontiguousarray(label)))
    highest = max((int(piece.max()) for piece in pieces), default=0)
    per_piece = np.array([np.bincount(piece, minlength=highest + 1) for piece in pieces]).reshape(-1, highest + 1)
    found = {}
    for index in np.flatnonzero(per_piece.sum(axis=0)[1:]) + 1:
        places = _chosen_places(pieces, per_piece[:, index], digest, int(index))
        found[int(index)] = np.stack(np.unravel_index(places, label.shape), axis=1).astype(np.int32)
    return found


def _chosen_places(pieces: Sequence[np.ndarray], counts: np.ndarray, digest: str, index: int) -> np.ndarray:
    """The flat places of a class that are kept, without ever listing all of them."""
    total = int(counts.sum())
    if total <= COORDINATES_PER_CLASS:
        ranks = np.arange(total)
    else:
        random = stream(0, "foreground", digest, index)
        ranks = np.sort(random.choice(total, COORDINATES_PER_CLASS, replace=False, shuffle=False))
    places, before = [np.empty(0, np.int64)], 0
    for number, (piece, count) in enumerate(zip(pieces, counts, strict=True)):
        wanted = ranks[np.searchsorted(ranks, before) : np.searchsorted(ranks, before + count)] - before
        if len(wanted):
            places.append(np.flatnonzero(piece == index)[wanted] + number * BLOCK)
        before += int(count)
    return np.concatenate(places)


def _describe(content: Content, foreground: dict[int, int]) -> Description:
    label = content.sample.label
    return Description(
        study=content.study,
        digest=content.digest,
        image_shape=content.sample.image.data.shape,
        label_type=None if label is None else "uint8" if label.dtype == np.uint8 else "uint16",
        foreground=foreground,
        geometry=content.sample.image.geometry,
        native=content.native,
        target=content.target,
    )


def _mapped(folder: Path, description: Description) -> StoredCase:
    spatial = description.image_shape[1:]
    kind = description.label_type
    return StoredCase(
        digest=description.digest,
        image=map_array(folder / "image.npy", description.image_shape, "float32"),
        label=None if kind is None else map_array(folder / "label.npy", spatial, kind),
        foreground={} if kind is None else _coordinates(folder, description.foreground, len(spatial)),
        geometry=description.geometry,
        native=description.native,
        target=description.target,
        folder=folder,
    )


def _coordinates(folder: Path, counts: dict[int, int], dimensions: int) -> dict[int, np.ndarray]:
    every = map_array(folder / "foreground.npy", (sum(counts.values()), dimensions), "int32")
    ends = list(itertools.accumulate(counts.values()))
    return {index: every[end - count : end] for (index, count), end in zip(counts.items(), ends, strict=True)}
