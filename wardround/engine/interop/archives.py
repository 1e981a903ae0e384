"""Images in one npz archive, in the manner of MedMNIST (Yang et al. 2023): they become files and a manifest.

An archive holds arrays `train_images` and `train_labels`, and the same for `val` and `test`. It is read image by image,
so that its size needs no memory, and nothing in it is unpickled.
"""

from __future__ import annotations

import csv
import io
import math
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import numpy as np

from wardround.engine.basics.files import fsync_folder, require_space
from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.basics.progress import Progress
from wardround.engine.basics.reading import require_file
from wardround.engine.imaging import Geometry, Image, write_image

MANIFEST, FOLDER = "data.csv", "images"
SETS: Mapping[str, str] = MappingProxyType({"train": "train", "val": "validation", "test": "test"})
"""MedMNIST's names of the sets, and those of the column `Split`."""
_COLOURS, _SHOWN = 3, 8
_LEAST_AXES, _MOST_AXES = 2, 3
_LAYOUT = "arrays train_images and train_labels, and the same for val and test"
_COPY = "Copy or download the archive again"


@dataclass(frozen=True)
class Unpacked:
    """What was made of an archive.

    Attributes:
        manifest: the table; the images lie in `images` beside it.
        cases: how many of each set, by its name in `Split`.
        notes: what its owner should know, a sentence each.
    """

    manifest: Path
    cases: Mapping[str, int]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Array:
    """An array of the archive, as its header tells.

    Attributes:
        name: without `.npy`.
        shape: the first axis counts images or rows.
    """

    name: str
    shape: tuple[int, ...]
    kind: np.dtype[np.generic]

    @property
    def item_bytes(self) -> int:
        """Of one image or row."""
        return math.prod(self.shape[1:]) * self.kind.itemsize

    @property
    def is_coloured(self) -> bool:
        """Whether the last axis of these images is red, green and blue rather than a place."""
        return len(self.shape) > 1 + _LEAST_AXES and self.shape[-1] == _COLOURS

    @property
    def axes(self) -> int:
        """Spatial axes of an image."""
        return len(self.shape) - 1 - self.is_coloured


@dataclass(frozen=True)
class _Set:
    """Images and what is known of each."""

    name: str
    images: _Array
    labels: _Array


def import_npz(path: Path, out: Path, shown: Progress) -> Unpacked:
    """Write each image of the archive into `out/images`, and the table `out/data.csv`; `out` is there when both are.

    Raises `InputError` with everything that the headers show to be wrong, before anything is written, and for damage
    that is found in the middle, after which nothing is left.
    """
    require_file(path, "archive")
    _require_new(out)
    with _opened(path) as archive:
        sets, others = _described(archive, path), _others(archive)
        require_space(out, sum(each.images.shape[0] * each.images.item_bytes for each in sets), "the archive's images")
        with _whole(out) as folder:
            (folder / FOLDER).mkdir()
            rows: list[tuple[str, ...]] = []
            for row in (row for each in sets for row in _unpacked(archive, path, each, folder)):
                rows.append(row)
                shown.advance(len(rows), row[0])
            (folder / MANIFEST).write_text(_table(sets, rows), encoding="utf-8")
    counts = {SETS[each.name]: each.images.shape[0] for each in sets}
    return Unpacked(out / MANIFEST, MappingProxyType(counts), (*_notes(sets), *others))


def case_count(path: Path) -> int:
    """How many images an archive has. Raises `InputError` as `import_npz` does."""
    require_file(path, "archive")
    with _opened(path) as archive:
        return sum(each.images.shape[0] for each in _described(archive, path))


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive; what zip says of damage, wherever it is met, in words."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise InputError.one(
            "the archive cannot be read to its end",
            where=str(path),
            got=str(error) or type(error).__name__,
            expected="an npz file, which is a zip of arrays",
            remedy=_COPY,
        ) from None


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """The bytes of an array, from its header on."""
    try:
        return archive.open(f"{name}.npy")
    except RuntimeError as error:  # zip says so of encryption, and of ways to compress that it does not know
        raise zipfile.BadZipFile(str(error)) from None


