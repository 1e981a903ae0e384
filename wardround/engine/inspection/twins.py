"""Which rows of a cohort show the same image, found with as little reading as will do."""

from __future__ import annotations

import hashlib
import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from wardround.engine.basics.canonical import sha256_hex
from wardround.engine.basics.dicom import REFUSING, Dicom
from wardround.engine.basics.problems import InputError
from wardround.engine.cohort.models import Case, Cohort
from wardround.engine.cohort.twins import Content, said_by, voxels_digest
from wardround.engine.imaging.holding import read_digest, read_files, size_or_none
from wardround.engine.imaging.reading import label_grid, read_image, read_label
from wardround.engine.inspection.notices import CaseFacts

VOXELS_READ = 1 << 24
"""So many voxels of images that could be the same are decoded while only headers are asked for: about a second."""
_EDGE = 1 << 14

Key = TypeVar("Key")


def contents_of(
    cohort: Cohort, facts: Mapping[str, CaseFacts], dicom: Dicom = REFUSING
) -> tuple[dict[str, Content], bool]:
    """The content of every row that has a twin, or may have one; and whether every image was compared.

    Where voxels were read, all are compared. Otherwise only images of equal size can be the same: those are decoded if
    they are few and small, or else compared by their files' bytes, which finds copies but no other form of one image.
    """
    read = {subject: fact.content for subject, fact in facts.items() if fact.content is not None}
    if len(read) == len(facts):
        return read, True
    cases = [case for case in cohort.cases if case.subject in facts]
    alike = _in_groups(cases, lambda case: (len(case.channels), facts[case.subject].shape))
    voxels = sum(math.prod(facts[case.subject].shape) for case in alike)
    decoded = voxels <= VOXELS_READ
    images = {case.subject: _decoded(case.channels, dicom) for case in alike} if decoded else _copies(alike, facts)
    twins = _in_groups([case for case in alike if images.get(case.subject)], lambda case: images[case.subject])
    return {case.subject: Content(images[case.subject], _truth(case, dicom)) for case in twins}, decoded or not alike


def copies_of(cohort: Cohort, facts: Mapping[str, CaseFacts]) -> dict[str, Content]:
    """The rows whose images are the same bytes as another's; no truth is read, so none repeats another."""
    cases = [case for case in cohort.cases if case.subject in facts]
    return {subject: Content(digest, f"not read: {subject}") for subject, digest in _copies(cases, facts).items()}


def _in_groups(cases: Sequence[Case], key: Callable[[Case], Key]) -> list[Case]:
    """The cases that share their key with another one."""
    groups: dict[Key, list[Case]] = defaultdict(list)
    for case in cases:
        groups[key(case)].append(case)
    return [case for group in groups.values() if len(group) > 1 for case in group]


def _decoded(paths: Iterable[Path], dicom: Dicom) -> str:
    """The digest of a case's channels; empty where they cannot be read, which others tell."""
    try:
        return voxels_digest(channel for path in paths for channel in read_image(path, dicom).data)
    except (InputError, OSError):
        return ""


def _copies(cases: Sequence[Case], facts: Mapping[str, CaseFacts]) -> dict[str, str]:
    """Digests of the files of cases that are the same bytes as another's, as far as size and both ends tell."""
    alike = _in_groups(cases, lambda case: facts[case.subject].sizes or tuple(map(size_or_none, case.channels)))
    close = _in_groups(alike, lambda case: tuple(map(_edges, case.channels)))
    return {case.subject: sha256_hex("".join(map(_bytes, case.channels)).encode()) for case in close}


def _edges(path: Path) -> str:
    """A digest of the first and last bytes; of a series, of those of all its files, in any order."""
    try:
        return sha256_hex("".join(sorted(map(_edges_of, read_files(path)))).encode())
    except (InputError, OSError):
        return str(path)


def _edges_of(file: Path) -> str:
    with file.open("rb") as stream:
        start = stream.read(_EDGE)
        stream.seek(-min(_EDGE, file.stat().st_size), os.SEEK_END)
        return hashlib.sha256(start + stream.read()).hexdigest()


def _bytes(path: Path) -> str:
    try:
        return read_digest(path)
    except (InputError, OSError):
        return str(path)


def _truth(case: Case, dicom: Dicom) -> str:
    if case.targets:
        return _decoded(case.targets, dicom) or ", ".join(map(str, case.targets))
    if case.label is None:
        return said_by(case)
    try:
        grid = label_grid(case.label, case.channels[0], dicom)
        return voxels_digest([read_label(case.label, grid, dicom)[0].astype("int64")])
    except (InputError, OSError):
        return str(case.label)
