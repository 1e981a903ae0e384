"""Files of a folder whose names fit no input, or no whole case, told with the case that they may belong to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wardround.engine.basics.problems import Problem
from wardround.engine.cohort.naming import SEPARATORS
from wardround.engine.cohort.surroundings import like_masks, stem_of

Groups = Mapping[str, Mapping[int, Path]]
"""The files of each subject by the place of their input among the study's."""


@dataclass
class _Sorted:
    """Files by the case that they may belong to, the cases that are told with another one, and what is left."""

    near: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    halves: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


def lacking_problems(groups: Groups, unfit: Iterable[Path], inputs: Sequence[str]) -> list[Problem]:
    """One problem for each case that lacks inputs and for each file that fits none.

    A file that may be what a case lacks is told with that case: no name is proposed from which a new case would arise.
    """
    partial = {subject: files for subject, files in groups.items() if len(files) < len(inputs)}
    found = _Sorted()
    for subject in sorted(partial, key=len):
        _sort_half(subject, partial, found)
    for path in unfit:
        _sort_file(path, groups, inputs, found)
    told = [subject for subject in partial if subject not in found.halves]
    return [*found.problems, *(_of_case(subject, partial[subject], found.near[subject], inputs) for subject in told)]


def _sort_half(subject: str, partial: Groups, found: _Sorted) -> None:
    """A case whose name goes on after that of another one, where each has what the other lacks: perhaps one case."""
    owner = _owner(subject, (name for name in partial if name != subject and name not in found.halves))
    if owner is not None and partial[subject].keys().isdisjoint(partial[owner]):
        found.halves.add(subject)
        found.near[owner].extend(partial[subject].values())


def _sort_file(path: Path, groups: Groups, inputs: Sequence[str], found: _Sorted) -> None:
    stem = stem_of(path.name) or path.name
    owner = _owner(stem, (name for name in groups if name not in found.halves))
    is_whole = owner is not None and len(groups[owner]) == len(inputs)
    if owner is None or is_whole or like_masks([stem], inputs):
        found.problems.append(_of_file(path, owner if is_whole else None, inputs))
    else:
        found.near[owner].append(path)


def _owner(stem: str, subjects: Iterable[str]) -> str | None:
    """The subject with which a name begins, the longest if there are several."""
    return max((name for name in subjects if _begins(stem, name)), key=len, default=None)


def _begins(stem: str, subject: str) -> bool:
    rest = stem[len(subject) :]
    if not stem.lower().startswith(subject.lower()):
        return False
    return not rest or rest[0] in SEPARATORS or (subject[-1].isdigit() and rest[0].isalpha())


def _of_file(path: Path, whole: str | None, inputs: Sequence[str]) -> Problem:
    """A file of which nothing tells whose image it is; or of a case that has them all."""
    ending = _ending(path)
    names = " or ".join(f"<case>_{name}{ending}" for name in inputs)
    has_all = f"{whole!r} has all its inputs already: move this file elsewhere"
    return Problem(
        "the file's name does not end in an input",
        where=str(path),
        expected=f"one of {', '.join(f'_{name}' for name in inputs)}",
        remedy=has_all if whole else f"Rename it to {names}, by what it shows and whose it is, or move it elsewhere",
    )


def _of_case(subject: str, files: Mapping[int, Path], near: Sequence[Path], inputs: Sequence[str]) -> Problem:
    lacking = [name for index, name in enumerate(inputs) if index not in files]
    has = f"the input {lacking[0]!r} has" if len(lacking) == 1 else f"the inputs {_and(map(repr, lacking))} have"
    others = (
        f", and {_and(path.name for path in near)} fit{'s' if len(near) == 1 else ''} no whole case" if near else ""
    )
    return Problem(
        f"{has} no file{others}",
        where=f"subject {subject!r}",
        got=", ".join(path.name for path in files.values()),
        expected=f"{_and(f'{subject}_{name}' for name in lacking)} as well",
        remedy=_remedy(subject, files, near, lacking),
    )


def _remedy(subject: str, files: Mapping[int, Path], near: Sequence[Path], lacking: Sequence[str]) -> str:
    """How a case gets what it lacks, or goes."""
    own = [path.name for path in files.values()]
    wanted = _and(f"'{subject}_{name}{_ending(next(iter(files.values())))}'" for name in lacking)
    put = f"ut {wanted} there, or take {_and(map(repr, own))} out"
    if not near:
        return f"P{put}"
    renamed = " or ".join(f"'{subject}_{name}{_ending(near[0])}'" for name in lacking)
    if len(near) == 1 and len(lacking) == 1:
        return f"If {near[0].name} is the {lacking[0]} of {subject!r}, rename it to {renamed}; otherwise p{put}"
    which = f"{near[0].name} is" if len(near) == 1 else f"one of {', '.join(path.name for path in near)} is"
    what = f"the {lacking[0]}" if len(lacking) == 1 else f"the {' or the '.join(lacking)}"
    return f"If {which} {what} of {subject!r}, rename it to {renamed}; otherwise p{put}"


def _ending(path: Path) -> str:
    return path.name.removeprefix(stem_of(path.name) or "")


def _and(words: Iterable[str]) -> str:
    return " and ".join(words)
