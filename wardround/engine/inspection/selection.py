"""Whether the metric that selects the best model is defined by the truth of a validation set at all.

A metric that is undefined there whatever a model says cannot choose: then the last weights are kept, and that is said
before the run starts.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from wardround.engine.basics.problems import Problem
from wardround.engine.cohort.models import Case, Cohort, Split
from wardround.engine.parts import Kind, Owner, answering, builtin_and_plugins
from wardround.engine.preprocessing.labels import classes_of
from wardround.engine.study.models import Study

Truths = Mapping[str, frozenset[int]]
"""By subject the indices in `Study.class_names` that its mask holds, or the one of its value."""
_SIDE = 8
_SHOWN = 3


def selection_notices(
    study: Study, cohort: Cohort, splits: Mapping[str, Split], truths: Truths | None = None
) -> tuple[Problem, ...]:
    """What is worth knowing of the validation sets of some splits: in which the selecting metric is undefined, and
    which classes no mask of them has. Without `truths` only what the table says is known."""
    known = _table_truths(study, cohort) if truths is None or study.task == "classification" else truths
    sets = {name: split.validation for name, split in splits.items()}
    told = {name: [known[case.subject] for case in cases] for name, cases in sets.items() if _all(cases, known)}
    silent = [name for name, found in told.items() if not selects(study, found)]
    heard = {name: found for name, found in told.items() if name not in silent}
    had = frozenset(index for found in known.values() for index in found)
    return (*_undefined(study, cohort, silent, told), *_missing_classes(study, cohort, heard, had))


def selects(study: Study, truths: Sequence[Collection[int]]) -> bool:
    """Whether the study's selecting metric has a value for cases with these classes, if a model is right about all."""
    metric = _selecting(study)
    if study.task == "segmentation":
        present = {frozenset(found) for found in truths}
        return any(_is_in(metric.name, _perfect(study, metric, found)) for found in present)
    targets = np.array([min(found) for found in truths], dtype=np.int64)
    certain = np.eye(len(study.class_names), dtype=np.float32)[targets]
    with answering(_owner(metric)):
        summaries = metric.summarise(certain, targets, study.class_names)
        found = {name: summary.value for name, summary in summaries.items()}
    return _is_in(metric.name, found)


def undefined_on_background(study: Study, metrics: Iterable[Any]) -> frozenset[str]:
    """The names of the metrics that have no value where truth and prediction are background throughout."""
    return frozenset(metric.name for metric in metrics if not _is_in(metric.name, _perfect(study, metric, ())))


def _selecting(study: Study) -> Any:
    use = next(use for use in study.validation.metrics if use.name == study.validation.select)
    return use.part(Kind.METRIC).make(use.parameters)


def _owner(metric: Any) -> Owner:
    return builtin_and_plugins().find(Kind.METRIC, metric.name).owner


def _perfect(study: Study, metric: Any, present: Collection[int]) -> Mapping[str, float]:
    """Scores of a small mask with these classes against itself."""
    axes = study.dimensions
    row = np.repeat(np.array([0, *sorted(present)], dtype=np.uint16), _SIDE)
    mask = np.ascontiguousarray(np.broadcast_to(row, (*(_SIDE,) * (axes - 1), len(row))))
    with answering(_owner(metric)):
        scores: Mapping[str, float] = metric.scores(mask, mask, (1.0,) * axes, study.class_names)
        return scores


def _is_in(name: str, scores: Mapping[str, float]) -> bool:
    return name in scores and math.isfinite(scores[name])


def _table_truths(study: Study, cohort: Cohort) -> Truths:
    """What the table says: the classes of a classification, and nothing of masks."""
    if study.task != "classification":
        return {}
    index = {str(value): place for value, place in classes_of(study).items()}
    return {case.subject: frozenset({index[case.value]}) for case in cohort.cases if case.value in index}


def _all(cases: Sequence[Case], known: Truths) -> bool:
    return bool(cases) and all(case.subject in known for case in cases)


def _undefined(
    study: Study, cohort: Cohort, silent: Sequence[str], told: Mapping[str, Sequence[Collection[int]]]
) -> Iterator[Problem]:
    by_reason: dict[str, list[str]] = defaultdict(list)
    for name in silent:
        by_reason[_reason(study, told[name])].append(name)
    for reason, names in by_reason.items():
        what = f"{study.validation.select} is undefined in {_validation(names)}, {reason}, so it cannot choose weights"
        remedy = (
            "The last weights will be kept. To choose among validations, give the validation set cases "
            f"{'of at least two classes' if study.task == 'classification' else 'with a class in their masks'}"
            ", or let validation.select name another metric"
        )
        yield Problem(what, where=cohort.manifest.name, remedy=remedy)


def _reason(study: Study, truths: Sequence[Collection[int]]) -> str:
    if study.task == "segmentation":
        return "where every mask is empty" if not any(truths) else "with these masks"
    classes = sorted({index for found in truths for index in found})
    return f"where every case is {study.class_names[classes[0]]!r}" if len(classes) == 1 else "with these cases"


def _missing_classes(
    study: Study, cohort: Cohort, told: Mapping[str, Sequence[Collection[int]]], had: frozenset[int]
) -> Iterator[Problem]:
    """Classes of a segmentation that some masks have, but none of a validation set: they are not chosen by."""
    if study.task != "segmentation":
        return
    for index, name in enumerate(study.class_names[1:], start=1):
        without = [place for place, found in told.items() if not any(index in present for present in found)]
        if without and index in had:
            what = f"no mask of {_validation(without)} has the class {name!r}: weights are chosen without it"
            yield Problem(what, where=cohort.manifest.name)


def _validation(names: Sequence[str]) -> str:
    shown = ", ".join(name for name in names[:_SHOWN] if name)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    of = f" of {shown}{more}" if shown else ""
    return f"the validation set{'s' if len(names) > 1 else ''}{of}"
