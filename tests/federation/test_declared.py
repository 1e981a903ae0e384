"""The numbers that may cross: the study's own names, each within its range, over cases that the site has."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.studies import CLASSIFICATION, SEGMENTATION, study_of
from wardround.engine.metrics.scores import Summary, merge
from wardround.engine.parts import Kind, builtin_and_plugins
from wardround.federation.declared import LOSS, TEST_PREFIX, Declared, Subsets, UndeclaredError
from wardround.federation.protocol import Leaves, MetricValue

STUDIES = {"segmentation": study_of(SEGMENTATION), "classification": study_of(CLASSIFICATION)}
NAMES = [(task, name) for task, study in STUDIES.items() for name in Declared.of(study).scores]
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def check(task: str, name: str, value: float, count: int = 4, test: int | None = None) -> None:
    """Check one metric of a study."""
    Declared.of(STUDIES[task]).check_scores({name: MetricValue(value=value, count=count)}, Subsets(4, test))


@pytest.mark.parametrize(("task", "name"), NAMES)
def test_every_score_has_a_least_and_a_greatest_value(task: str, name: str) -> None:
    bounds = Declared.of(STUDIES[task]).scores[name]
    for value in (bounds.least, bounds.most):
        check(task, name, value)
    for value in (math.nextafter(bounds.least, -math.inf), math.nextafter(bounds.most, math.inf), 1.7e308, -1.7e308):
        with pytest.raises(UndeclaredError, match="outside"):
            check(task, name, value)


def test_every_metric_of_this_installation_states_a_sane_range() -> None:
    metrics = [part for part in builtin_and_plugins().parts() if part.kind is Kind.METRIC]
    assert metrics
    for part in metrics:
        assert part.bounds.least < part.bounds.most
        assert abs(part.bounds.least) <= 1e18
        assert part.bounds.most <= (1e18 if part.name == "mse" else 1e9), "a square of the unit may be as large"


def test_a_study_declares_its_metrics_their_classes_and_the_loss() -> None:
    study = STUDIES["segmentation"]
    declared = Declared.of(study)
    metrics = [use.name for use in study.validation.metrics]
    assert set(declared.scores) == {
        LOSS,
        *metrics,
        *(f"{name}.{label}" for name in metrics for label in study.class_names),
    }


@pytest.mark.parametrize("name", ["recall", "dice.liver", "Dice", "loss.anterior", "test.recall", "test.test.loss"])
def test_other_names_are_not_declared_and_not_repeated(name: str) -> None:
    with pytest.raises(UndeclaredError) as caught:
        check("segmentation", name, 0.5, test=4)
    assert name not in str(caught.value)


@pytest.mark.parametrize(("task", "name"), NAMES)
def test_metrics_of_test_cases_belong_to_the_final_evaluation_alone(task: str, name: str) -> None:
    check(task, TEST_PREFIX + name, 0.5, count=3, test=3)
    with pytest.raises(UndeclaredError, match="before the last round"):
        check(task, TEST_PREFIX + name, 0.5, count=3)


@pytest.mark.parametrize(("task", "name"), NAMES)
def test_nothing_is_counted_over_more_cases_than_there_are(task: str, name: str) -> None:
    for metric, count in ((name, 5), (TEST_PREFIX + name, 4)):
        with pytest.raises(UndeclaredError, match=f"over {count} cases"):
            check(task, metric, 0.5, count=count, test=3)


@given(st.lists(st.tuples(FINITE, st.integers(0, 2**53)), min_size=1, max_size=8))
def test_a_mean_of_finite_numbers_is_finite_and_lies_between_them(found: list[tuple[float, int]]) -> None:
    merged = merge([Summary(value, count) for value, count in found])
    values = [value for value, count in found if count]
    if values:
        assert min(values) <= merged.value <= max(values)
        assert merged.count == sum(count for _, count in found)


def test_the_plan_narrows_what_is_declared() -> None:
    study, dice = STUDIES["segmentation"], {"dice": MetricValue(value=0.5, count=4)}
    narrow = Declared.of(study, Leaves(metrics=("dice",), test=False))
    narrow.check_scores(dice, Subsets(4))
    narrow.check_loss(None)
    with pytest.raises(UndeclaredError, match="training loss"):
        narrow.check_loss(0.5)
    with pytest.raises(UndeclaredError, match="does not declare"):
        narrow.check_scores({"loss": dice["dice"]}, Subsets(4))
    with pytest.raises(UndeclaredError, match="test cases, which the plan"):
        narrow.check_scores({"test.dice": dice["dice"]}, Subsets(4, 4))
