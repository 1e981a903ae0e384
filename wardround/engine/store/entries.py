"""One stored case on disk: a folder of plain arrays and a description."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from wardround.engine.basics.blocks import BLOCK, blocks
from wardround.engine.basics.canonical import canonical_model, file_sha256
from wardround.engine.basics.closed import Added, Closed
from wardround.engine.basics.filemarks import state_of
from wardround.engine.basics.files import DamagedError, fsync_folder, read_checked, write_checked
from wardround.engine.basics.randomness import stream
from wardround.engine.imaging.image import Geometry
from wardround.engine.preprocessing import Sample
from wardround.engine.store.mapping import BrokenArrayError, map_array, write_array
from wardround.engine.store.shelf import SHELF, Arrays
from wardround.engine.targets import Told

FORMAT: Literal[1] = 1
"""Grows whenever the layout of an entry changes; enters the key."""
COORDINATES_PER_CLASS = 10_000
DESCRIPTION = "case.json"


class Description(Closed):
    """What `case.json` says.

    `foreground` is the number of coordinates of each class index, in the order in which they lie in `foreground.npy`;
    0 stands for every voxel that counts, in a mask where some do not.
    `wanted` is the number of images that are to be made, which lie in `wanted.npy`.
    `hashes` has the SHA-256 of each array's file. An entry without them was stored by release 0.1.0; it counts as not
    whole, because nothing could tell whether it is damaged.
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
    hashes: Annotated[dict[str, str], Added("0.2.0")] = Field(default_factory=dict)
    numbers: Annotated[tuple[float, ...], Added("0.3.0")] = ()
    columns: Annotated[tuple[float | None, ...], Added("0.4.0")] = ()
    cut_to: Annotated[tuple[Geometry, ...], Added("0.4.0")] = ()
    wanted: Annotated[int, Added("0.4.0")] = 0


@dataclass(frozen=True)
class Content:
    """What is stored of a case, before it is written; `ignored` is the index of voxels that do not count."""

    study: str
    digest: str
    sample: Sample
    native: Geometry
    told: Told
    columns: tuple[float | None, ...] = ()
    ignored: int | None = None

    @property
    def bytes(self) -> int:
        """How much room it needs, not counting foreground coordinates and the description."""
        beside = (self.sample.label, self.sample.wanted)
        return int(self.sample.image.data.nbytes) + sum(int(each.nbytes) for each in beside if each is not None)


def write_entry(folder: Path, content: Content) -> None:
    """Write a case into an empty folder, durably."""
    sample = content.sample
    coordinates = {} if sample.label is None else foreground_of(sample.label, content.digest, content.ignored)
    arrays = {"image": sample.image.data}
    if sample.label is not None:
        dimensions = sample.label.ndim
        arrays["label"] = sample.label
        arrays["foreground"] = np.concatenate([np.empty((0, dimensions), np.int32), *coordinates.values()])
    if sample.wanted is not None:
        arrays["wanted"] = sample.wanted
    hashes = {name: write_array(folder / f"{name}.npy", array) for name, array in arrays.items()}
    description = _describe(content, {index: len(found) for index, found in coordinates.items()}, hashes)
    write_checked(folder / DESCRIPTION, canonical_model(description))
    fsync_folder(folder)


def read_description(folder: Path) -> Description | None:
    """What an entry says of itself; None if there is none, or if it is damaged or of a release without hashes."""
    try:
        description = Description.model_validate_json(read_checked(folder / DESCRIPTION))
    except (OSError, ValidationError, DamagedError):
        return None
    return description if description.hashes else None


def map_entry(folder: Path, description: Description) -> Arrays:
    """The arrays of an entry, mapped, after a look at every byte if this process has not had one.

    Raises `BrokenArrayError` unless they are what was written.
    """
    state = _state(folder, description)
    if not SHELF.is_checked(folder, state):
        check_entry(folder, description)
        SHELF.note_checked(folder, state)
    return _mapped(folder, description)


