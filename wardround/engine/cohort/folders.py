"""A folder of images as a cohort without truth, for prediction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from wardround.engine.basics.problems import Findings, InputError
from wardround.engine.cohort.models import Case, Cohort
from wardround.engine.study.models import Study

SUFFIXES = (
    *(".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".hdr"),
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"),
)


def folder_cohort(folder: Path, study: Study) -> Cohort:
    """One case per image of `folder`, or per group of images when each holds one of several inputs.

    The subject is the file's name without its ending. Where the study has several inputs and files are named
    `<subject>_<input>`, with the input's name or its number in four digits (`case7_T1w.nii.gz`, `case7_0000.nii.gz`),
    they are grouped; where no file is, each holds all inputs. Files that are no images, and subfolders, are left alone.
    Raises `InputError` with every problem.
    """
    images = _images(folder)
    findings = Findings()
    parts = {path: _subject_and_input(name, study) for name, path in images}
    if len(study.inputs) == 1 or not any(parts.values()):
        groups = _whole_files(images, findings)
    else:
        groups = _grouped(parts, study, findings)
    findings.raise_if_any()
    return Cohort(folder, tuple(_case(subject, files) for subject, files in sorted(groups.items())))


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


def _whole_files(images: list[tuple[str, Path]], findings: Findings) -> dict[str, tuple[Path, ...]]:
    found: dict[str, tuple[Path, ...]] = {}
    for name, path in images:
        if name in found:
            other = found[name][0].name
            findings.add("two files have this subject's name", where=str(path), got=f"{path.name} and {other}")
        found[name] = (path,)
    return found


def _grouped(
    parts: Mapping[Path, tuple[str, int] | None], study: Study, findings: Findings
) -> dict[str, tuple[Path, ...]]:
    groups: dict[str, dict[int, Path]] = defaultdict(dict)
    for path, part in parts.items():
        if part is None:
            known = ", ".join(f"_{name}" for name in study.inputs)
            findings.add("the file's name does not end in an input", where=str(path), expected=f"one of {known}")
        elif part[1] in groups[part[0]]:
            other = groups[part[0]][part[1]].name
            findings.add("two files are the same input", where=str(path), got=f"{path.name} and {other}")
        else:
            groups[part[0]][part[1]] = path
    for subject, files in groups.items():
        for index in sorted({*range(len(study.inputs))} - {*files}):
            findings.add(f"the input {study.inputs[index]!r} has no file", where=f"subject {subject!r}")
    return {subject: tuple(files[index] for index in sorted(files)) for subject, files in groups.items()}


def _case(subject: str, channels: tuple[Path, ...]) -> Case:
    return Case(subject, subject, channels, label=None, value=None, split=None, row=0)
