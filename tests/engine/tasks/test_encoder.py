"""Features of a table against scikit-learn, and what is done about missing cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler

from tests.support.studies import TABLE, changed, study_of
from wardround.engine.preprocessing.fitted import EMPTY, FittedState
from wardround.engine.preprocessing.fitting import Fitting, is_fitted, merged
from wardround.engine.preprocessing.requests import Request
from wardround.engine.preprocessing.tables import as_row, told_numbers
from wardround.engine.study import Study
from wardround.engine.tasks.encoder import TableEncoder

Rows = list[tuple[float | None, ...]]


def _study(**columns: Any) -> Study:
    return study_of(changed(TABLE, columns=columns))


def _state(study: Study, rows: Rows) -> FittedState:
    """By the questions that a federation asks, answered row by row."""
    fitting = Fitting(study)
    request = fitting.next_request([])
    assert isinstance(request, Request)
    answer = merged(request, (request.answer(told_numbers(study, row)) for row in rows))
    state = fitting.next_request([answer])
    assert isinstance(state, FittedState)
    return state


def _encoded(study: Study, rows: Rows, state: FittedState) -> np.ndarray:
    return TableEncoder(study, state)(torch.from_numpy(np.stack([as_row(row) for row in rows]))).numpy()


def test_numbers_are_scaled_as_scikit_learn_does() -> None:
    random = np.random.default_rng(0)
    values = random.normal([5e6, 0.001], [10, 1e-5], (40, 2))
    study = _study(a="number", b="number")
    rows: Rows = [(float(one), float(two)) for one, two in values]
    found = _encoded(study, rows, _state(study, rows))
    np.testing.assert_allclose(found, StandardScaler().fit_transform(values), atol=1e-5)
    assert found.dtype == np.float32


def test_missing_numbers_become_the_mean_of_those_known_or_a_constant() -> None:
    study = _study(a={"missing": "mean"}, b={"missing": 10})
    rows: Rows = [(1.0, 2.0), (3.0, None), (None, 4.0)]
    state = _state(study, rows)
    assert [(scale.mean, scale.deviation) for scale in state.columns] == [(2.0, 1.0), (3.0, 1.0)]
    np.testing.assert_allclose(_encoded(study, rows, state), [[-1, -1], [1, 7], [0, 1]])


def test_categories_are_one_feature_for_each_level() -> None:
    study = _study(a=["x", "y", "z"], b={"levels": ["p", "q"], "missing": "unknown"})
    assert not is_fitted(study)
    found = _encoded(study, [(2, 0), (0, None)], EMPTY)
    np.testing.assert_array_equal(found, [[0, 0, 1, 1, 0, 0], [1, 0, 0, 0, 0, 1]])


def test_a_column_that_is_the_same_in_all_training_cases_becomes_zero() -> None:
    study = _study(a="number")
    state = _state(study, [(7.0,), (7.0,)])
    np.testing.assert_array_equal(_encoded(study, [(7.0,), (8.0,)], state), [[0], [1]])
