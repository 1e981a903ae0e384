"""Which numbers may cross from a site to the aggregator: by name, each within its range.

Worker and courier at the site, and the aggregator's inspector, read it here: what one lets out the other takes in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wardround.engine.parts import Bounds, Kind
from wardround.engine.study import Study
from wardround.federation.protocol import Leaves, MetricValue

TEST_PREFIX = "test."
"""Marks a metric over test cases, which are scored once, after the last round."""
LOSS = "loss"
LOSSES = Bounds(-1e12, 1e12)
SECONDS = Bounds(0.0, 1e12)
MOST_CASES = 10_000_000
"""No hospital has as many; sums over all hospitals and rounds stay far from any overflow."""


class UndeclaredError(Exception):
    """A number that may not pass. The text is made of fixed words, numbers and names of the study's own."""


@dataclass(frozen=True)
class Subsets:
    """Over how many cases metrics may be at most. `test` is None where no metric of test cases belongs."""

    validation: int
    test: int | None = None


@dataclass(frozen=True)
class Declared:
    """The scores that leave a site, by name (`dice`, `dice.anterior`, `loss`), each with its range."""

    scores: Mapping[str, Bounds]
    tests: bool

    @classmethod
    def of(cls, study: Study, leaves: Leaves | None = None) -> Declared:
        """A study's metrics, each of them by output, and the loss; of these what the plan lets leave, or all."""
        allowed = leaves or Leaves()
        scores = {LOSS: LOSSES}
        for use in study.validation.metrics:
            bounds = use.part(Kind.METRIC).bounds
            scores |= dict.fromkeys((use.name, *(f"{use.name}.{label}" for label in study.outputs)), bounds)
        return cls({name: bounds for name, bounds in scores.items() if allowed.lets_out(name)}, allowed.test)

    def check_scores(self, metrics: Mapping[str, MetricValue], subsets: Subsets) -> None:
        """Raise `UndeclaredError` unless every name, value and count is one that may leave a site."""
        unknown = [name for name in metrics if name.removeprefix(TEST_PREFIX) not in self.scores]
        if unknown:
            raise UndeclaredError(f"{len(unknown)} metrics that the plan does not declare")
        for name, metric in metrics.items():
            self._check_score(name, metric, subsets)

    def check_loss(self, loss: float | None) -> None:
        """Raise `UndeclaredError` unless a training loss may leave a site."""
        if loss is None:
            return
        if LOSS not in self.scores:
            raise UndeclaredError("a training loss, which the plan does not declare")
        check_number("the training loss", loss, LOSSES)

    def _check_score(self, name: str, metric: MetricValue, subsets: Subsets) -> None:
        tested = name.startswith(TEST_PREFIX)
        if tested and not self.tests:
            raise UndeclaredError(f"{name}, a metric of test cases, which the plan does not declare")
        most = subsets.test if tested else subsets.validation
        if most is None:
            raise UndeclaredError(f"{name}, a metric of test cases, before the last round is over")
        if metric.count > most:
            raise UndeclaredError(f"{name} over {metric.count} cases, where the site has {most} to score")
        check_number(name, metric.value, self.scores[name.removeprefix(TEST_PREFIX)])


def check_number(name: str, value: float, bounds: Bounds) -> None:
    """Raise `UndeclaredError` unless `value` lies within `bounds`."""
    if not bounds.hold(value):
        raise UndeclaredError(f"{name} is {value:g}, outside {bounds.least:g} to {bounds.most:g}")


def check_cases(name: str, count: int) -> None:
    """Raise `UndeclaredError` for a number of cases that no hospital has."""
    if count > MOST_CASES:
        raise UndeclaredError(f"it counts {count} {name} cases, more than the {MOST_CASES} that are allowed")
