"""Where the voxels of an NRRD lie in space, by its space, directions, origin, spacings and units."""

from __future__ import annotations

import re

import numpy as np

from wardround.engine.imaging.entries import Entries, numbers_in
from wardround.engine.imaging.geometry import spacing_words
from wardround.engine.imaging.image import Geometry
from wardround.engine.imaging.layouts import placed
from wardround.engine.imaging.lengths import millimetres
from wardround.engine.imaging.nrrd_axes import vector_in, vectors

_TO_LPS = {
    "left-posterior-superior": (1, 1, 1),
    "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "las": (1, -1, 1),
}
_NOBODYS = ("scanner-xyz", "3d-right-handed")
_SAME_SPACING = 0.01
_SPACES = "left-posterior-superior, right-anterior-superior or left-anterior-superior"
_ORIENTED = "Export it again in patient coordinates"


def grid(entries: Entries, sizes: tuple[int, ...], channel: int | None) -> Geometry | None:
    """The grid of all axes but the channels'; None, and problems, where there is none."""
    axes = [axis for axis in range(len(sizes)) if axis != channel]
    shape = tuple(sizes[axis] for axis in axes)
    for name in ("axis mins", "axis maxs"):
        _require_unsaid(entries, name)
    spacing = _spacings(entries, len(sizes), axes)
    if "space directions" not in entries:
        return _without_directions(entries, axes, spacing, shape)
    space = _space(entries)
    steps = None if space is None else _directions(entries, len(sizes), axes, len(space))
    origin = None if space is None else _origin(entries, len(space))
    if space is None or steps is None or origin is None:
        return None
    return _directed(entries, steps * space[:, None], origin * space, spacing, shape)


def _require_unsaid(entries: Entries, name: str) -> None:
    found = numbers_in(entries.get(name, ""))
    if found is None or np.isfinite(found).any():
        entries.refuse(name, entries[name], "space directions and space origin in their place")


def _space(entries: Entries) -> np.ndarray | None:
    """What turns each coordinate of the space into millimetres, LPS."""
    dimensions = _dimensions(entries)
    factors = None if dimensions is None else _factors(entries, "space units", dimensions)
    return None if factors is None else factors * _signs(entries, len(factors))


def _directed(
    entries: Entries, steps: np.ndarray, origin: np.ndarray, spacing: np.ndarray | None, shape: tuple[int, ...]
) -> Geometry | None:
    own = np.linalg.norm(steps, axis=0)
    name = "space directions"
    if not np.isfinite(own).all() or not (own > 0).all():
        entries.refuse(name, f"a spacing of {spacing_words(own)} mm", "vectors as long as a voxel is in mm")
        return None
    if spacing is not None and not np.allclose(spacing, own, rtol=_SAME_SPACING):
        got = f"{spacing_words(spacing)}, with space directions of lengths {spacing_words(own)}"
        entries.refuse("spacings", got, "one size of the voxels", "Remove the entry that is wrong")
    return placed(entries, name, steps / own, own, origin, shape)


def _without_directions(
    entries: Entries, axes: list[int], spacing: np.ndarray | None, shape: tuple[int, ...]
) -> Geometry | None:
    if "spacings" not in entries:
        entries.refuse("space directions", "neither space directions nor spacings", "the size of the voxels in mm")
    if len(axes) == 3:
        entries.unoriented("there are no space directions")
    if spacing is None:
        return None
    return placed(entries, "spacings", np.eye(len(axes)), spacing, np.zeros(len(axes)), shape)


def _spacings(entries: Entries, count: int, axes: list[int]) -> np.ndarray | None:
    """The spacings in mm of the axes in space; None where they are not given, or not needed and not numbers."""
    if "spacings" not in entries:
        return None
    values, factors = numbers_in(entries["spacings"]), _factors(entries, "units", count)
    found = np.zeros(1) if values is None or values.size != count else values[axes]
    if "space directions" in entries and np.isnan(found).all():
        return None
    if not (np.isfinite(found) & (found > 0)).all():
        entries.refuse("spacings", entries["spacings"] or "nothing", f"{count} numbers, above 0 for axes in space")
        return None
    return None if factors is None else found * factors[axes]


def _dimensions(entries: Entries) -> int | None:
    """Of the space in which directions are vectors."""
    count = None
    if "space dimension" in entries:
        count = entries.chosen("space dimension", {"2": 2, "3": 3}, "2 or 3")
    if "space" not in entries:
        if "space dimension" not in entries:
            entries.refuse("space", "no such field, with space directions", _SPACES, _ORIENTED)
        return count
    if entries["space"].lower() not in (*_TO_LPS, *_NOBODYS):
        entries.refuse("space", entries["space"] or "nothing", _SPACES, _ORIENTED)
        return None
    if count == 2:
        entries.refuse("space dimension", f"2, with a space {entries['space']}", "3")
        return None
    return 3


def _signs(entries: Entries, dimensions: int) -> np.ndarray:
    """What turns the space's coordinates into LPS."""
    space = entries.get("space", "").lower()
    if space not in _TO_LPS and dimensions == 3:
        got = f"space {entries['space']}" if space else "no space, but space dimension 3"
        entries.unoriented("the space tells no direction of the body", got)
    return np.array(_TO_LPS.get(space, (1, 1, 1))[:dimensions], dtype=np.float64)


def _directions(entries: Entries, count: int, axes: list[int], dimensions: int) -> np.ndarray | None:
    """The steps along the axes in space, as columns."""
    found = vectors(entries, count) or []
    steps = [vector for vector in found if vector is not None]
    if any(vector.size != dimensions for vector in steps) or len(axes) > dimensions:
        entries.refuse("space directions", entries["space directions"], f"vectors of {dimensions} numbers")
        return None
    return np.stack(steps, axis=1)


def _origin(entries: Entries, dimensions: int) -> np.ndarray | None:
    name = "space origin"
    if name not in entries:
        if dimensions == 3:
            remedy = "Export it again with its space origin, if several images of a patient are to lie at one place"
            entries.remark("the header tells no place of the first voxel; taken as 0", remedy=remedy)
        return np.zeros(dimensions)
    origin = vector_in(entries[name])
    if origin is None or origin.size != dimensions or not np.isfinite(origin).all():
        entries.refuse(name, entries[name] or "nothing", f"a vector of {dimensions} numbers, such as (1.5,-2,0)")
        return None
    return origin


def _factors(entries: Entries, name: str, count: int) -> np.ndarray | None:
    """Millimetres of the unit of each axis."""
    if name not in entries:
        return np.ones(count)
    words = re.findall(r'"([^"]*)"', entries[name])
    if len(words) != count or re.sub(r'"[^"]*"', "", entries[name]).strip():
        entries.refuse(name, entries[name] or "nothing", f'{count} units in quotation marks, such as "mm"')
        return None
    factors = [millimetres(entries, name, word) for word in words]
    known = [factor for factor in factors if factor is not None]
    return np.array(known) if len(known) == count else None
