"""A folder of images as a cohort without truth, for prediction."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.cohort.models import Case, Cohort
from wardround.engine.study.models import Study

SUFFIXES = (
    *(".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr"),
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"),
)


def folder_cohort(folder: Path, study: Study) -> Cohort:
    """One case per image of `folder`, or per group of images when the study has several inputs.

    With one input the subject is the file's name without its ending. With several a file is `<subject>_<input>`, the
    input given by its name in the study or by its number in four digits (`case7_T1w.nii.gz`, `case7_0000.nii.gz`).
    Files that are no images, and subfolders, are left alone. Raises `InputError` with every problem.
    """
    images = _images(folder)
    findings = Findings()
    groups: dict[str, dict[int, list[Path]]] = defaultdict(lambda: defaultdict(list))
    for name, path in images:
        found = (name, 0) if len(study.inputs) == 1 else _subject_and_input(name, study)
        if found is None:
            known = ", ".join(f"_{channel}" for channel in study.inputs)
            findings.add("the file's name does not say which input it is", where=str(path), expected=f"one of {known}")
            continue
        groups[found[0]][found[1]].append(path)
    for subject, channels in sorted(groups.items()):
        _check_group(folder, subject, channels, study, findings)
    findings.raise_if_any()
    cases = (
        _case(subject, tuple(channels[index][0] for index in sorted(channels)))
        for subject, channels in sorted(groups.items())
    )
    return Cohort(folder, tuple(cases))


def _images(folder: Path) -> list[tuple[str, Path]]:
    if not folder.is_dir():
        raise InputError.one("there is no such folder", where=str(folder))
    files = sorted(path.absolute() for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    named = [(_stem(path.name), path) for path in files]
    images = [(stem, path) for stem, path in named if stem is not None]
    if not images:
        raise InputError.one("the folder has no images", where=str(folder), expected=f"files in {', '.join(SUFFIXES)}")
    return images


def _stem(name: str) -> str | None:
    suffix = next((suffix for suffix in SUFFIXES if name.lower().endswith(suffix)), None)
    return None if suffix is None else name[: -len(suffix)]


def _subject_and_input(name: str, study: Study) -> tuple[str, int] | None:
    for index, channel in enumerate(study.inputs):
        for ending in (f"_{channel}", f"_{index:04d}"):
            if name.endswith(ending) and name != ending:
                return name.removesuffix(ending), index
    return None


def _check_group(folder: Path, subject: str, channels: dict[int, list[Path]], study: Study, findings: Findings) -> None:
    where = f"{folder.name}, subject {subject!r}"
    for index, name in enumerate(study.inputs):
        files = channels.get(index, [])
        if not files:
            findings.add(f"the input {name!r} has no file", where=where)
        elif len(files) > 1:
            findings.add("two files have this name", where=where, got=", ".join(path.name for path in files))


def _case(subject: str, channels: tuple[Path, ...]) -> Case:
    return Case(subject, subject, channels, label=None, value=None, split=None, row=0)
