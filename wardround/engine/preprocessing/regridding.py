"""What to do about a file that does not lie on the grid of its image, without spoiling it.

A file that was made for this very image and only lost or changed its header must not be resampled: every voxel would be
moved to another place. One that was made for another image must be. Which of them it is, its owner knows; what the two
headers tell of it is said.
"""

from __future__ import annotations

import math

from wardround.engine.imaging.geometry import same_places
from wardround.engine.imaging.image import Geometry

_LOOK = "Then look at both, one upon the other, in a viewer"


def regridding(word: str, image: str, own: Geometry, wanted: Geometry) -> str:
    """The remedy for a grid that is not that of the image which it must fit.

    Args:
        word: what the file is: an image, a mask, a truth or a prediction.
        image: what the one that it must fit is called.
        own: the file's grid.
        wanted: the image's.
    """
    how = "interpolation" if word == "image" else "the nearest neighbour"
    if own.dimensions != wanted.dimensions:
        return f"Export the {word} again, with as many axes as the image has"
    if same_places(own, wanted):
        return (
            f"Its voxels lie at the same places as those of {image}, but are stored in another order. Bring it to that "
            "grid by the nearest neighbour, which changes no value here; do not copy the header alone"
        )
    if own.shape == wanted.shape:
        return f"{_headers(word, own, wanted)} {_registration(word, image, how)}. {_LOOK}"
    if sorted(own.shape) == sorted(wanted.shape):
        return (
            f"It has the axes of {image} in another order: were they exchanged when an array was saved? Then save it "
            f"again with its axes in order. {_registration(word, image, how)}. {_LOOK}"
        )
    return _other_size(word, image, how, wanted)


def _headers(word: str, own: Geometry, wanted: Geometry) -> str:
    """What to do where a header alone may be wrong, and which of the two that is likely to be."""
    lost = [name for name, grid in ((f"the {word}", own), ("the image", wanted)) if _is_lost(grid)]
    likely = f" Voxels of 1 x 1 x 1 mm, as {lost[0]} has, are what a lost header says." if len(lost) == 1 else ""
    return (
        f"Both have the same number of voxels: was the {word} {_made(word)} this very image? Then only a header is "
        "wrong, and nothing may be resampled: give the file with the wrong header that of the other one, by exporting "
        f"it again or, with SimpleITK, by `wrong.CopyInformation(right)`.{likely}"
    )


def _is_lost(grid: Geometry) -> bool:
    """Whether a grid has the spacing of a file whose spacing was lost."""
    return all(math.isclose(value, 1, rel_tol=1e-6) for value in grid.spacing)


def _made(word: str) -> str:
    return {"image": "made for", "prediction": "made from"}.get(word, "drawn on")


def _registration(word: str, image: str, how: str) -> str:
    only = f"Only if the {word} was {_made(word)} another image"
    return f"{only}, bring it to the grid of {image} with registration software, by {how}"


def _other_size(word: str, image: str, how: str, wanted: Geometry) -> str:
    if wanted.dimensions == 2:
        return (
            f"If it shows the whole of {image} in another size, scale it to that, by {how}; if it was cut or turned, "
            "export it again"
        )
    return (
        f"Bring the file to the grid of {image} with registration software, by {how}, and {_put(word)}, if a viewer "
        "shows both rightly upon each other as they are; if not, its header is wrong too: export it again from the "
        "program in which it was made, on the whole image"
    )


def _put(word: str) -> str:
    """Where the new file goes: predictions stand in no manifest."""
    return "put it in the place of the prediction" if word == "prediction" else "name the new file in the manifest"
