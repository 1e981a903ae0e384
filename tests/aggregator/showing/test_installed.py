"""`aggregator strategies` lists what a federation file can name, those of packages too, with all parameters."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field

from tests.aggregator.home import aggregator
from tests.support.installing import forget, install_package
from wardround.engine.parts import Kind, Parameters, Part
from wardround.federation.strategies.fedavg import FedAvg
from wardround.federation.strategies.registry import strategies


class Shrinking(Parameters):
    """Weights shrink at the sites.

    More of it.
    """

    rate: Annotated[float, Field(ge=0)] = 0.25
    steps: int


SHRINK = (Part(Kind.STRATEGY, "shrink", Shrinking, f"{__name__}:make"),)


def make(parameters: Shrinking) -> FedAvg:
    """Only its row is looked at."""
    raise AssertionError("a list makes no strategy")


def test_every_strategy_is_listed_with_its_parameters() -> None:
    outcome = aggregator("strategies")
    assert outcome.code == 0
    for part in strategies().parts(Kind.STRATEGY):
        section = re.search(rf"^{part.name}: .+\n(?:    .*\n)*", outcome.out, re.MULTILINE)
        assert section, part.name
        assert re.findall(r"^    (\w+): ", section[0], re.MULTILINE) == list(part.parameters.model_fields)
    assert "    mu: default 0.01\n" in outcome.out


def test_a_strategy_of_a_package_is_listed_with_the_package_and_a_broken_one_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = f"[wardround.parts]\nshrink = {__name__}:SHRINK\ngone = no.such.package:PARTS\n"
    install_package(tmp_path, monkeypatch, "shrinking 1.2", entries)
    try:
        outcome = aggregator("strategies")
    finally:
        monkeypatch.undo()
        forget()
    assert outcome.code == 0
    told = "shrink (of shrinking 1.2): Weights shrink at the sites.\n    rate: default 0.25\n    steps: required\n"
    assert told in outcome.out
    assert "note: " in outcome.err
    assert "gone" in outcome.err
