"""A folder of images as a cohort without truth, for prediction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.problems import Findings, InputError, Problem
from wardround.engine.basics.reading import require_folder
from wardround.engine.cohort.misnamed import lacking_problems
from wardround.engine.cohort.models import Case, Cohort
from wardround.engine.cohort.naming import Reading, Readings, readings_of, settled
from wardround.engine.cohort.spelling import difference, lookalikes
from wardround.engine.cohort.surroundings import (
    images_below,
    like_masks,
    masks_notice,
    own_predictions,
    remedy_for_a_file,
    stem_of,
    without_images,
)
from wardround.engine.study.models import Study


@dataclass(frozen=True)
class Gathered:
    """The cases of a folder that have all their files, and what is wrong with the other files.

    `like_masks` are subjects whose files are called as masks are; `notices` tell of them and of what was not looked at.
    """

    cohort: Cohort
    problems: tuple[Problem, ...]
    left_out: int
    like_masks: tuple[str, ...] = ()
    notices: tuple[Problem, ...] = ()


def folder_cohort(folder: Path, study: Study) -> Cohort:
    """The cases of a folder, as `gather_cases` finds them. Raises `InputError` with every problem of any of them."""
    found = gather_cases(folder, study)
    if found.problems:
        raise InputError(found.problems)
    return found.cohort


def gather_cases(folder: Path, study: Study) -> Gathered:
    """One case per image of `folder`, or per group of images when each holds one of several inputs.

    The subject is the file's name without its ending. Where the study has several inputs and files are named
    `<subject>_<input>`, with the input's name or its number in four digits (`case7_T1w.nii.gz`, `case7_0000.nii.gz`),
    they are grouped (`naming`); where no file is, each holds all inputs. Files that are no images, and subfolders, are
    left alone. A case that lacks an input is left out. Raises `InputError` with every problem if no case is left, or
    if it cannot be told which file is whose.
    """
    images = images_in(folder)
    doubts, lacking = Findings(), Findings()
    readings = {path: readings_of(name, study.inputs) for name, path in images}
    if len(study.inputs) == 1 or not any(readings.values()):
        groups = _whole_files(images, doubts)
        whole = groups
    else:
        groups = _grouped(settled(readings, len(study.inputs)), study, doubts, lacking)
        whole = {subject: files for subject, files in groups.items() if len(files) == len(study.inputs)}
    for one, other in lookalikes(groups):
        doubts.add(
            f"two cases have names that differ only {difference(one, other)}",
            where=str(folder),
            got=f"{one!r} and {other!r}",
            remedy="Rename the files of one of them: alike if they are one case, or so that people see the difference",
        )
    problems = (*doubts.problems, *lacking.problems)
    if doubts.problems or not whole:
        raise InputError(problems)
    cohort = Cohort(folder, tuple(_case(subject, files) for subject, files in sorted(whole.items())))
    masks = like_masks([*whole], study.inputs)
    return Gathered(cohort, problems, len(groups) - len(whole), masks, tuple(_notices(folder, masks, len(whole))))


def _notices(folder: Path, masks: Sequence[str], of: int) -> Iterator[Problem]:
    if masks:
        yield masks_notice(folder, masks, of, "by their names")
    below = images_below(folder)
    if below:
        count, first = sum(map(len, below.values())), next(iter(below))
        yield Problem(
            f"folders below are not looked into, and {'1 image lies' if count == 1 else f'{count:,} images lie'} there",
            where=str(folder),
            got=f"such as {first.relative_to(folder) / below[first][0]}",
            remedy="If they are wanted too, write a table with one row per case and use --manifest",
        )


def images_in(folder: Path) -> list[tuple[str, Path]]:
    """The images of a folder, each with its name without the ending. Raises `InputError` if there is none.

    What a prediction wrote into it is no image.
    """
    require_folder(folder, "a folder of images", remedy_for_a_file(folder))
    files = sorted(path.absolute() for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    own = own_predictions(folder)
    named = [(stem_of(path.name), path) for path in files if path.name not in own]
    images = [(stem, path) for stem, path in named if stem is not None]
    if not images:
        raise without_images(folder, files, len(own))
    return images


def _whole_files(images: list[tuple[str, Path]], findings: Findings) -> dict[str, tuple[Path, ...]]:
    found: dict[str, tuple[Path, ...]] = {}
    for name, path in images:
        if name in found:
            other = found[name][0].name
            findings.add("two files have this subject's name", where=str(path), got=f"{path.name} and {other}")
        found[name] = (path,)
    return found


def _grouped(readings: Readings, study: Study, doubts: Findings, lacking: Findings) -> dict[str, tuple[Path, ...]]:
    groups: dict[str, dict[int, Path]] = defaultdict(dict)
    for path, ways in readings.items():
        if len(ways) > 1:
            _tell_open(path, ways, readings, study, doubts)
        elif ways and ways[0].input in groups[ways[0].subject]:
            other = groups[ways[0].subject][ways[0].input].name
            doubts.add(
                "two files are the same input",
                where=str(path),
                got=f"{path.name} and {other}",
                remedy="Move one of them elsewhere",
            )
        elif ways:
            groups[ways[0].subject][ways[0].input] = path
    lacking.extend(lacking_problems(groups, [path for path, ways in readings.items() if not ways], study.inputs))
    return {subject: tuple(files[index] for index in sorted(files)) for subject, files in groups.items()}


def _tell_open(path: Path, ways: Sequence[Reading], readings: Readings, study: Study, findings: Findings) -> None:
    """A name that can be read in several ways, with what each would need."""
    there = {way for found in readings.values() for way in found}
    told = []
    for way in ways:
        lacking = [name for index, name in enumerate(study.inputs) if Reading(way.subject, index) not in there]
        needs = f", where {' and '.join(map(repr, lacking))} would be missing" if lacking else ""
        told.append(f"input {study.inputs[way.input]!r} of subject {way.subject!r}{needs}")
    findings.add(
        "the file's name can be read in several ways",
        where=str(path),
        got="; or ".join(told),
        expected="one file for every input of a subject",
        remedy="Add the missing file, rename the files, or list them in a table and use --manifest",
    )


def _case(subject: str, channels: tuple[Path, ...]) -> Case:
    return Case(subject, subject, channels, label=None, value=None, split=None, row=0)
