"""Whether the metric that selects the best model is defined by the truth of a validation set at all.

A metric that is undefined there whatever a model says cannot choose: then the last weights are kept, and that is said
before the run starts.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from wardround.engine.basics.problems import Problem
from wardround.engine.cohort.models import Case, Cohort, Split
from wardround.engine.parts import Kind, Owner, answering, builtin_and_plugins
from wardround.engine.study.models import Study
from wardround.engine.targets import target_of

Truths = Mapping[str, Collection[float]]
"""By subject the indices in `Study.class_names` that its mask holds, or the one of its value, or its numbers."""
_SHOWN = 3


def selection_notices(
    study: Study, cohort: Cohort, splits: Mapping[str, Split], truths: Truths | None = None
) -> tuple[Problem, ...]:
    """What is worth knowing of the validation sets of some splits: in which the selecting metric is undefined, and
    which classes no mask of them has. Without `truths` only what the table says is known."""
    known = _table_truths(study, cohort) or truths or {}
    sets = {name: split.validation for name, split in splits.items()}
    told = {name: [known[case.subject] for case in cases] for name, cases in sets.items() if _all(cases, known)}
    silent = [name for name, found in told.items() if not selects(study, found)]
    heard = {name: found for name, found in told.items() if name not in silent}
    had = frozenset(index for found in known.values() for index in found)
    return (*_undefined(study, cohort, silent, told), *_missing_classes(study, cohort, heard, had))


def selects(study: Study, truths: Sequence[Collection[float]]) -> bool:
    """Whether the study's selecting metric has a value for cases with these contents, if a model is right about all."""
    return _is_defined(study, _selecting(study), truths)


def undefined_on_background(study: Study, metrics: Iterable[Any]) -> frozenset[str]:
    """The names of the metrics that have no value where truth and prediction are background throughout."""
    return frozenset(metric.name for metric in metrics if not _is_defined(study, metric, [()]))


def _selecting(study: Study) -> Any:
    use = next(use for use in study.validation.metrics if use.name == study.validation.select)
    return use.part(Kind.METRIC).make(use.parameters)


def _owner(metric: Any) -> Owner:
    return builtin_and_plugins().find(Kind.METRIC, metric.name).owner


def _is_defined(study: Study, metric: Any, truths: Sequence[Collection[float]]) -> bool:
    with answering(_owner(metric)):
        perfect = target_of(study).perfect_scores(study, metric, truths)
        return any(_is_in(metric.name, scores) for scores in perfect)


def _is_in(name: str, scores: Mapping[str, float]) -> bool:
    return name in scores and math.isfinite(scores[name])


def _table_truths(study: Study, cohort: Cohort) -> Truths:
    """What the table says: classes or numbers, and nothing of masks."""
    target = target_of(study)
    found = {case.subject: target.contents(study, case.value) for case in cohort.cases}
    return {subject: contents for subject, contents in found.items() if contents is not None}


def _all(cases: Sequence[Case], known: Truths) -> bool:
    return bool(cases) and all(case.subject in known for case in cases)


def _undefined(
    study: Study, cohort: Cohort, silent: Sequence[str], told: Mapping[str, Sequence[Collection[float]]]
) -> Iterator[Problem]:
    target, by_reason = target_of(study), dict[str, list[str]]()
    for name in silent:
        by_reason.setdefault(target.cause(study, told[name]), []).append(name)
    for reason, names in by_reason.items():
        what = f"{study.validation.select} is undefined in {_validation(names)}, {reason}, so it cannot choose weights"
        remedy = (
            "The last weights will be kept. To choose among validations, give the validation set cases "
            f"{target.selectable}, or let validation.select name another metric"
        )
        yield Problem(what, where=cohort.manifest.name, remedy=remedy)


def _missing_classes(
    study: Study, cohort: Cohort, told: Mapping[str, Sequence[Collection[float]]], had: frozenset[float]
) -> Iterator[Problem]:
    """Classes of a segmentation that some masks have, but none of a validation set: they are not chosen by."""
    word = "region" if study.regions else "class"
    for name, classes in target_of(study).structures(study).items():
        without = [place for place, found in told.items() if not any(classes & {*present} for present in found)]
        if without and classes & had:
            what = f"no mask of {_validation(without)} has the {word} {name!r}: weights are chosen without it"
            yield Problem(what, where=cohort.manifest.name)


def _validation(names: Sequence[str]) -> str:
    shown = ", ".join(name for name in names[:_SHOWN] if name)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    of = f" of {shown}{more}" if shown else ""
    return f"the validation set{'s' if len(names) > 1 else ''}{of}"
