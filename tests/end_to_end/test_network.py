"""What a network does to a federation: errors on every path, and a line that is cut for a minute and a half."""

from __future__ import annotations

import time

import pytest

from tests.end_to_end.federation import AGGREGATOR, PATIENCE, Federation, courier
from wardround.aggregator.journal import Event as Journal
from wardround.federation.flower.gate import FLEET_PATHS
from wardround.site_client.events import Event

pytestmark = pytest.mark.timeout(3 * PATIENCE)

SIGNING_OFF = "/v1/fleet/deactivate-node"


def test_one_error_500_on_every_fleet_path_is_survived(federation: Federation, undisturbed: str) -> None:
    """All paths fail once during one run. Signing off is only called by a courier that stops, so one is restarted."""
    with federation.behind_proxy() as proxy:
        for path in FLEET_PATHS:
            proxy.fail_once(path)
        federation.start()
        federation.wait_for(courier("north"), Event.MESSAGE_SENT)
        federation.lab.stop_site("north")
        federation.lab.start_site("north")
        assert federation.finish() == undisturbed
        assert {path: proxy.injected[path] for path in FLEET_PATHS} == dict.fromkeys(FLEET_PATHS, 1)


@pytest.mark.slow
def test_errors_after_everything_has_worked_are_survived(federation: Federation, undisturbed: str) -> None:
    """Every path fails once in the second round, from one connection to the next."""
    restart = {"/v1/fleet/activate-node", SIGNING_OFF}
    with federation.behind_proxy(["north"]) as proxy:
        federation.start()
        federation.wait_for(AGGREGATOR, Journal.ROUND_COMMITTED, round=1)
        for path in [*sorted(FLEET_PATHS - restart), *sorted(restart)]:
            proxy.fail_once(path)
        federation.wait_for(courier("north"), Event.DISCONNECTED, detail="http 500")
        federation.lab.stop_site("north")
        federation.lab.start_site("north")
        assert federation.finish() == undisturbed
        assert {path: proxy.injected[path] for path in FLEET_PATHS} == dict.fromkeys(FLEET_PATHS, 1)


@pytest.mark.slow
def test_a_link_that_is_cut_for_90_seconds_is_survived(federation: Federation, undisturbed: str) -> None:
    """The worker goes on meanwhile, and its finished update arrives when the link has healed."""
    with federation.behind_proxy(["north"]) as proxy:
        federation.start()
        federation.wait_for(courier("north"), Event.TASK_PULLED, round=1)
        proxy.cut()
        time.sleep(90)
        assert federation.said(AGGREGATOR, Journal.SITE_OFFLINE, site="north")
        assert not federation.said(AGGREGATOR, Journal.REPLY_STORED, site="north")
        proxy.heal()
        assert federation.finish() == undisturbed
