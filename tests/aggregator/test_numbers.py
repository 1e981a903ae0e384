"""Numbers of a federation file written otherwise: each is answered with a line that fits the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from wardround.aggregator.settings import Federation
from wardround.engine.basics.problems import InputError
from wardround.engine.study.documents import parse_document, validate_document

_SOUND = """
schema: 1
federation: brains
study: study.yaml
address: fl.example.org:9443
"""
_HORIZON = "horizon: {rounds: 3, local_steps: 7}"


def _remedy(line: str) -> str:
    text = f"{_SOUND}{line}\n" + ("" if line.startswith("horizon") else _HORIZON)
    with pytest.raises(InputError) as caught:
        validate_document(Federation, parse_document(text, Path("federation.yaml")))
    (problem,) = caught.value.problems
    return problem.remedy


@pytest.mark.parametrize(
    "value",
    ["60%", "half", "0.6", "0", "-1", "yes", "most", "2/3", "~"],
)
def test_a_quorum_is_a_number_of_sites(value: str) -> None:
    assert _remedy(f"quorum: {value}") == "Write a number of sites, such as `quorum: 2`, or `quorum: all`"


@pytest.mark.parametrize("value", ["soon", "none", "0", "-3", "1 h 30 min", "2 months", "true", "~"])
@pytest.mark.parametrize("key", ["deadline", "preparing"])
def test_a_deadline_is_a_number_of_seconds(key: str, value: str) -> None:
    expected = f"Write a number of seconds, such as `{key}: 86400`, or `{key}: forever`"
    assert _remedy(f"{key}: {value}") == expected


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("quorum: '2'", "`quorum: 2`"),
        ("quorum: 2 sites", "`quorum: 2`"),
        ("deadline: 2h", "`deadline: 7200`"),
        ("deadline: 2 weeks", "`deadline: 1209600`"),
        ("deadline: '3600'", "`deadline: 3600`"),
        ("grace: 5 min", "`grace: 300`"),
        ("grace: soon", "`grace: 60`"),
        ("patience: 1 day", "`patience: 86400`"),
        ("updates: {largest: none}", "`largest: 10`, or `largest: unbounded`"),
        ("horizon: {rounds: 10 rounds, local_steps: 7}", "`rounds: 10`"),
        ("horizon: {rounds: ten, local_steps: 7}", "`rounds: 20`"),
        ("horizon: {rounds: 0, local_steps: 7}", "`rounds: 20`"),
        ("horizon: {rounds: 3, local_steps: 1 epoch}", "`local_steps: 1`"),
        ("horizon: {rounds: 3, local_steps: 1.5}", "`local_steps: 100`"),
        ("horizon: {rounds: 3}", "`local_steps: 100`"),
        ("weights: {cap: half}", "`cap: 0.5`"),
        ("weights: {cap: 40%}", "`cap: 0.4`"),
        ("evaluation: {max_cases: few}", "`max_cases: 20`"),
        ("health_port: http", "`health_port: 9444`"),
        ("limits: {slowest_line: 2 Mbit/s}", "`slowest_line: 512`"),
        ("limits: {reply: 2 GB}", "`reply: 4096`"),
    ],
)
def test_a_number_is_answered_with_a_line_that_fits(line: str, told: str) -> None:
    assert told in _remedy(line)
