"""A folder of images and their truth, whose names say what belongs together, as the rows of a manifest.

Masks lie in a folder of their own beside that of the images, or beside each image under its name with an ending such as
`_seg`; of two folders one may have the names of the other with an ending; a class has a folder for its images; or
endings of names are told, as GaNDLF's `construct-csv` takes them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.cohort.paths import holds_dicom
from wardround.engine.cohort.surroundings import images_below, like_masks, stem_of, table_there, without_images

_IMAGES = ("images", "imagestr", "image", "img", "imgs", "scans", "volumes")
_MASKS = ("labels", "labelstr", "label", "masks", "mask", "segmentations", "segmentation", "segs", "seg")
_ENDINGS = re.compile(r"(.+)[ _.-](images?|img|scan|volume)", re.IGNORECASE)
_SIGNS = " _.-"
_NUMBERED = re.compile(r"(.+)_(\d{4})")
_PERSON = re.compile(r"(sub-[A-Za-z0-9]+)(?=_|$)")
_SHOWN = 3


@dataclass(frozen=True)
class Found:
    """One case.

    Attributes:
        name: of its own.
        channels: its images.
        label: its mask; None in a classification.
        category: its class; empty in a segmentation.
    """

    name: str
    channels: tuple[Path, ...]
    label: Path | None = None
    category: str = ""

    @property
    def patient(self) -> str:
        """The person by the rules of BIDS; empty for a name of another kind."""
        match = _PERSON.match(self.name)
        return match[1] if match else ""


def cases_in(folder: Path, channels: Sequence[str], label: str | None) -> tuple[Found, ...]:
    """The cases of a folder. `channels` and `label` are endings of files' names, if they are told.

    Raises `InputError` with every file that belongs to no case, and where nothing tells the truth.
    """
    if (folder / "dataset.json").is_file() and not channels:
        remedy = f"Write `wardround import-nnunet {folder}`, which reads all that it says"
        raise InputError.one("this is a data set of nnU-Net's form", where=str(folder / "dataset.json"), remedy=remedy)
    findings = Findings()
    found = _by_endings(folder, channels, label, findings) if channels else _by_places(folder, findings)
    _require_alike(found, folder, findings)
    findings.raise_if_any()
    return tuple(sorted(found, key=lambda case: case.name))


def _by_places(folder: Path, findings: Findings) -> list[Found]:
    images, masks = _folder_of(folder, _IMAGES), _folder_of(folder, _MASKS)
    if images and masks:
        return _paired(_numbered(images), _masks_of(masks), folder, findings)
    here = _stems(folder)
    marked = like_masks([*here], ())
    if marked:
        truth = {stem[: _cut(stem)]: here[stem] for stem in marked}
        plain = {_bare(stem, truth): (path,) for stem, path in here.items() if stem not in marked}
        return _paired(plain, truth, folder, findings)
    return _of_two(folder) or _classed(folder, is_empty=not here)


def _bare(stem: str, masks: Mapping[str, Path]) -> str:
    """An image's name without an ending such as `_image`, where a mask is called so."""
    match = _ENDINGS.fullmatch(stem)
    return match[1] if match and stem not in masks and match[1] in masks else stem


def _of_two(folder: Path) -> list[Found]:
    """The cases of two folders of which one has each name of the other with an ending, as what a program made of
    images has: those are masks, and the folders no classes. Nothing where folders are otherwise."""
    places = sorted(images_below(folder))
    if len(places) != 2 or _stems(folder):
        return []
    first, second = map(_stems, places)
    for images, masks in ((first, second), (second, first)):
        names = {stem: _longer(stem, masks) for stem in images}
        if len(images) == len(masks) == len({*names.values()} - {""}):
            return [Found(stem, (path,), masks[names[stem]]) for stem, path in images.items()]
    return []


def _longer(stem: str, others: Mapping[str, Path]) -> str:
    """The one name that is this with an ending behind a sign; empty where none is, or several are."""
    found = [other for other in others if other.startswith(stem) and other[len(stem) : len(stem) + 1] in (*_SIGNS,)]
    return found[0] if len(found) == 1 else ""


def _classed(folder: Path, *, is_empty: bool) -> list[Found]:
    """A class for each folder in it. Raises `InputError` where images lie elsewhere too, or there is one class."""
    below = images_below(folder)
    if not is_empty or len(below) < 2 or any(place.parent != folder for place in below):
        raise _without_truth(folder, has_images=not is_empty or bool(below))
    return [each for place, names in below.items() for each in _of_class(place, names)]


def _of_class(place: Path, names: Sequence[str]) -> Iterator[Found]:
    """The images of a folder that is called as their class is."""
    for name in names:
        yield Found(f"{place.name}/{stem_of(name)}", (place / name,), None, place.name)


def _stems(folder: Path) -> dict[str, Path]:
    """The images of a folder by their names without the endings of formats."""
    return {stem: path for path in _files(folder) if (stem := stem_of(path.name))}


def _cut(stem: str) -> int:
    """Where the ending of a mask's name begins, with the sign before it."""
    return max(stem.rfind(sign) for sign in _SIGNS)


