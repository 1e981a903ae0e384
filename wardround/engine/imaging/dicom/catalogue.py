"""The series of an export: what each holds, whether it can be read, and which segmentations were drawn on it.

Patients are told apart by a pseudonym, a keyed digest of their PatientID: with the same key it is the same in every
export, and without the key nobody finds the number by trying all there are. Nothing else of a patient is read.
"""

from __future__ import annotations

import hmac
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from wardround.engine.basics.places import MARK
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.basics.progress import SILENT, Progress
from wardround.engine.imaging.dicom.classes import Content
from wardround.engine.imaging.dicom.objects import Instance
from wardround.engine.imaging.dicom.pixels import channels_of, require_pixels
from wardround.engine.imaging.dicom.series import Series, grouped, numbers_of, read_objects, selector
from wardround.engine.imaging.dicom.stacking import stack_of
from wardround.engine.imaging.image import Geometry, Role
from wardround.engine.imaging.sources import Source

_PERSON = ("PatientID", "IssuerOfPatientID", "StudyInstanceUID", "SeriesDescription")
_DIGITS, _FEW_DIGITS = 12, 8
Alias = Callable[[str], str]
"""A text into hexadecimal digits that only who has the key can make of it."""


@dataclass(frozen=True)
class ListedSeries:
    """One image of an export.

    Attributes:
        path: what a cell of a manifest is to name: a file, a folder, or a folder with the series behind `#`.
        series: the SeriesInstanceUID.
        number: the SeriesNumber; empty where there is none.
        modality: such as CT.
        description: of the series, as the scanner's staff wrote it: it may name people.
        files: how many it has.
        patient: a pseudonym.
        subject: a name for its row: the pseudonym, and some digits of the image's own.
        grid: of the image; None where it cannot be read.
        channels: values per voxel.
        segmentations: files of the export that were drawn on it.
        problems: why it cannot be read.
        burned_in: whether a header says that text is burned into the pixels, which may name the patient.
    """

    path: Path
    series: str
    number: str
    modality: str
    description: str
    files: int
    patient: str
    subject: str
    grid: Geometry | None
    channels: int
    segmentations: tuple[Path, ...]
    problems: tuple[Problem, ...]
    burned_in: bool = False


@dataclass(frozen=True)
class Catalogue:
    """What lies in a folder and below it.

    Attributes:
        series: the images, by patient and number.
        others: how many objects hold no image, by what they are.
        strangers: files that are no DICOM.
        problems: of files that cannot be read at all.
    """

    series: tuple[ListedSeries, ...]
    others: Mapping[str, int] = field(default_factory=dict)
    strangers: tuple[Path, ...] = ()
    problems: tuple[Problem, ...] = ()


def series_in(folder: Path, key: bytes, shown: Progress = SILENT) -> Catalogue:
    """Every series of a folder and of those below it, with pseudonyms by a secret key; headers are read, and no pixels.
    Raises `OSError`."""

    def alias(text: str) -> str:
        return hmac.digest(key, text.encode(), "sha256").hex()

    found, problems = read_objects(Source(folder), shown)
    drawn: dict[str, list[Path]] = defaultdict(list)
    for each in found.instances:
        if each.kind.content is Content.SEGMENTS:
            for reference in dict.fromkeys(each.references):
                drawn[reference].append(each.file)
    by_series = grouped(each for each in found.instances if each.is_image)
    owners = _owners(found.instances)
    numbers = numbers_of(by_series)
    listed = [one for each in by_series.values() for one in _listed(each, owners, numbers, drawn, alias)]
    first = {each.patient: str(each.path) for each in sorted(listed, key=lambda each: str(each.path), reverse=True)}
    listed.sort(key=lambda each: (first[each.patient], each.number.zfill(_DIGITS), str(each.path)))
    others = Counter(each.kind.named for each in found.instances if not each.is_image)
    return Catalogue(tuple(listed), dict(others), found.strangers, tuple(problems))


def _owners(instances: Sequence[Instance]) -> dict[Path, set[str]]:
    """The series that have images in each folder or below it."""
    owners: dict[Path, set[str]] = defaultdict(set)
    for each in instances:
        if each.is_image:
            for folder in each.file.parents:
                owners[folder].add(each.series)
    return owners


def _listed(
    instances: Sequence[Instance],
    owners: Mapping[Path, set[str]],
    numbers: Counter[str],
    drawn: Mapping[str, Sequence[Path]],
    alias: Alias,
) -> Iterator[ListedSeries]:
    """A series; or each of its files, where these are images of their own, as radiographs and multi-frame objects."""
    groups = [[each] for each in instances] if _are_single(instances) else [instances]
    for group in groups:
        path = group[0].file if len(group) == 1 else _place(group, owners, numbers)
        yield _described(path, group, tuple(drawn.get(group[0].series, ())), alias)


def _are_single(instances: Sequence[Instance]) -> bool:
    return all(len(each.frames) > 1 or any(frame.position is None for frame in each.frames) for each in instances)


def _place(instances: Sequence[Instance], owners: Mapping[Path, set[str]], numbers: Counter[str]) -> Path:
    """The folder of a series, with the series behind `#` where others lie there too."""
    folder = Path(os.path.commonpath([each.file.parent for each in instances]))
    first = instances[0]
    if len(owners[folder]) == 1:
        return folder
    return folder.with_name(f"{folder.name}{MARK}{selector(first.series, first.number, numbers)}")


def _described(
    path: Path, instances: Sequence[Instance], segmentations: tuple[Path, ...], alias: Alias
) -> ListedSeries:
    first, findings, grid = instances[0], Findings(), None
    with findings.gather():
        series = Series(path, tuple(instances))
        require_pixels(series, Role.IMAGE)
        grid = stack_of(series).geometry
    patient, description = _person(first, alias)
    own = first.series if path.is_dir() or MARK in path.name else f"{first.series}{path.name}"
    return ListedSeries(
        path=path,
        series=first.series,
        number=first.number,
        modality=first.modality,
        description=description,
        files=len(instances),
        patient=patient,
        subject=f"{patient}-{alias(own)[:_FEW_DIGITS]}",
        grid=grid,
        channels=1 if first.encoding is None else channels_of(first.encoding, Role.IMAGE),
        segmentations=segmentations,
        problems=tuple(findings.problems),
        burned_in=any(each.burned_in for each in instances),
    )


def _person(instance: Instance, alias: Alias) -> tuple[str, str]:
    """The pseudonym of whom an object shows, and the description of its series.

    Where there is no PatientID, each study counts as a patient of its own.
    """
    tags = [pydicom.tag.Tag(name) for name in _PERSON]
    dataset = pydicom.dcmread(instance.file, stop_before_pixels=True, force=True, specific_tags=tags)
    number, issuer, study, description = (str(dataset.get(name) or "").strip() for name in _PERSON)
    whose = f"{issuer}^{number}" if number else study or instance.series
    return f"p-{alias(whose)[:_DIGITS]}", description


def require_series(catalogue: Catalogue, folder: Path) -> None:
    """Raise `InputError` for a folder in which no image of DICOM lies."""
    if not catalogue.series:
        found = [f"{count} x {named}" for named, count in catalogue.others.items()]
        if catalogue.strangers:
            found.append(f"{len(catalogue.strangers)} x a file that is no DICOM")
        got = ", ".join(found) or "no file"
        own = Problem("the folder holds no DICOM image", str(folder), got, "a DICOM export")
        raise InputError([*catalogue.problems, own])
