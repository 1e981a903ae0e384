"""The files of a place that make one image: a series of a folder, or a single file."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.filemarks import FileState, state_of
from wardround.engine.basics.places import MARK, folder_place, waits
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.basics.progress import SILENT, Progress
from wardround.engine.imaging.dicom.objects import Instance, looks_like_dicom, read_instance
from wardround.engine.imaging.formats import unreadable
from wardround.engine.imaging.image import Remark
from wardround.engine.imaging.sources import Source

_START = 140
_SHOWN = 3
_MOST_SHOWN = 8
_LIST = "`wardround dicom FOLDER` lists the series of a folder"
_COPY = "Copy or export the series again"


@dataclass(frozen=True)
class Found:
    """All objects of a place.

    Attributes:
        instances: of all DICOM files that can be read.
        strangers: files that are no DICOM.
    """

    instances: tuple[Instance, ...]
    strangers: tuple[Path, ...]


@dataclass(frozen=True)
class Series:
    """The objects that make one image.

    Attributes:
        path: the place, for messages.
        instances: one per file, in no order.
        remarks: what is allowed, but worth telling.
    """

    path: Path
    instances: tuple[Instance, ...]
    remarks: tuple[Remark, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of its objects."""
        return tuple(each.file for each in self.instances)


def found_at(source: Source) -> Found:
    """All objects that lie where a source leads.

    Raises `InputError` with every file that is damaged, empty or cut short, for it could be one of the image.
    """
    if type(source) is not Source:
        return _sound(source)
    # The header of one image is asked for by several checks; what has not changed is not read again.
    folder = _folder(source.path)
    return _remembered(folder, state_of(folder))


@functools.lru_cache(maxsize=16)
def _remembered(path: Path, state: FileState) -> Found:
    return _sound(Source(path))


def _sound(source: Source) -> Found:
    found, problems = read_objects(source)
    if problems:
        raise InputError(problems)
    return found


def read_objects(source: Source, shown: Progress = SILENT) -> tuple[Found, list[Problem]]:
    """All objects that lie where a source leads, and what is wrong with the files that cannot be read."""
    findings, instances, strangers = Findings(), list[Instance](), list[Path]()
    for done, file in enumerate(source.files, start=1):
        with findings.gather():
            _require_file(source, file)
            start = _start_of(source, file)
            if looks_like_dicom(start):
                instances.append(read_instance(source, file))
            elif start:
                strangers.append(file)
            else:
                raise unreadable(file, "an empty file of 0 bytes", f"{_COPY}; was the disk full?")
        shown.advance(done)
    return Found(tuple(instances), tuple(strangers)), findings.problems


def _require_file(source: Source, file: Path) -> None:
    if type(source) is Source and waits(file):
        remedy = "Move it away from the images, for whoever reads it may wait for ever"
        raise unreadable(file, "a pipe, a socket or a device in the place of a file", remedy)


def _start_of(source: Source, file: Path) -> bytes:
    with source.open(file) as stream:
        return stream.read(_START)


def series_of(source: Source, wanted: str = "image") -> Series:
    """The image series of a place; `wanted` is what messages call what is looked for.

    Raises `InputError` where there is none, or several of which none is chosen, and for every file that is damaged.
    """
    found, place = found_at(source), folder_place(source.path)
    images = [each for each in found.instances if each.is_image]
    if not images:
        raise _without_images(source.path, found, wanted)
    by_series = grouped(images)
    chosen = place.series if place is not None else ""
    if chosen or len(by_series) > 1:
        images = list(_chosen(source.path, by_series, chosen))
    others = [each for each in found.instances if not each.is_image]
    return Series(source.path, tuple(images), tuple(_beside(source.path, others, found.strangers, bool(chosen))))


def grouped(instances: Iterable[Instance]) -> dict[str, list[Instance]]:
    """Objects by their series, in the order in which these are met."""
    by_series: dict[str, list[Instance]] = {}
    for each in instances:
        by_series.setdefault(each.series, []).append(each)
    return by_series