def _state(folder: Path, description: Description) -> str:
    """What the arrays should be, and the state of the files that were found to be that."""
    found = []
    for name, digest in sorted(description.hashes.items()):
        try:
            state = state_of(folder / f"{name}.npy")
        except OSError as error:
            raise BrokenArrayError(f"{name}.npy: {error.strerror}") from error
        found.append(f"{digest} {' '.join(map(str, state))}")
    return "\n".join(found)


def check_entry(folder: Path, description: Description) -> None:
    """Read every array. Raises `BrokenArrayError` unless they are what was written."""
    for name, expected in description.hashes.items():
        path = folder / f"{name}.npy"
        try:
            found = file_sha256(path)
        except OSError as error:
            raise BrokenArrayError(f"{path.name}: {error.strerror}") from error
        if found != expected:
            raise BrokenArrayError(f"{path.name}: its bytes are not those that were written")


def foreground_of(label: np.ndarray, digest: str, ignored: int | None = None) -> dict[int, np.ndarray]:
    """Coordinates of each class but 0, int32 of shape (n, dimensions), in the order of the array.

    Of a class with more than 10,000 voxels a random part is kept, drawn from a stream of the case's digest. Voxels of
    the index `ignored` do not count; where there are some, all voxels that do count stand under 0.
    """
    pieces = list(blocks(np.ascontiguousarray(label)))
    highest = max((int(piece.max()) for piece in pieces), default=0)
    per_piece = np.array([np.bincount(piece, minlength=highest + 1) for piece in pieces]).reshape(-1, highest + 1)
    found: dict[int, np.ndarray] = {}
    present = {int(index) for index in np.flatnonzero(per_piece.sum(axis=0))}
    listed: dict[int, tuple[Callable[[np.ndarray], Any], np.ndarray]]
    listed = {index: (partial(np.equal, index), per_piece[:, index]) for index in sorted(present - {0, ignored})}
    if ignored in present and present != {ignored}:
        counting = per_piece.sum(axis=1) - per_piece[:, ignored]
        listed = {0: (partial(np.not_equal, ignored), counting), **listed}
    for index, (chosen, counts) in listed.items():
        places = _chosen_places(pieces, chosen, counts, digest, index)
        found[index] = np.stack(np.unravel_index(places, label.shape), axis=1).astype(np.int32)
    return found


def _chosen_places(
    pieces: Sequence[np.ndarray], chosen: Callable[[np.ndarray], Any], counts: np.ndarray, digest: str, index: int
) -> np.ndarray:
    """The flat places of chosen voxels that are kept, without ever listing all of them."""
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
            places.append(np.flatnonzero(chosen(piece))[wanted] + number * BLOCK)
        before += int(count)
    return np.concatenate(places)


def _describe(content: Content, foreground: dict[int, int], hashes: dict[str, str]) -> Description:
    label = content.sample.label
    return Description(
        study=content.study,
        digest=content.digest,
        image_shape=content.sample.image.data.shape,
        label_type=None if label is None else "uint8" if label.dtype == np.uint8 else "uint16",
        foreground=foreground,
        geometry=content.sample.image.geometry,
        native=content.native,
        cut_to=content.sample.cut_to,
        target=content.told.category,
        numbers=content.told.numbers,
        columns=content.columns,
        wanted=0 if content.sample.wanted is None else len(content.sample.wanted),
        hashes=hashes,
    )


def _mapped(folder: Path, description: Description) -> Arrays:
    spatial = description.image_shape[1:]
    kind, wanted = description.label_type, (description.wanted, *spatial)
    return Arrays(
        image=map_array(folder / "image.npy", description.image_shape, "float32"),
        label=None if kind is None else map_array(folder / "label.npy", spatial, kind),
        foreground={} if kind is None else _coordinates(folder, description.foreground, len(spatial)),
        wanted=map_array(folder / "wanted.npy", wanted, "float32") if description.wanted else None,
    )


def _coordinates(folder: Path, counts: dict[int, int], dimensions: int) -> dict[int, np.ndarray]:
    every = map_array(folder / "foreground.npy", (sum(counts.values()), dimensions), "int32")
    ends = list(itertools.accumulate(counts.values()))
    return {index: every[end - count : end] for (index, count), end in zip(counts.items(), ends, strict=True)}
