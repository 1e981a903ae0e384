"""Metrics of a cohort's classes and labels against scikit-learn and torchmetrics, by hand, and where undefined."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from wardround.engine.metrics import Summary, merge
from wardround.engine.parts import Kind, builtin_and_plugins

NAMES = ("a", "b", "c")
RANDOM = np.random.default_rng(2)
TRUTH = RANDOM.integers(0, 3, 60)
VECTORS = RANDOM.dirichlet([1.0, 1.0, 1.0], 60) * 0.6 + 0.4 * np.eye(3)[TRUTH] * RANDOM.random((60, 1))
VECTORS = (VECTORS / VECTORS.sum(1, keepdims=True)).astype(np.float32)
CHOSEN = VECTORS.argmax(1)
LABELS = (RANDOM.random((60, 3)) < 0.4).astype(float)
SIGMOIDS = (0.3 * LABELS + 0.7 * RANDOM.random((60, 3))).astype(np.float32)
UNKNOWN = np.where(RANDOM.random((60, 3)) < 0.3, math.nan, LABELS)


def metric(name: str, **given: Any) -> Any:
    part = builtin_and_plugins().find(Kind.METRIC, name)
    return part.make(part.parameters(**given))


def values(
    name: str, vectors: np.ndarray, truths: np.ndarray, names: tuple[str, ...], **given: Any
) -> dict[str, float]:
    found = metric(name, **given).summarise(vectors, truths, names)
    return {key: summary.value for key, summary in found.items()}


RATES = {"sensitivity": reference.recall_score, "precision": reference.precision_score, "f1": reference.f1_score}


@pytest.mark.parametrize("name", RATES)
def test_rates_of_three_classes_are_scikit_learns_and_none_is_dropped(name: str) -> None:
    found = values(name, VECTORS, TRUTH, NAMES)
    assert {*found} == {name, *(f"{name}.{each}" for each in NAMES)}
    assert found[name] == pytest.approx(RATES[name](TRUTH, CHOSEN, average="macro"))
    assert [found[f"{name}.{each}"] for each in NAMES] == pytest.approx(RATES[name](TRUTH, CHOSEN, average=None))


@pytest.mark.parametrize("name", RATES)
def test_of_two_classes_the_second_is_the_one_that_is_looked_for(name: str) -> None:
    two, vectors = (TRUTH > 0).astype(int), np.stack([VECTORS[:, 0], 1 - VECTORS[:, 0]], 1)
    found = values(name, vectors, two, ("healthy", "ill"))
    assert found[name] == found[f"{name}.ill"] == pytest.approx(RATES[name](two, vectors.argmax(1)))
    assert found[f"{name}.healthy"] == pytest.approx(RATES[name](two, vectors.argmax(1), pos_label=0))


def test_specificity_is_the_sensitivity_of_the_others() -> None:
    found = values("specificity", VECTORS, TRUTH, NAMES)
    for place, name in enumerate(NAMES):
        expected = reference.recall_score(place != TRUTH, place != CHOSEN)
        assert found[f"specificity.{name}"] == pytest.approx(expected)


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_whole_table_scores_are_scikit_learns(weights: str) -> None:
    theirs = reference.cohen_kappa_score(TRUTH, CHOSEN, weights=None if weights == "none" else weights)
    assert values("kappa", VECTORS, TRUTH, NAMES, weights=weights) == {"kappa": pytest.approx(theirs)}
    assert values("mcc", VECTORS, TRUTH, NAMES) == {"mcc": pytest.approx(reference.matthews_corrcoef(TRUTH, CHOSEN))}
    balanced = reference.balanced_accuracy_score(TRUTH, CHOSEN)
    assert values("balanced_accuracy", VECTORS, TRUTH, NAMES) == {"balanced_accuracy": pytest.approx(balanced)}


def test_ranking_and_probabilities_are_scikit_learns() -> None:
    onehot = np.eye(3)[TRUTH]
    theirs = reference.average_precision_score(onehot, VECTORS)
    assert values("average_precision", VECTORS, TRUTH, NAMES)["average_precision"] == pytest.approx(theirs)
    assert values("log_loss", VECTORS, TRUTH, NAMES) == {"log_loss": pytest.approx(reference.log_loss(TRUTH, VECTORS))}
    brier = np.square(VECTORS - onehot).sum(1).mean()
    assert values("brier", VECTORS, TRUTH, NAMES) == {"brier": pytest.approx(brier)}
    two = np.stack([VECTORS[:, 0], 1 - VECTORS[:, 0]], 1)
    theirs = reference.brier_score_loss(TRUTH > 0, two[:, 1])
    assert values("brier", two, (TRUTH > 0).astype(int), ("a", "b"))["brier"] == pytest.approx(theirs)


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_calibration_is_torchmetrics(bins: int) -> None:
    from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error

    theirs = multiclass_calibration_error(torch.from_numpy(VECTORS), torch.from_numpy(TRUTH), 3, n_bins=bins)
    assert values("ece", VECTORS, TRUTH, NAMES, bins=bins) == {"ece": pytest.approx(theirs.item(), abs=1e-6)}
    found = values("ece", SIGMOIDS, LABELS, NAMES, bins=bins)
    for place, name in enumerate(NAMES):
        chances, known = torch.from_numpy(SIGMOIDS[:, place]), torch.from_numpy(LABELS[:, place]).long()
        theirs = binary_calibration_error(chances, known, n_bins=bins)
        assert found[f"ece.{name}"] == pytest.approx(theirs.item(), abs=1e-6)


def of_label(name: str, known: np.ndarray, chances: np.ndarray) -> float:
    """By scikit-learn."""
    found = chances >= 0.5
    return {
        "accuracy": lambda: reference.accuracy_score(known, found),
        "auc": lambda: reference.roc_auc_score(known, chances),
        "average_precision": lambda: reference.average_precision_score(known, chances),
        "sensitivity": lambda: reference.recall_score(known, found),
        "specificity": lambda: reference.recall_score(~known, ~found),
        "precision": lambda: reference.precision_score(known, found),
        "f1": lambda: reference.f1_score(known, found),
        "mcc": lambda: reference.matthews_corrcoef(known, found),
        "kappa": lambda: reference.cohen_kappa_score(known, found),
        "balanced_accuracy": lambda: reference.balanced_accuracy_score(known, found),
        "brier": lambda: reference.brier_score_loss(known, chances),
        "log_loss": lambda: reference.log_loss(known, chances),
    }[name]()


LABELLED = [
    *("accuracy", "auc", "average_precision", "sensitivity", "specificity", "precision", "f1", "mcc", "kappa"),
    *("balanced_accuracy", "brier", "log_loss"),
]


@pytest.mark.parametrize("name", LABELLED)
@pytest.mark.parametrize("truths", [LABELS, UNKNOWN], ids=["all known", "some unknown"])
def test_each_label_is_scored_over_the_cases_where_it_is_known(name: str, truths: np.ndarray) -> None:
    found = values(name, SIGMOIDS, truths, NAMES)
    expected = []
    for place, label in enumerate(NAMES):
        told = ~np.isnan(truths[:, place])
        expected.append(of_label(name, truths[told, place] == 1, SIGMOIDS[told, place].astype(np.float64)))
        assert found[f"{name}.{label}"] == pytest.approx(expected[-1])
    assert found[name] == pytest.approx(np.mean(expected))


EVERY = [*LABELLED, "ece"]


@pytest.mark.parametrize("name", EVERY)
def test_nothing_is_said_of_no_cases_or_of_what_is_unknown(name: str) -> None:
    assert values(name, VECTORS[:0], TRUTH[:0], NAMES) == {}
    assert values(name, SIGMOIDS, np.full((60, 3), math.nan), NAMES) == {}
    half = np.where(np.arange(3) == 1, math.nan, LABELS)
    assert f"{name}.b" not in values(name, SIGMOIDS, half, NAMES)


def test_what_is_not_defined_is_left_out() -> None:
    one = np.zeros(5, dtype=int)
    certain = np.eye(3, dtype=np.float32)[one]
    assert values("sensitivity", certain, one, NAMES) == {"sensitivity": 1.0, "sensitivity.a": 1.0}
    assert values("specificity", certain, one, NAMES) == {
        "specificity": 1.0, "specificity.b": 1.0, "specificity.c": 1.0,
    }  # fmt: skip
    assert values("sensitivity", certain[:, :2], one, ("healthy", "ill")) == {}, "no case is ill"
    assert values("mcc", certain, one, NAMES) == values("kappa", certain, one, NAMES) == {}
    assert values("mcc", certain, np.arange(5) % 3, NAMES) == {"mcc": 0.0}
    assert values("precision", certain, np.arange(5) % 3, NAMES) == {"precision": 0.4, "precision.a": 0.4}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=2, max_size=40), st.integers(1, 39))
def test_rates_of_hospitals_merge_to_that_of_all_their_cases(pairs: list[tuple[int, int]], cut: int) -> None:
    truths, chosen = np.array(pairs).T
    vectors = np.eye(3, dtype=np.float32)[chosen]
    for name in ("sensitivity", "specificity", "precision", "accuracy"):
        whole = metric(name).summarise(vectors, truths, NAMES)
        parts = [metric(name).summarise(vectors[some], truths[some], NAMES) for some in (slice(cut), slice(cut, None))]
        for key in [each for each in whole if "." in each or name == "accuracy"]:
            merged = merge([part[key] for part in parts if key in part])
            assert merged == Summary(pytest.approx(whole[key].value), whole[key].count)


def test_a_case_has_the_scores_that_one_case_can_have() -> None:
    for name in EVERY:
        alone = metric(name).case_scores(VECTORS[0], int(TRUTH[0]))
        assert {*alone} == ({name} if name in ("accuracy", "brier", "log_loss") else set())
        some = metric(name).case_scores(SIGMOIDS[0], np.array([1.0, math.nan, 0.0]))
        assert {*some} == {*alone}
        assert metric(name).case_scores(SIGMOIDS[0], np.full(3, math.nan)) == {}
    for name in ("accuracy", "brier", "log_loss"):
        each = [metric(name).case_scores(vector, truth)[name] for vector, truth in zip(VECTORS, TRUTH, strict=True)]
        assert np.mean(each) == pytest.approx(values(name, VECTORS, TRUTH, NAMES)[name])
