"""When sites score the global model: a part of the plan that leaves no trace while it is as it was in 0.1.0."""

from __future__ import annotations

from wardround.federation.protocol import Checks, Horizon, Plan


def plan(checks: Checks | None) -> Plan:
    """A plan."""
    content = {"federation": "f", "study": "0" * 64, "horizon": Horizon(rounds=3, local_steps=2), "roster": "1" * 64}
    return Plan.model_validate(content | {"strategy": "fedavg", "validation": checks})


def test_the_first_round_and_every_so_manieth_after_it_score() -> None:
    assert [number for number in range(1, 11) if Checks(every=3).is_due(number)] == [1, 4, 7, 10]
    assert all(Checks().is_due(number) for number in range(1, 11))


def test_a_plan_without_it_is_what_it_was() -> None:
    assert "validation" not in plan(None).model_dump(mode="json")
    assert plan(None).checks == Checks()
    assert plan(Checks(every=2)).digest != plan(None).digest
    assert plan(Checks(every=2, max_cases=7)).checks.described == "every 2 rounds, at most 7 cases"
