"""Classes of a segmentation that no mask has: of a whole table, or of those that a model or its preprocessing learns
from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from wardround.engine.basics.problems import Problem
from wardround.engine.cohort.models import Cohort, Split
from wardround.engine.inspection.selection import Truths
from wardround.engine.parts.preprocessing.fitted import FittedParameters
from wardround.engine.preprocessing.fitting import fitted_places
from wardround.engine.study.labels import spoken
from wardround.engine.study.models import Study
from wardround.engine.targets import target_of

_SCORED = (
    "where a model finds it all the same, that image has the worst score for it, which is in the mean over the "
    "classes; elsewhere it is left out of the mean"
)


def unseen_classes(study: Study, cohort: Cohort, splits: Mapping[str, Split], truths: Truths) -> Iterator[Problem]:
    """What is worth knowing of classes without a voxel, once the masks are read: `truths` has those of each case."""
    if not truths:
        return
    had = frozenset(index for found in truths.values() for index in found)
    word, values = ("region", study.regions) if study.regions else ("class", study.classes)
    for name, classes in target_of(study).structures(study).items():
        without = [place for place, split in splits.items() if not _is_taught(classes, split, truths)]
        if not classes & had:
            yield Problem(
                f"no mask has the {word} {name!r} ({spoken(values[name])})",
                where=cohort.manifest.name,
                remedy=f"It can be neither learned nor scored here: {_SCORED}. Look whether the study gives it the "
                "right value",
            )
        elif without:
            yield Problem(
                f"no mask of the training set{_of(without)} has the {word} {name!r}: it cannot be learned there, but "
                "is scored where another mask has it",
                where=cohort.manifest.name,
            )


def unfittable(study: Study, cohort: Cohort, splits: Mapping[str, Split], truths: Truths) -> Iterator[Problem]:
    """Splits that nothing can be learned of, once the masks are read: steps of preprocessing are fitted to the voxels
    of classes, and no training mask has one."""
    parameters = [study.preprocessing[place].parameters for place in fitted_places(study)]
    if not any(isinstance(each, FittedParameters) and each.within == "foreground" for each in parameters):
        return
    unknown = (1,)  # a mask that was not read may have any
    without = [name for name, each in splits.items() if not any(truths.get(row.subject, unknown) for row in each.train)]
    if without:
        yield Problem(
            f"no mask of the training set{_of(without)} has a voxel of a class, to which preprocessing is fitted",
            where=cohort.manifest.name,
            remedy="Give the table more cases with masks, or have the steps learn `within: nonzero` or `within: all`",
        )


def _is_taught(classes: frozenset[int], split: Split, truths: Truths) -> bool:
    """Whether a training mask has one of these classes, or is not known yet."""
    return any(classes & {*truths.get(case.subject, classes)} for case in split.train)


def _of(names: list[str]) -> str:
    named = [name for name in names if name]
    return f"{'s' if len(named) > 1 else ''} of {', '.join(named)}" if named else ""
