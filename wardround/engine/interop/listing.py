"""The files of a data set in nnU-Net's folders, case by case, none of them outside the data set."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.problems import Findings
from wardround.engine.imaging.formats import format_of
from wardround.engine.interop.description import Description, Entry
from wardround.engine.interop.notebook import FILE

TRAINING, MASKS, TEST, TEST_MASKS = "imagesTr", "labelsTr", "imagesTs", "labelsTs"
_SHOWN = 3
_DIGITS = 4
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True)
class Listed:
    """One case: its name, a file for each channel or one that holds them all, and its mask."""

    name: str
    channels: tuple[Path, ...]
    label: Path | None


@dataclass(frozen=True)
class Files:
    """The cases of a data set, and the files that belong to none."""

    training: tuple[Listed, ...]
    test: tuple[Listed, ...]
    stray: tuple[str, ...]


def list_files(folder: Path, description: Description, findings: Findings) -> Files:
    """Every case of a data set. What is wrong with files, and counts that do not fit, become findings."""
    finder = _Finder(folder, description, findings)
    with findings.gather():
        format_of(Path(f"{FILE}, file_ending{description.ending}"))
    training = finder.listed(description.training) if description.training is not None else finder.found(TRAINING)
    test = finder.images(description.test) if description.test else finder.found(TEST)
    finder.tell()
    for place, cases in ((TRAINING, training), (TEST, test)):
        wanted = description.counts.get(place)
        if wanted is not None and wanted != len(cases):
            key = "numTraining" if place == TRAINING else "numTest"
            findings.add(
                f"the number of cases in {place} is not the one that {FILE} says",
                where=f"{FILE}, {key}",
                got=f"{len(cases)} cases",
                expected=str(wanted),
                remedy=f"Copy what is missing, or correct `{key}`",
            )
    if not training and not findings.problems:
        findings.add("there is no case to learn from", where=str(folder / TRAINING), expected="images and masks")
    return Files(tuple(training), tuple(test), finder.stray([*training, *test]))


class _Finder:
    """Looks for the files of cases; like problems of several cases are told together."""

    def __init__(self, folder: Path, description: Description, findings: Findings) -> None:
        self._folder, self._description, self._findings = folder, description, findings
        self._root = folder.resolve()
        self._wrong: dict[tuple[str, str, str], list[str]] = {}

    def listed(self, entries: Iterable[Entry]) -> list[Listed]:
        """The cases that the file lists."""
        found = []
        for entry in entries:
            name = self._case_of(entry.label)
            images = [self._inside(image) for image in entry.images]
            label = self._inside(entry.label)
            channels = self._channels(name, images) if None not in images else ()
            found.append(Listed(name, channels, label and self._there(label, name, "mask")))
        return self._unlike(found)

    def images(self, paths: Iterable[str]) -> list[Listed]:
        """The images without masks that the file lists."""
        named = [(self._case_of(path), self._inside(path)) for path in paths]
        return self._unlike([Listed(name, self._channels(name, [path]), self._mask(name)) for name, path in named])

    def found(self, place: str) -> list[Listed]:
        """The cases whose files lie in a folder: `CASE_0000` and so on, and masks of the same names."""
        names = dict.fromkeys(self._case_of(path.name, numbered=True) for path in self._files(place))
        masks = self._files(MASKS) if place == TRAINING else []
        names |= dict.fromkeys(self._case_of(path.name) for path in masks)
        cases = []
        for name in sorted(names):
            images = [self._folder / place / f"{name}_{number:04d}{self._ending}" for number in self._numbers]
            whole = self._folder / place / f"{name}{self._ending}"
            channels = self._channels(name, [whole] if whole.exists() and not images[0].exists() else [*images])
            label = self._folder / MASKS / f"{name}{self._ending}"
            cases.append(Listed(name, channels, self._there(label, name, "mask") if masks else self._mask(name)))
        return cases

    def stray(self, cases: Sequence[Listed]) -> tuple[str, ...]:
        """Files of the data set's folders that no case has."""
        used = {path for case in cases for path in (*case.channels, *([case.label] if case.label else []))}
        every = (path for place in (TRAINING, MASKS, TEST, TEST_MASKS) for path in self._files(place))
        return tuple(f"{path.parent.name}/{path.name}" for path in every if path not in used)

    def tell(self) -> None:
        """One finding for each kind of problem."""
        for (what, expected, remedy), names in self._wrong.items():
            shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
            count = "" if len(names) == 1 else f" of {len(names)} cases"
            self._findings.add(f"{what}{count}", where=str(self._folder), got=shown, expected=expected, remedy=remedy)

    @property
    def _ending(self) -> str:
        return self._description.ending

    @property
    def _numbers(self) -> range:
        return range(len(self._description.channels))

    def _files(self, place: str) -> list[Path]:
        """Files of a folder with the data set's ending, but for hidden ones, as macOS leaves behind."""
        folder = self._folder / place
        if not folder.is_dir():
            return []
        named = (path for path in folder.iterdir() if path.name.endswith(self._ending))
        return sorted(path for path in named if not path.name.startswith("."))

    def _case_of(self, path: str, *, numbered: bool = False) -> str:
        name = path.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(self._ending)
        head, _, digits = name.rpartition("_")
        return head if numbered and head and len(digits) == _DIGITS and digits.isdigit() else name

    def _inside(self, written: str) -> Path | None:
        """A path of the file; None, and a finding, where it leads out of the data set."""
        plain = written.replace("\\", "/")
        parts = [part for part in plain.split("/") if part not in ("", ".")]
        if plain.startswith("/") or _DRIVE.match(plain) or ".." in parts or "\0" in plain:
            what = f"{FILE} names a file outside the data set"
            self._note(what, written, "paths below the data set's folder", "Correct the path, or leave the case out")
            return None
        return self._folder.joinpath(*parts)

    def _channels(self, name: str, images: Sequence[Path | None]) -> tuple[Path, ...]:
        """The files of a case's channels: those that are named, or `CASE_0000` and so on for one that is not there."""
        paths = [path for path in images if path is not None]
        if len(paths) == 1 and not _is_there(paths[0]):
            stem = paths[0].name.removesuffix(self._ending)
            numbered = [paths[0].with_name(f"{stem}_{number:04d}{self._ending}") for number in self._numbers]
            paths = numbered if any(map(_is_there, numbered)) else paths
        elif 1 < len(paths) != len(self._numbers):
            expected = f"{len(self._numbers)}, one for each of {', '.join(self._description.channels)}"
            self._note("the number of images does not fit the channels", f"{name} ({len(paths)})", expected)
            return ()
        found = [self._there(path, name, self._noun(place, len(paths))) for place, path in enumerate(paths)]
        return tuple(path for path in found if path is not None)

    def _noun(self, place: int, files: int) -> str:
        return f"channel {place} ({self._description.channels[place]})" if files > 1 else "image"

    def _mask(self, name: str) -> Path | None:
        """The mask of a test case, which few data sets have."""
        path = self._folder / TEST_MASKS / f"{name}{self._ending}"
        return self._there(path, name, "mask") if _is_there(path) else None

    def _there(self, path: Path, name: str, noun: str) -> Path | None:
        """A file that is there, can be read by its ending and lies in the data set; None, and a finding, otherwise."""
        if not _is_there(path):
            where = f"{path.parent.name}/{path.name}"
            self._note(f"the {noun} is missing", f"{name} ({where})", remedy="Copy it, or leave the case out")
        elif not path.is_file():
            self._note(
                f"the {noun} is no file", name, "an image", "Is this a DICOM series? Convert it to .nii.gz first"
            )
        elif not path.resolve().is_relative_to(self._root):
            remedy = "Copy the file there: whoever gets the folder would not have what the link leads to"
            self._note(f"the {noun} is a link that leads out of the data set", name, "a file of its own", remedy)
        else:
            return path
        return None

    def _unlike(self, cases: list[Listed]) -> list[Listed]:
        first: dict[str, Listed] = {}
        for case in cases:
            if first.setdefault(case.name, case) is not case:
                self._note("a case is listed twice", case.name, "each case once", "Take one of the two out")
        return [*first.values()]

    def _note(self, what: str, name: str, expected: str = "", remedy: str = "") -> None:
        self._wrong.setdefault((what, expected, remedy), []).append(name)


def _is_there(path: Path) -> bool:
    try:
        return path.is_symlink() or path.exists()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False  # no file can have such a name
