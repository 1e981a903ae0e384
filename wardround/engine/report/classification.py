"""How well each class is told from the others: what was taken for what, rates, curves and calibration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from wardround.engine.metrics.class_rates import ClassRates, area, class_rates, one_by_one, rates_from
from wardround.engine.metrics.scores import Summary
from wardround.engine.report.agreement import Pair
from wardround.engine.report.calibration import add_calibration
from wardround.engine.report.confusion import add_confusion
from wardround.engine.report.operating_curves import add_operating_curves
from wardround.engine.report.page import Page, number
from wardround.engine.report.words import UNDEFINED, counted
from wardround.engine.study import Study
from wardround.engine.targets import Told, row_target_of

_THRESHOLDS = tuple(tenth / 10 for tenth in range(1, 10))
_COUNTS = ("found", "missed", "false alarms")
_RATES = ("sensitivity", "specificity", "precision", "F1")


@dataclass(frozen=True)
class Answers:
    """Predictions of the cases whose truth is known.

    Attributes:
        names: of the classes or labels, as the columns of `vectors`.
        vectors: (cases, classes) probabilities.
        truths: (cases,) indices of classes, or (cases, labels) 0, 1 or NaN.
    """

    names: tuple[str, ...]
    vectors: np.ndarray
    truths: np.ndarray

    @classmethod
    def of(cls, study: Study, pairs: Sequence[Pair]) -> Answers | None:
        """None where no truth is known."""
        target = row_target_of(study)
        known = [(vector, target.truth(study, told)) for vector, told in pairs if told != Told()]
        if not known:
            return None
        return cls(study.outputs, np.stack([vector for vector, _ in known]), np.array([truth for _, truth in known]))

    @property
    def chance(self) -> float:
        """The part of the cases of a class that somebody finds who guesses."""
        return 0.5 if self.truths.ndim > 1 else 1 / len(self.names)


def hardly_found(study: Study, pairs: Sequence[Pair]) -> list[str]:
    """A sentence for each class that some cases have and that is never predicted, or found less often than by chance:
    an accuracy can be high all the same."""
    answers = Answers.of(study, pairs)
    if answers is None:
        return []
    rates = class_rates(answers.vectors, answers.truths, answers.names)
    return [sentence for each in rates for sentence in _about(each, answers)]


def _about(rates: ClassRates, answers: Answers) -> Iterator[str]:
    cases, kinds = rates.cases, "two" if answers.truths.ndim > 1 else str(len(answers.names))
    if rates.sensitivity is None or rates.sensitivity.value >= answers.chance:
        return
    if not cases.found:
        yield f"no case was taken for {rates.name!r}, of which there {_are(cases.expected)}"
    else:
        yield (
            f"only {cases.both} of {counted(cases.expected, 'case')} of {rates.name!r} found "
            f"({rates.sensitivity.value:.0%}); a guess among {kinds} finds {answers.chance:.0%}"
        )


def _are(count: int) -> str:
    return "is 1" if count == 1 else f"are {count:,}"


def add_classification(page: Page, study: Study, pairs: Sequence[Pair]) -> None:
    """What was taken for what, the rates of each class with their intervals, ROC and precision over recall, the same
    rates at other thresholds, and how far probabilities come true."""
    answers = Answers.of(study, pairs)
    if answers is None:
        return
    page.heading("How the classes are told apart")
    if answers.truths.ndim == 1:
        add_confusion(page, answers.names, answers.truths, answers.vectors.argmax(axis=1))
    _add_rates(page, answers)
    add_operating_curves(page, answers.names, answers.vectors, answers.truths)
    if answers.truths.ndim == 1 and len(answers.names) == 2:
        _add_thresholds(page, answers)
    add_calibration(page, study, answers.vectors, answers.truths)


def _add_rates(page: Page, answers: Answers) -> None:
    areas = {
        name: area(some, known) for name, some, known in one_by_one(answers.vectors, answers.truths, answers.names)
    }
    rows = [
        [each.name, str(each.cases.expected), str(each.cases.found), *_cells(each), _with_interval(areas[each.name])]
        for each in class_rates(answers.vectors, answers.truths, answers.names)
    ]
    page.table(
        ["class", "cases", "predicted", *_RATES, "AUC"],
        rows,
        "Each class against all others, with 95 % confidence intervals. Sensitivity: how many of its cases are found. "
        "Specificity: how many of the others are not taken for it. Precision: how many taken for it are of it. "
        "F1: the harmonic mean of sensitivity and precision. AUC: how often a case of it has the higher probability.",
    )


def _add_thresholds(page: Page, answers: Answers) -> None:
    name, probabilities, positive = answers.names[1], answers.vectors[:, 1], answers.truths == 1
    rows = []
    for threshold in _THRESHOLDS:
        rates = rates_from(threshold, probabilities, positive, name)
        counts = rates.cases.both, rates.cases.false_negatives, rates.cases.false_positives
        rows.append([f"{threshold:g}", *map(str, counts), *_cells(rates)])
    page.table(
        ["probability", *_COUNTS, *_RATES],
        rows,
        f"{name!r} if a case counted as it from this probability on; predictions take the more probable class. Choose "
        "another threshold by validation cases, not by those that the model is judged by.",
    )


def _cells(rates: ClassRates) -> list[str]:
    return [_with_interval(each) for each in (rates.sensitivity, rates.specificity, rates.precision, rates.f1)]


def _with_interval(score: Summary | None) -> str:
    if score is None:
        return UNDEFINED
    if score.interval is None:
        return number(score.value)
    return f"{number(score.value)} ({number(score.interval.low)} to {number(score.interval.high)})"
