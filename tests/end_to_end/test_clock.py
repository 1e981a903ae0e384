"""A site whose clock is ahead is told so by name and number, at both ends, and works as soon as the clock is right."""

from __future__ import annotations

import pytest

from tests.end_to_end.federation import AGGREGATOR, PATIENCE, Federation, courier
from wardround.aggregator.journal import Event as Journal
from wardround.site_client.events import Event


@pytest.mark.slow
@pytest.mark.timeout(3 * PATIENCE)
def test_a_clock_that_is_ten_seconds_ahead_is_named(federation: Federation, undisturbed: str) -> None:
    config = federation.lab.site_file("north")
    federation.start(without=["north"])
    late = federation.run_beside("late", "tests.end_to_end.late_courier", "10", config)
    here = federation.wait_for(courier("north"), Event.CLOCK_SKEW)
    assert here.facts["value"] == pytest.approx(10, abs=3)
    assert "s from the aggregator's" in here.facts["detail"]
    there = federation.said(AGGREGATOR, Journal.TURNED_AWAY, site="north")
    assert any(line.facts["detail"] in ("clock 10 s ahead", "clock 9 s ahead") for line in there)
    assert not federation.said(AGGREGATOR, Journal.SITE_ONLINE, site="north")
    late.stop()
    federation.lab.start_site("north")
    assert federation.finish() == undisturbed