def _folder_of(folder: Path, names: Sequence[str]) -> Path | None:
    places = {place.name.lower(): place for place in sorted(folder.iterdir()) if place.is_dir()}
    return next((places[name] for name in names if name in places), None)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _numbered(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Images by their names; those whose names end in a number of four digits are channels of one case."""
    stems = _stems(folder)
    matches = {stem: _NUMBERED.fullmatch(stem) for stem in stems}
    if not all(matches.values()):
        return {stem: (path,) for stem, path in stems.items()}
    groups: dict[str, list[Path]] = defaultdict(list)
    for stem, match in sorted(matches.items()):
        groups[match[1] if match else stem].append(stems[stem])
    if len(groups) == 1:
        return {stem: (path,) for stem, path in stems.items()}
    return {name: tuple(paths) for name, paths in groups.items()}


def _masks_of(folder: Path) -> dict[str, Path]:
    """Masks by the names of their images: an ending such as `_seg` is left out where every mask has one."""
    stems = _stems(folder)
    if len(like_masks([*stems], ())) == len(stems):
        return {stem[: _cut(stem)]: path for stem, path in stems.items()}
    return stems


def _paired(
    images: Mapping[str, tuple[Path, ...]], masks: Mapping[str, Path], folder: Path, findings: Findings
) -> list[Found]:
    for what, names in (
        ("images have no mask", sorted({*images} - {*masks})),
        ("masks have no image", sorted({*masks} - {*images})),
    ):
        if names:
            findings.add(
                f"{len(names)} {what} of the same name",
                where=str(folder),
                got=_some(names),
                expected="a mask of an image's name for every image",
                remedy="Rename or move them; or tell the endings, such as `--channel _t1.nii.gz --label _seg.nii.gz`",
            )
    return [Found(name, images[name], masks[name]) for name in sorted({*images} & {*masks})]


def _by_endings(folder: Path, channels: Sequence[str], label: str | None, findings: Findings) -> list[Found]:
    endings = (*channels, *([label] if label else []))
    groups = _grouped(folder, endings)
    if not groups:
        got, remedy = ", ".join(endings), "Write endings of files' names as they are there, such as `_t1.nii.gz`"
        raise InputError.one("no file's name ends so", where=str(folder), got=got, remedy=remedy)
    names, found = _case_names([*groups]), []
    for (place, start), files in groups.items():
        lacking = [ending for ending in endings if ending not in files]
        if lacking:
            got, expected = f"no file that ends in {' or '.join(lacking)}", "a file for every ending"
            findings.add("a case lacks a file", where=f"{place / start}*", got=got, expected=expected)
            continue
        mask = files[label] if label else None
        found.append(Found(names[place, start], tuple(files[each] for each in channels), mask))
    return found


def _grouped(folder: Path, endings: Sequence[str]) -> dict[tuple[Path, str], dict[str, Path]]:
    """Files by ending, of each folder and beginning of a name. Of two endings that fit, the longer one is meant."""
    groups: dict[tuple[Path, str], dict[str, Path]] = defaultdict(dict)
    longest_first = sorted(endings, key=len, reverse=True)
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        ending = next((each for each in longest_first if path.name.endswith(each)), None)
        if ending:
            groups[path.parent, path.name.removesuffix(ending).rstrip("_-. ")][ending] = path
    return groups


def _case_names(groups: Sequence[tuple[Path, str]]) -> dict[tuple[Path, str], str]:
    """As files begin; where several begin alike, as in GaNDLF, whose cases have a folder each, with the folder's."""
    starts = [start for _, start in groups]
    return {
        (place, start): start if start and starts.count(start) == 1 else "/".join(filter(None, (place.name, start)))
        for place, start in groups
    }


def _require_alike(found: Sequence[Found], folder: Path, findings: Findings) -> None:
    counts = sorted({len(case.channels) for case in found})
    if len(counts) > 1:
        most = [case.name for case in found if len(case.channels) != counts[-1]]
        findings.add(
            "cases have different numbers of images",
            where=str(folder),
            got=f"{' and '.join(map(str, counts))}; fewer than {counts[-1]} in {_some(most)}",
            remedy="Copy the missing files, or move these cases away",
        )
    names = [case.name for case in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        remedy = "Give the files names of their own"
        findings.add("several cases have one name", where=str(folder), got=_some(twice), remedy=remedy)


def _without_truth(folder: Path, *, has_images: bool) -> InputError:
    files = _files(folder)
    if not has_images or any(map(holds_dicom, (folder, *(place for place in folder.iterdir() if place.is_dir())))):
        return without_images(folder, files, 0)
    return InputError.one(
        "nothing here tells the truth of the images",
        where=str(folder),
        got="images alone",
        expected="folders `images` and `labels`; masks beside images, as case1_seg.nii.gz; or a folder for each class",
        remedy="Tell how names end, as `--channel _t1.nii.gz --label _seg.nii.gz`; or "
        + (table_there(folder) or "write a table with the columns SubjectID, Channel_0 and ValueToPredict, and name it")
        + " instead of the folder",
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


def rows_of(found: Sequence[Found]) -> Iterator[tuple[str | Path, ...]]:
    """The lines of a manifest, its header first; files as paths. All cases have masks, or classes, or neither."""
    first, has_persons = found[0], all(case.patient for case in found)
    columns = [f"Channel_{number}" for number in range(len(first.channels))]
    truth = ["Label"] if first.label else ["ValueToPredict"] if first.category else []
    yield ("SubjectID", *(["PatientID"] if has_persons else []), *columns, *truth)
    for case in found:
        yield (case.name, *([case.patient] if has_persons else []), *case.channels, *_truth_of(case))


def _truth_of(case: Found) -> tuple[str | Path, ...]:
    return tuple(each for each in (case.label, case.category) if each)