def selector(series: str, number: str, numbers: Counter[str]) -> str:
    """What stands behind `#` for a series: its number, or its UID where several have that."""
    return number if number and numbers[number] == 1 and number.isdigit() else series


def numbers_of(by_series: Mapping[str, Sequence[Instance]]) -> Counter[str]:
    """How many series have each SeriesNumber."""
    return Counter(each[0].number for each in by_series.values())


def _chosen(path: Path, by_series: Mapping[str, list[Instance]], chosen: str) -> Sequence[Instance]:
    if chosen in by_series:
        return by_series[chosen]
    alike = [each for each in by_series.values() if each[0].number == chosen]
    if chosen and len(alike) == 1:
        return alike[0]
    what = "the folder holds several series"
    if chosen:
        what = f"several series have the number {chosen}" if alike else f"the folder holds no series {chosen}"
    numbers = numbers_of(by_series)
    shown = [_told(each, numbers) for each in list(by_series.values())[:_MOST_SHOWN]]
    more = f" and {len(by_series) - _MOST_SHOWN} more" if len(by_series) > _MOST_SHOWN else ""
    first = next(iter(by_series.values()))[0]
    example = selector(first.series, first.number, numbers)
    raise InputError.one(
        what,
        where=str(path),
        got=", ".join(shown) + more,
        expected="one series, or the one that is meant behind #",
        remedy=f"Write its SeriesNumber or SeriesInstanceUID behind the folder, such as "
        f"{_folder(path).name}{MARK}{example}; or give each series a folder of its own. {_LIST}",
    )


def _folder(path: Path) -> Path:
    place = folder_place(path)
    return path if place is None else place.folder


def _told(instances: Sequence[Instance], numbers: Counter[str]) -> str:
    first = instances[0]
    named = f"{MARK}{selector(first.series, first.number, numbers)}"
    counted = "1 file" if len(instances) == 1 else f"{len(instances)} files"
    scout = ", a localizer" if all(each.is_localizer for each in instances) else ""
    return f"{named} ({first.modality or 'no modality'}, {counted}{scout})"


def _without_images(path: Path, found: Found, wanted: str) -> InputError:
    """The error for a place where no image lies."""
    if folder_place(path) is None:
        kind = found.instances[0].kind if found.instances else None
        if kind is None:
            return unreadable(path, "a file that is no DICOM", "Give it the ending of what it is, or export it again")
        return InputError.one(f"this DICOM file holds no {wanted}", where=str(path), got=kind.named, remedy=kind.remedy)
    kinds = Counter(each.kind for each in found.instances)
    named = [f"{count} x {kind.named}" for kind, count in kinds.items()]
    if found.strangers:
        named.append(f"{len(found.strangers)} that are no DICOM ({names(path, found.strangers)})")
    remedy = next(iter(kinds)).remedy if kinds else "Name the folder in which the files of the series lie"
    got = ", ".join(named) if named else "no file"
    return InputError.one(f"the folder holds no {wanted}", where=str(path), got=got, expected="a series", remedy=remedy)


def names(path: Path, files: Iterable[Path]) -> str:
    """A few files by their names within the folder of a place."""
    folder, listed = _folder(path), list(files)
    shown = [str(each.relative_to(folder)) if each.is_relative_to(folder) else each.name for each in listed[:_SHOWN]]
    more = len(listed) - _SHOWN
    return ", ".join(shown) + (f" and {more:,} more" if more > 0 else "")


def _beside(path: Path, others: Sequence[Instance], strangers: Sequence[Path], is_chosen: bool) -> Iterable[Remark]:
    """What lies in the folder of a series and is not read. In a whole export, of which one is chosen, that is usual."""
    if is_chosen:
        return
    listed = [*(each.file for each in others), *strangers]
    if listed:
        yield Remark(
            "files in the folder of a series are no images of it, and are passed over",
            names(path, listed),
            "If they should be slices, export the series again",
        )
