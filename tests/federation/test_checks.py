"""When sites score the global model: a part of the plan that leaves no trace while it is as it was in 0.1.0."""

from __future__ import annotations

import pytest

from wardround.federation.protocol import Checks, Continuation, Horizon, Plan


def plan(checks: Checks | None) -> Plan:
    """A plan."""
    content = {"federation": "f", "study": "0" * 64, "horizon": Horizon(rounds=3, local_steps=2), "roster": "1" * 64}
    return Plan.model_validate(content | {"strategy": "fedavg", "validation": checks})


@pytest.mark.parametrize("done", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("every", [1, 2, 3, 10])
def test_the_plans_first_round_and_every_so_manieth_after_it_score(done: int, every: int) -> None:
    after = Continuation(plan="2" * 64, rounds=done, model="3" * 64) if done else None
    found = plan(Checks(every=every)).model_copy(update={"after": after})
    scored = [number for number in range(done + 1, done + 11) if found.scores_in(number)]
    assert scored == list(range(done + 1, done + 11, every))


def test_a_plan_without_it_is_what_it_was() -> None:
    assert "validation" not in plan(None).model_dump(mode="json")
    assert plan(None).checks == Checks()
    assert plan(Checks(every=2)).digest != plan(None).digest
    assert plan(Checks(every=2, max_cases=7)).checks.described == "every 2 rounds, at most 7 cases"
