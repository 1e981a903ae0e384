"""Spacings in another unit than mm: files that `resample` would leave next to nothing of, or make enormous.

Where most files of a table agree, those that are far from them are at fault, and otherwise the study is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from wardround.engine.basics.problems import Problem
from wardround.engine.cohort.models import Cohort
from wardround.engine.imaging.image import Geometry
from wardround.engine.preprocessing.orientation import towards
from wardround.engine.study.expectations import flow
from wardround.engine.study.models import Study

_FAR = 50.0
"""No study asks for voxels that are so many times as long or as short: such numbers are of another unit."""
_THOUSAND = (200.0, 5000.0)
"""How many times as long spacings in another unit are, which is a thousandth or a thousand of the right one."""


@dataclass(frozen=True)
class ForeignSpacing(Problem):
    """A spacing of a study that is far from that of a file, `spacing`; `file` is where the table names it."""

    spacing: tuple[float, ...] = ()
    file: str = ""


def foreign_spacings(study: Study, grid: Geometry, where: str) -> Iterator[ForeignSpacing]:
    """A problem if the first spacing that a step asks for is far from that of a file; `where` names the row."""
    found = _resampled(study, grid)
    if found is None:
        return
    index, asked, stored = found
    if _is_far(asked, stored):
        yield ForeignSpacing(
            "the spacing to which images are resampled is far from that of the file",
            where=f"{where}, study's preprocessing.{index}.{study.preprocessing[index].name}.spacing",
            got=f"{flow(list(asked))} for voxels of {_mm(stored)}",
            expected="mm, near the spacing of the files",
            remedy=f"Write the spacing in mm, such as `spacing: {_short(stored)}`, which this file has; or correct "
            "the spacing in the file, if that is wrong",
            spacing=stored,
            file=f"{where}, Channel_0",
        )


def told_of_files(
    problems: Sequence[Problem], study: Study, cohort: Cohort, grids: Mapping[str, Geometry]
) -> list[Problem]:
    """The problems; where most files agree in their spacing, those that do not are told of, and not the study.

    `grids` are those of the first channels as they are stored, by subject, perhaps without those of the cases that are
    told of.
    """
    if not any(isinstance(problem, ForeignSpacing) for problem in problems):
        return [*problems]
    spacings = _by_file(problems, study, cohort, grids)
    usual = _usual([*spacings.values()])
    if usual is None:
        return [_undecided(problem) if isinstance(problem, ForeignSpacing) else problem for problem in problems]
    strangers = {file: stored for file, stored in spacings.items() if _is_far(usual, stored)}
    kept = [problem for problem in problems if not (isinstance(problem, ForeignSpacing) and problem.file in strangers)]
    agreeing = len(spacings) - len(strangers)
    return [*kept, *(_of_file(file, stored, usual, agreeing) for file, stored in strangers.items())]


def _resampled(study: Study, grid: Geometry) -> tuple[int, tuple[float, ...], tuple[float, ...]] | None:
    """The first step that resamples, the spacing that it asks for, and that of a file along the same axes."""
    if grid.dimensions != study.dimensions:
        return None
    answers = study.steps(lambda step: (step.orientation, step.target_spacing))
    for index, (orientation, spacing) in enumerate(answers):
        grid = towards(grid, orientation).apply_to_grid(grid) if orientation else grid
        if spacing is not None:
            return index, spacing, grid.spacing
    return None


def _by_file(
    problems: Sequence[Problem], study: Study, cohort: Cohort, grids: Mapping[str, Geometry]
) -> dict[str, tuple[float, ...]]:
    """The spacing of each file that could be read, by where the table names it, in the order of the table."""
    told = {problem.file: problem.spacing for problem in problems if isinstance(problem, ForeignSpacing)}
    spacings = dict[str, tuple[float, ...]]()
    for case in cohort.cases:
        file, grid = cohort.place(case, "Channel_0"), grids.get(case.subject)
        found = None if grid is None else _resampled(study, grid)
        if file in told:
            spacings[file] = told[file]
        elif found is not None:
            spacings[file] = found[2]
    return spacings


def _usual(spacings: Sequence[tuple[float, ...]]) -> tuple[float, ...] | None:
    """A spacing that is not far from those of more than half of the files; None where no such half agrees."""
    for candidate in dict.fromkeys(spacings):
        if 2 * sum(not _is_far(candidate, other) for other in spacings) > len(spacings):
            near = sorted(other for other in spacings if not _is_far(candidate, other))
            return near[len(near) // 2]
    return None


def _is_far(one: Sequence[float], other: Sequence[float]) -> bool:
    return any(max(first / second, second / first) > _FAR for first, second in zip(one, other, strict=True))


def _undecided(problem: ForeignSpacing) -> ForeignSpacing:
    remedy = "The files of this table differ from each other as much: correct the spacing of those that are not in mm"
    return replace(problem, remedy=remedy)


def _of_file(file: str, stored: tuple[float, ...], usual: tuple[float, ...], agreeing: int) -> Problem:
    return Problem(
        "the spacing of the file is far from that of the other files",
        file,
        f"voxels of {_mm(stored)}",
        f"about {_mm(usual)}, as {agreeing} files of the table have",
        f"{_guess(stored, usual)}Correct the spacing in the header of this file, and of the case's other files that "
        "have it",
    )


def _guess(stored: tuple[float, ...], usual: tuple[float, ...]) -> str:
    """In which unit a spacing may be, where all axes say the same."""
    ratios = [own / other for own, other in zip(stored, usual, strict=True)]
    low, high = _THOUSAND
    if all(low <= ratio <= high for ratio in ratios):
        return "Were micrometres written as mm? "
    return "Were metres written as mm? " if all(1 / high <= ratio <= 1 / low for ratio in ratios) else ""


def _mm(spacing: Sequence[float]) -> str:
    return f"{' x '.join(flow(float(f'{value:.3g}')) for value in spacing)} mm"


def _short(spacing: Sequence[float]) -> str:
    return flow([float(f"{value:.2g}") for value in spacing])
