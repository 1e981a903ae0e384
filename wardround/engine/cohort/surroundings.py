"""What else lies in a folder of images, and below it: files that look like masks, folders of patients, none at all."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from wardround.engine.basics.made import PREDICT, RECORD, Made
from wardround.engine.basics.problems import InputError, Problem
from wardround.engine.cohort.paths import holds_dicom

SUFFIXES = (
    *(".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr"),
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"),
)
_TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".ods")
_LIKE_MASKS = re.compile(
    r".[ _.-](masks?|seg|segm|segmentations?|labels?|labelmap|annotations?|groundtruth|gt|roi|predictions?|pred)",
    re.IGNORECASE,
)
_SHOWN, _MOST_FOLDERS = 3, 5_000


def stem_of(name: str) -> str | None:
    """A file's name without the ending of an image; None for what is no image."""
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), None)
    return None if suffix is None else name[: -len(suffix)]


def remedy_for_a_file(path: Path) -> str:
    """What to do about a file that was named as the folder of images."""
    if path.suffix.lower() in _TABLES:
        return f"A table is given as `--manifest {path}`"
    if stem_of(path.name) is None:
        return "Name the folder in which the images lie"
    return f"Name the folder in which the image lies: `--folder {path.parent}`"


def images_as(path: Path) -> str | None:
    """The option by which `wardround predict` takes a path as images; None for what is neither table nor images."""
    if path.is_file():
        return "--manifest" if path.suffix.lower() in _TABLES else None
    holds = path.is_dir() and any(stem_of(item.name) is not None for item in path.iterdir())
    return "--folder" if holds else None


def remedy_for_a_table(folder: Path) -> str:
    """What to do about a folder of images that was named as a table; empty for another folder."""
    return f"A folder of images is given as `--folder {folder}`" if holds_images(folder) else ""


def holds_images(folder: Path) -> bool:
    """Whether an image lies in a folder that no table lies in."""
    names = [name for name in os.listdir(folder) if not name.startswith(".")]
    return any(map(stem_of, names)) and not any(name.lower().endswith(_TABLES) for name in names)


def own_predictions(folder: Path) -> frozenset[str]:
    """Names of the files of a folder that are as `wardround predict` wrote them, and no images."""
    made = Made(folder, PREDICT)
    return frozenset(name for name in made.names if made.holds(name))


def like_masks(stems: Sequence[str], inputs: Sequence[str]) -> tuple[str, ...]:
    """Those of the names that end as those of masks do, where no input of the study is called so."""
    known = {name.lower() for name in inputs}
    found = []
    for stem in stems:
        ending = re.split(r"[ _.-]", stem)[-1]
        if ending.lower() not in known and _LIKE_MASKS.fullmatch(stem[-len(ending) - 2 :]):
            found.append(stem)
    return tuple(found)


def masks_notice(folder: Path, names: Sequence[str], of: int, why: str) -> Problem:
    """A note of images that look like masks, and why they do."""
    return Problem(
        f"{_counted(len(names), of)} {why}",
        where=str(folder),
        got=_some(names),
        remedy="If they are masks and no images, take them out: predictions are made of them as of any image",
    )


def _counted(number: int, of: int) -> str:
    return f"1 of {of} images looks like a mask" if number == 1 else f"{number} of {of} images look like masks"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else shown


def table_there(folder: Path) -> str:
    """What to do about tables that lie in a folder: name one of them; empty where none does."""
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in _TABLES and path.is_file())
    return (
        f"name the table {_some(names)}" if len(names) == 1 else f"name one of the tables {_some(names)}" * bool(names)
    )


def images_below(folder: Path) -> dict[Path, list[str]]:
    """The images in the folders below one, by folder; those that a prediction wrote into are left out."""
    found: dict[Path, list[str]] = {}
    for number, (place, folders, names) in enumerate(os.walk(folder)):
        if number >= _MOST_FOLDERS:
            break
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        images = sorted(name for name in names if not name.startswith(".") and stem_of(name) is not None)
        if images and Path(place) != folder and RECORD not in names:
            found[Path(place)] = images
    return found


def without_images(folder: Path, files: Sequence[Path], own: int) -> InputError:
    """The error for a folder in which no image lies, with where to look."""
    below, remedy = images_below(folder), "Is it the right folder?"
    got = "1 file of another kind" if len(files) == 1 else f"{len(files)} files of other kinds" if files else "no files"
    if own:
        got, remedy = (
            f"{_number(own, 'prediction')} that `wardround predict` wrote",
            "Name the folder of the images themselves",
        )
    elif holds_dicom(folder) or any(holds_dicom(item) for item in folder.iterdir() if item.is_dir()):
        remedy = (
            f"It holds DICOM files: `wardround dicom {folder} --manifest data.csv` writes a table with a row for each "
            "series, which is given as `--manifest data.csv`"
        )
    elif below:
        got, remedy = _below_words(below, got), _where_to_look(below)
    elif tables := table_there(folder):
        remedy = f"If the images, or all that is known, stand in a table, {tables}"
    expected = f"files in {', '.join(SUFFIXES)}"
    return InputError.one("the folder has no images", where=str(folder), got=got, expected=expected, remedy=remedy)


def _below_words(below: dict[Path, list[str]], here: str) -> str:
    count = sum(map(len, below.values()))
    return f"{here}, and {_number(count, 'image')} in {_number(len(below), 'folder')} below it"


def _where_to_look(below: dict[Path, list[str]]) -> str:
    place, names = next(iter(below.items()))
    if len(below) == 1:
        return f"Name that folder: `--folder {place}`"
    return (
        "Folders below are not looked into. Write a table with one row per case (SubjectID, and for each input a "
        f"column Channel_0, Channel_1 ... with paths such as {place / names[0]}) for `--manifest table.csv`; "
        f"or name one of the folders, such as `--folder {place}`"
    )


def _number(count: int, noun: str) -> str:
    return f"1 {noun}" if count == 1 else f"{count:,} {noun}s"
