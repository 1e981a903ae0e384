"""Balanced folds: scikit-learn's, number for number, without scikit-learn."""

from __future__ import annotations

import random
import warnings

import numpy as np
import pytest

from wardround.engine.cohort.stratify import balanced_folds


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_the_folds_are_those_of_scikit_learn(classes: int) -> None:
    made = 0
    for seed in range(60):
        choose = random.Random(seed * 10 + classes)
        groups, folds = choose.randint(2, 40), choose.choice([2, 3, 5, 9, 13])
        rows = [group for group in range(groups) for _ in range(choose.randint(1, choose.choice([1, 2, 9])))]
        values = [choose.randrange(classes) for _ in rows]
        if groups < folds or max(np.bincount(values)) < folds:
            continue
        made += 1
        _, columns = np.unique(values, return_inverse=True)
        counts = np.zeros((groups, columns.max() + 1))
        np.add.at(counts, (rows, columns), 1)
        assert balanced_folds(counts, folds).tolist() == _oracle(rows, values, groups, folds), seed
    assert made > 20


def _oracle(rows: list[int], values: list[int], groups: int, folds: int) -> list[int]:
    from sklearn.model_selection import StratifiedGroupKFold

    chosen = [-1] * groups
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for fold, (_, tests) in enumerate(StratifiedGroupKFold(folds).split(values, values, rows)):
            for row in tests:
                chosen[rows[row]] = fold
    return chosen
