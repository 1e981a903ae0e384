"""What a site weighs: by cases, equal, or cut so that none has more of the mean than the cap."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.aggregator.bench import Bench, expected_models, initial
from tests.aggregator.fakes import trained
from wardround.aggregator.roster.enrolment import write_roster
from wardround.aggregator.showing.history import history_rows
from wardround.aggregator.showing.page import RunRecord, write_report
from wardround.aggregator.showing.status import describe_status, read_status
from wardround.aggregator.strategies.weighing import weigh
from wardround.federation.payload import pack, payload_digest
from wardround.federation.protocol import Weights

CASES = st.lists(st.integers(1, 10_000_000), min_size=1, max_size=12)
CAPS = st.integers(1, 1000).map(lambda number: number / 1000)


def test_by_cases_a_weight_is_the_number_of_cases() -> None:
    assert weigh([3, 100, 7], Weights()) == (3, 100, 7)
    assert weigh([3, 100, 7], Weights(by="equal")) == (1, 1, 1)
    assert weigh([3, 4, 3], Weights(cap=0.5)) == (3, 4, 3)


def test_a_cap_cuts_the_heaviest_and_leaves_the_others_their_proportions() -> None:
    assert weigh([10, 100, 20], Weights(cap=0.5)) == (1, 3, 2)
    assert weigh([1, 10**7, 1], Weights(cap=0.5)) == (1, 2, 1)


def test_a_cap_that_so_few_sites_cannot_keep_makes_them_equal() -> None:
    assert weigh([10, 100], Weights(cap=0.4)) == (1, 1)
    assert weigh([10], Weights(cap=0.5)) == (1,)


def by_hand(cases: list[int], cap: Fraction) -> list[Fraction]:
    """The slow way: cut one site after the other to the cap of what there is, and share what is left."""
    if cap * len(cases) <= 1:
        return [Fraction(1, len(cases))] * len(cases)
    cut: set[int] = set()
    while True:
        rest = sum(count for place, count in enumerate(cases) if place not in cut)
        left = 1 - cap * len(cut)
        parts = [cap if place in cut else left * Fraction(count, rest) for place, count in enumerate(cases)]
        above = [place for place, part in enumerate(parts) if part > cap]
        if not above:
            return parts
        cut.add(max(above, key=lambda place: cases[place]))


@given(CASES, CAPS)
def test_weights_are_those_that_are_found_by_hand(cases: list[int], cap: float) -> None:
    weights = weigh(cases, Weights(cap=cap))
    total = sum(weights)
    assert [Fraction(weight, total) for weight in weights] == by_hand(cases, Fraction(str(cap)))


@given(CASES, CAPS)
def test_nobody_is_above_the_cap_and_more_cases_never_weigh_less(cases: list[int], cap: float) -> None:
    weights = weigh(cases, Weights(cap=cap))
    assert min(weights) >= 1
    assert max(weights) < 2**63
    assert Fraction(max(weights), sum(weights)) <= max(Fraction(str(cap)), Fraction(1, len(cases)))
    pairs = sorted(zip(cases, weights, strict=True))
    assert [weight for _, weight in pairs] == sorted(weights)


@pytest.mark.parametrize(
    ("rule", "weights"),
    [(Weights(by="equal"), (1, 1, 1)), (Weights(cap=0.4), (25, 34, 34)), (Weights(cap=0.5), (10, 17, 24))],
    ids=["equal", "cap 0.4", "cap 0.5"],
)
def test_a_round_folds_by_the_plans_weights(tmp_path: Path, rule: Weights, weights: tuple[int, ...]) -> None:
    bench = Bench(tmp_path, rounds=1, final=False, weights=rule)
    assert [site.cases for site in bench.sites.values()] == [10, 17, 24]
    assert weigh([10, 17, 24], rule) == weights or rule.cap == 0.4
    bench.run()
    used = weigh([10, 17, 24], rule)
    base = initial()
    updates = [trained(base, name, 1) for name in bench.names]
    mean = {
        name: updates[0][name]
        if base[name].dtype.kind != "f"
        else (
            sum(np.multiply(u[name], w, dtype=np.float64) for u, w in zip(updates, used, strict=True)) / sum(used)
        ).astype(np.float32)
        for name in base
    }
    assert bench.models() == [payload_digest(pack(mean))]
    shares = [site.share for site in bench.state.results()[0].sites]
    assert shares == [weight / sum(used) for weight in used]


def test_more_than_half_is_said_once(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.sites["north"].cases = 100
    bench.run()
    assert bench.models() == expected_models(bench)
    said = bench.journal("heavy_site")
    assert [(entry.facts["site"], entry.facts["round"]) for entry in said] == [("north", 1)]


def test_the_default_leaves_the_plan_as_it_was(tmp_path: Path) -> None:
    plan = Bench(tmp_path).plan
    assert "weights" not in plan.model_dump(mode="json")
    assert plan.model_copy(update={"weights": Weights(cap=0.5)}).digest != plan.digest


def test_status_and_report_name_the_site_that_has_more_than_half(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "state", rounds=1)
    bench.sites["north"].cases = 100
    bench.run()
    (tmp_path / "federation.yaml").write_text(
        "schema: 1\nfederation: bench\nstudy: study.yaml\naddress: 127.0.0.1:9443\n"
        "horizon: {rounds: 1, local_steps: 5}\n"
    )
    write_roster(tmp_path / "roster.json", bench.roster)
    assert any(
        "north has 75% of the weight" in line for line in describe_status(read_status(tmp_path / "federation.yaml"))
    )
    results = bench.state.results()
    record = RunRecord(bench.plan, bench.study, bench.names, results, history_rows(results), None)
    page = write_report(tmp_path / "report.html", record).read_text()
    assert "north (75%)" in page
    assert "its site&#39;s training cases" in page or "its site's training cases" in page