def _described(archive: zipfile.ZipFile, path: Path) -> tuple[_Set, ...]:
    """The archive's sets by their headers alone."""
    findings, names = Findings(), set(archive.namelist())
    found = [name for name in SETS if f"{name}_images.npy" in names]
    if not found:
        got = ", ".join(sorted(names)[:_SHOWN]) or "an empty archive"
        raise InputError.one("no images are named here", where=str(path), got=got, expected=_LAYOUT)
    sets = []
    for name in found:
        arrays = [_header(archive, f"{name}_{what}", path, findings) for what in ("images", "labels")]
        if arrays[0] is not None and arrays[1] is not None:
            sets.append(_Set(name, arrays[0], arrays[1]))
    findings.extend(flaw for each in sets for flaw in _flaws(each, sets[0], path))
    findings.raise_if_any()
    return tuple(sets)


def _others(archive: zipfile.ZipFile) -> tuple[str, ...]:
    """A note of what the archive has besides, if anything."""
    known = {f"{name}_{what}.npy" for name in SETS for what in ("images", "labels")}
    left = sorted(set(archive.namelist()) - known)
    return (f"not read, for no set is named so: {', '.join(left[:_SHOWN])}",) if left else ()


def _header(archive: zipfile.ZipFile, name: str, path: Path, findings: Findings) -> _Array | None:
    where = f"{path}, array {name}"
    if f"{name}.npy" not in archive.namelist():
        findings.add("the array is not in the archive", where=where, expected=_LAYOUT)
        return None
    try:
        with _member(archive, name) as stream:
            shape, is_fortran, kind = _read_header(stream)
    except ValueError as error:
        findings.add("the array's header cannot be read", where=where, got=str(error), remedy=_COPY)
        return None
    if kind.kind not in "biuf" or is_fortran or not shape:
        got = f"{'a column-wise array of ' if is_fortran else ''}{kind}, shape {shape}"
        expected, remedy = "numbers, row-wise, with one entry for each image", "Save it with numpy.savez_compressed"
        what = "the array is of a kind that is not read"
        findings.add(what, where=where, got=got, expected=expected, remedy=remedy)
        return None
    return _Array(name, shape, kind)


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Shape, whether axes run backwards, and the kind of numbers; the stream then stands at the first of these."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(stream)


def _flaws(found: _Set, first: _Set, path: Path) -> Iterator[Problem]:
    """What is wrong with a set by itself, and beside the first."""
    images, labels = found.images, found.labels
    where = f"{path}, array {images.name}"
    if not _LEAST_AXES <= images.axes <= _MOST_AXES or 0 in images.shape:
        expected = "images of two or three axes, with colours last if they have any"
        yield Problem("these are no images", where, f"shape {images.shape}", expected)
    elif images.shape[1:] != first.images.shape[1:]:
        got, expected = f"{images.shape[1:]}", f"{first.images.shape[1:]}, as in {first.images.name}"
        yield Problem("images of the sets differ in size", where, got, expected)
    if images.axes == _LEAST_AXES and images.kind != np.uint8:
        expected, remedy = "uint8, which PNG holds", "Bring the values to whole numbers from 0 to 255"
        yield Problem("flat images of this kind are not written", where, f"{images.kind}", expected, remedy)
    where = f"{path}, array {labels.name}"
    if len(labels.shape) > _LEAST_AXES or labels.shape[0] != images.shape[0] or 0 in labels.shape:
        got, expected = f"shape {labels.shape}", f"a row for each of the {images.shape[0]} images"
        yield Problem("labels and images do not go together", where, got, expected)
    elif labels.shape[1:] != first.labels.shape[1:]:
        got, expected = f"shape {labels.shape}", f"as many numbers for each image as in {first.labels.name}"
        yield Problem("labels of the sets differ in number", where, got, expected)


