"""The benchmark of a line that drops, at small scale."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.dropping import cross


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["down", "up"])
def test_a_model_crosses_a_line_that_drops_and_is_held_by_nobody(tmp_path: Path, direction: str) -> None:
    said = cross(tmp_path, direction, megabytes=200, seconds=1.0, sites=2)
    times = re.findall(r"([0-9.]+) times the model", said)
    assert float(times[0]) < 1.2, said
    grown = [int(after) - int(before) for before, after in re.findall(r"private (\d+) -> (\d+) MB", said)]
    assert len(grown) == 3
    assert all(one < 100 for one in grown), said
