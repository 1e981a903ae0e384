"""Ranks against scipy's, and that scoring does not load scipy's statistics."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import rankdata

from wardround.engine.metrics.ranks import mean_ranks


@pytest.mark.parametrize("kinds", [1, 3, 1000])
def test_ranks_are_scipys(kinds: int) -> None:
    values = np.random.default_rng(kinds).integers(0, kinds, 200) / 7
    assert np.array_equal(mean_ranks(values), rankdata(values))


def test_no_number_and_one_have_ranks() -> None:
    assert mean_ranks(np.array([])).tolist() == []
    assert mean_ranks(np.array([-3.0])).tolist() == [1.0]


def test_intervals_load_no_statistics_of_scipy() -> None:
    """They take nearly a second, at the end of every fit."""
    code = (
        "import sys\n"
        "from wardround.engine.metrics.intervals import of_area, of_folds\n"
        "import numpy as np\n"
        "assert of_folds([0.1, 0.3], 1, 4) and of_area(np.arange(4.0), np.arange(4) % 2 == 0)\n"
        "assert 'scipy.stats' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