def _require_new(out: Path) -> None:
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        what, remedy = "the folder is there already, and nothing is replaced", "Name a new one, or move this one away"
        raise InputError.one(what, where=str(out), expected="a folder that is to be made", remedy=remedy)


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """A folder to write into, which takes the name `out` when all is there."""
    part = out.absolute().with_name(f".{out.name}.wardround-part")
    shutil.rmtree(part, ignore_errors=True)  # what a killed process has left
    part.mkdir(parents=True)
    try:
        yield part
        part.rename(out)
        fsync_folder(part.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _unpacked(archive: zipfile.ZipFile, path: Path, found: _Set, folder: Path) -> Iterator[tuple[str, ...]]:
    """Write the images of a set; a row of the table for each."""
    suffix = ".png" if found.images.axes == _LEAST_AXES else ".nii.gz"
    width = len(str(found.images.shape[0] - 1))
    items = zip(_items(archive, found.images, path), _items(archive, found.labels, path), strict=True)
    for number, (voxels, label) in enumerate(items):
        subject = f"{SETS[found.name]}_{number:0{width}d}"
        file = f"{FOLDER}/{subject}{suffix}"
        write_image(folder / file, _image(voxels, found.images))
        yield subject, file, *(f"{value + 0}" for value in label.ravel().tolist()), SETS[found.name]


def _items(archive: zipfile.ZipFile, array: _Array, path: Path) -> Iterator[np.ndarray]:
    """Each image or row of an array in turn."""
    with _member(archive, array.name) as stream:
        _read_header(stream)
        for number in range(array.shape[0]):
            content = stream.read(array.item_bytes)
            if len(content) < array.item_bytes:
                where, expected = f"{path}, array {array.name}", f"{array.shape[0]} entries, as its header says"
                got = f"{number} entries"
                raise InputError.one("the array ends too early", where=where, got=got, expected=expected, remedy=_COPY)
            item = np.frombuffer(content, array.kind).reshape(array.shape[1:])
            if not np.isfinite(item).all():
                where = f"{path}, array {array.name}, entry {number}"
                raise InputError.one("it holds what is no number", where=where, got="NaN or infinity")
            yield item


def _image(voxels: np.ndarray, array: _Array) -> Image:
    """Colours first; on a grid of 1 mm, for an archive says nothing of it. ITK knows no half precision and no bool."""
    data = np.moveaxis(voxels, -1, 0) if array.is_coloured else voxels[None]
    kinds: dict[str, np.dtype[Any]] = {"b": np.dtype(np.uint8), "f": np.dtype(np.float32)}
    kind = kinds.get(array.kind.kind, array.kind.newbyteorder("="))
    axes = array.axes
    geometry = Geometry(data.shape[1:], (1.0,) * axes, (0.0,) * axes, tuple(np.eye(axes).ravel().tolist()))
    return Image(data.astype(kind), geometry)


def _table(sets: tuple[_Set, ...], rows: list[tuple[str, ...]]) -> str:
    count = math.prod(sets[0].labels.shape[1:])
    truths = ["ValueToPredict"] if count == 1 else [f"ValueToPredict_{number}" for number in range(count)]
    handle = io.StringIO()
    writer = csv.writer(handle, lineterminator="\n")
    writer.writerow(["SubjectID", "Channel_0", *truths, "Split"])
    writer.writerows(rows)
    return handle.getvalue()


def _notes(sets: tuple[_Set, ...]) -> Iterator[str]:
    first = sets[0].images
    yield "the archive does not say who is whom: each image counts as a patient of its own; add PatientID if you know"
    if first.axes == _MOST_AXES:
        yield "the archive has no size of voxels: they are written as 1 mm, along the axes of the array"
    if first.is_coloured:
        yield "the last axis, which has 3 entries, was taken for red, green and blue"
    if len(sets[0].labels.shape) > 1 and sets[0].labels.shape[1] > 1:
        yield f"each image has {sets[0].labels.shape[1]} labels: name them in the study, as in the table's columns"
