"""Every strategy's row holds what every row must: its words, its parameters, and an implementation that is there."""

from __future__ import annotations

import pytest

from wardround.engine.parts import Kind, Part
from wardround.engine.trial import check_part
from wardround.engine.trial.rows import example_of
from wardround.federation.strategies.named import StrategyUse
from wardround.federation.strategies.registry import strategies

ROWS = strategies().parts(Kind.STRATEGY)


def test_there_are_rows() -> None:
    assert "fedavg" in [row.name for row in ROWS]
    assert all(row.kind is Kind.STRATEGY for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_holds_and_a_plan_can_state_it(row: Part) -> None:
    assert [problem.render() for problem in check_part(row)] == []
    use = StrategyUse(name=row.name, parameters=row.parameters.model_validate(example_of(row.parameters)))
    assert StrategyUse.of(use.terms) == use
