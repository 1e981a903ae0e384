"""Values of masks into classes, and what is said of values that no class of the study names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from wardround.engine.basics.blocks import blocks, counts
from wardround.engine.basics.problems import Problem
from wardround.engine.preprocessing.ways_out import has_no_background, ways_out
from wardround.engine.study import Study
from wardround.engine.study.labels import LARGEST_VALUE, spoken

_SHOWN_VALUES = 8
_SHOWN_CASES = 3
_LIKE_AN_IMAGE = 256
"""More different values than this are no mask, even where values that no class names count as background."""
_NO_BACKGROUND = "no voxel of the mask is 0 (background), and it has values outside the study's classes"


@dataclass(frozen=True)
class UnnamedValues(Problem):
    """Values of one mask that no class names.

    Attributes:
        subject: whose mask it is.
        counts: its voxels, by value.
        found: all values of the mask, those of classes too.
        study: whose classes do not name them.
    """

    subject: str = ""
    counts: tuple[tuple[int, int], ...] = ()
    found: frozenset[int] = frozenset()
    study: Study | None = field(default=None, compare=False)


def classes_of(study: Study) -> dict[int, int]:
    """The index in `Study.class_names` of each value that a class names, the background's 0 among them."""
    return {value: index for index, values in enumerate(study.values_by_class.values()) for value in values}


def value_counts(mask: np.ndarray) -> dict[int, int]:
    """How many voxels have each value, by value in rising order."""
    if mask.size and 0 <= int(mask.min()) <= int(mask.max()) <= LARGEST_VALUE:
        found = counts(mask, int(mask.max()) + 1)  # much quicker than sorting
        return {int(value): int(found[value]) for value in np.flatnonzero(found)}
    values, voxels = np.unique(mask, return_counts=True)
    return dict(zip(values.tolist(), voxels.tolist(), strict=True))


def label_problem(study: Study, subject: str, where: str, found: Mapping[int, int]) -> Problem | None:
    """What keeps a mask with these values from being read with the study's classes; None if nothing does."""
    known = classes_of(study)
    if found and found.keys() <= {*study.ignored_values}:
        remedy = "Leave the case out, or give the voxels that were looked at their classes, and 0 where there is none"
        got = f"only {spoken(study.ignored_values)}"
        return Problem("every voxel of the mask is ignored", where, got, named_values(study), remedy)
    unnamed = {value: count for value, count in found.items() if value not in {*known, *study.ignored_values}}
    if unnamed and study.rest == "error":
        told = found if has_no_background(found) else unnamed
        return UnnamedValues(
            _NO_BACKGROUND if told is found else "the mask has values outside the study's classes",
            where,
            _of_mask(told),
            named_values(study),
            ways_out(study, found),
            subject=subject,
            counts=tuple(told.items()),
            found=frozenset(found),
            study=study,
        )
    if len(unnamed) > _LIKE_AN_IMAGE:
        got = f"{len(found):,} different values from {min(found)} to {max(found)}"
        remedy = "Name the mask's file in the column Label; if it is the right one, correct its values"
        return Problem("this is an image, or another file, in the place of a mask", where, got, "a mask", remedy)
    return None


def class_indices(study: Study, mask: np.ndarray, found: Mapping[int, int]) -> np.ndarray:
    """The mask as indices in `Study.class_names`, uint8 where they fit; what no class names is background. What the
    study ignores has `Study.ignored_class`.

    `found` has the mask's values in rising order.
    """
    known, present = classes_of(study), np.asarray([*found])
    if study.ignored_class is not None:
        known |= dict.fromkeys(study.ignored_values, study.ignored_class)
    kind = np.uint8 if study.mask_indices <= 256 else np.uint16
    indices = np.empty(mask.shape, dtype=kind)
    classes = np.asarray([known.get(value, 0) for value in found], dtype=kind)
    is_table = bool(len(present)) and present[0] >= 0 and present[-1] <= LARGEST_VALUE
    table = np.zeros(int(present[-1]) + 1 if is_table else 0, dtype=kind)
    if is_table:
        table[present] = classes
    for part, values in zip(blocks(indices), blocks(mask), strict=True):
        if is_table:
            np.take(table, values, out=part)
        else:
            part[...] = classes[np.searchsorted(present, values)]
    return indices


def counted(study: Study, label: np.ndarray) -> np.ndarray:
    """A mask with background in place of what the study ignores; the same array where it ignores nothing."""
    ignored = study.ignored_class
    return label if ignored is None else np.where(label == ignored, np.zeros((), label.dtype), label)


def named_values(study: Study) -> str:
    """`0 (background), 1, 2 or 4 (tumour), 3 (edema), 255 (ignored)`."""
    ignored = {} if study.ignore is None else {"ignored": study.ignored_values}
    return ", ".join(f"{spoken(values)} ({name})" for name, values in {**study.values_by_class, **ignored}.items())


def together(problems: Iterable[Problem], where: str) -> list[Problem]:
    """Problems in which those of all masks with values that no class names are one, in the place of the first.

    Masks that are the truth and predictions are told apart.
    """
    told = list(problems)
    for what in dict.fromkeys(problem.what for problem in told if isinstance(problem, UnnamedValues)):
        unnamed = [problem for problem in told if isinstance(problem, UnnamedValues) and problem.what == what]
        if len(unnamed) > 1:
            told[told.index(unnamed[0])] = _joined(unnamed, where)
            told = [problem for problem in told if problem not in unnamed]
    return told


def _joined(unnamed: Sequence[UnnamedValues], where: str) -> Problem:
    subjects: dict[int, list[str]] = defaultdict(list)
    for problem in unnamed:
        for value, _ in problem.counts:
            subjects[value].append(problem.subject)
    found = frozenset[int]().union(*(problem.found for problem in unnamed))
    study = unnamed[0].study
    remedy = unnamed[0].remedy if study is None else ways_out(study, found)
    return Problem(
        f"in {len(unnamed)} cases {unnamed[0].what}", where, _of_masks(subjects), unnamed[0].expected, remedy
    )


def _voxels(count: int) -> str:
    return "1 voxel" if count == 1 else f"{count:,} voxels"


def _cases(subjects: Sequence[str]) -> str:
    shown = ", ".join(repr(subject) for subject in subjects[:_SHOWN_CASES])
    more = f" and {len(subjects) - _SHOWN_CASES} more" if len(subjects) > _SHOWN_CASES else ""
    return f"{len(subjects)} {'case' if len(subjects) == 1 else 'cases'} ({shown}{more})"


def _of_mask(counts: Mapping[int, int]) -> str:
    if len(counts) > _SHOWN_VALUES:
        return f"{_range(counts)} in {_voxels(sum(counts.values()))}"
    return ", ".join(f"{value} in {_voxels(count)}" for value, count in counts.items())


def _of_masks(subjects: Mapping[int, Sequence[str]]) -> str:
    if len(subjects) > _SHOWN_VALUES:
        return (
            f"{_range(subjects)} in {_cases([*dict.fromkeys(name for names in subjects.values() for name in names)])}"
        )
    return "; ".join(f"{value} in {_cases(subjects[value])}" for value in sorted(subjects))


def _range(values: Collection[int]) -> str:
    return f"{len(values):,} values between {min(values)} and {max(values)}"
