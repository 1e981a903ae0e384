"""What is wrong with images for a model that is trained: it stays as it is, so it is the images that must change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from wardround.engine.basics.problems import Problem
from wardround.engine.cohort.models import Cohort
from wardround.engine.inspection.headers import OTHER_AXES, OTHER_CHANNELS
from wardround.engine.inspection.inputs import ONE_OF_SEVERAL
from wardround.engine.study.models import Study

_KINDS: Mapping[int, str] = MappingProxyType({2: "flat images, with 2 axes", 3: "volumes, with 3 axes"})
_OF_KIND = frozenset({OTHER_AXES, OTHER_CHANNELS, ONE_OF_SEVERAL})


def for_model(problems: Sequence[Problem], study: Study, cohort: Cohort) -> tuple[Problem, ...]:
    """Problems of headers, with a remedy that concerns the images; a folder that is wrong as a whole is one problem."""
    misfits = [problem for problem in problems if problem.what == OTHER_AXES]
    files = sum(len(case.channels) for case in cohort.cases)
    if misfits and len(misfits) == files:
        problems = [_all_wrong(study, cohort, files), *(each for each in problems if each.what not in _OF_KIND)]
    return tuple(_reworded(problems, study, cohort))


def _all_wrong(study: Study, cohort: Cohort, files: int) -> Problem:
    wanted = study.dimensions
    return Problem(
        OTHER_AXES,
        where=str(cohort.manifest),
        got=f"{_KINDS[5 - wanted]}, in all of {files} files",
        expected=_KINDS[wanted],
        remedy=_choose(study),
    )


def _choose(study: Study) -> str:
    whose = f"This model (study {study.study}, {study.task})"
    return f"{whose} is for {_KINDS[study.dimensions]}: choose another model, or other images"


def _reworded(problems: Sequence[Problem], study: Study, cohort: Cohort) -> Iterator[Problem]:
    is_folder = cohort.manifest.is_dir() and len(study.inputs) > 1
    for problem in problems:
        if problem.what == OTHER_AXES:
            yield replace(problem, remedy=_choose(study))
        elif problem.what in (OTHER_CHANNELS, ONE_OF_SEVERAL) and is_folder:
            yield replace(problem, remedy=_call(study, cohort))
        else:
            yield problem


def _call(study: Study, cohort: Cohort) -> str:
    """How the files of a folder are called of which none names its input."""
    case = cohort.cases[0]
    if len(case.channels) > 1:
        return "Give one grey file per input"
    ending = case.channels[0].name.removeprefix(case.subject)
    names = ", ".join(f"{case.subject}_{name}{ending}" for name in study.inputs)
    endings = " or ".join(f"_{name}" for name in study.inputs)
    return f"No name ends in {endings}: call the files of a case {names}, or list them in a table and use --manifest"
