"""What a network does to a federation: errors on every path, and a line that is cut for a minute and a half."""

from __future__ import annotations

import time

import pytest

from tests.end_to_end.federation import AGGREGATOR, PATIENCE, Federation, courier
from wardround.aggregator.journal import Event as Journal
from wardround.federation.flower.paths import FLEET_PATHS
from wardround.site_client.events import Event

pytestmark = pytest.mark.timeout(3 * PATIENCE)

SIGNING_OFF = "/v1/fleet/deactivate-node"
HEARTBEAT = "/v1/fleet/send-node-heartbeat"


@pytest.mark.slow
def test_one_error_500_on_every_fleet_path_is_survived(federation: Federation, undisturbed: str) -> None:
    """All paths fail once during one run. Signing off is only called by a courier that stops, so one is restarted.

    A machine may be done with the run before the first heartbeat; south comes after it, so that the run lasts.
    """
    with federation.behind_proxy() as proxy:
        for path in FLEET_PATHS:
            proxy.fail_once(path)
        federation.start(without=["south"])
        federation.wait_for(courier("north"), Event.MESSAGE_SENT)
        federation.wait_until(lambda: proxy.injected[HEARTBEAT] == 1, "a heartbeat that failed")
        federation.lab.stop_site("north")
        for site in ("north", "south"):
            federation.lab.start_site(site)
        assert federation.finish() == undisturbed
        assert {path: proxy.injected[path] for path in FLEET_PATHS} == dict.fromkeys(FLEET_PATHS, 1)


@pytest.mark.slow
def test_errors_after_everything_has_worked_are_survived(federation: Federation, undisturbed: str) -> None:
    """Every path fails once in the middle of a round, from one session to the next, and signing off at a restart.

    South comes late, so that the round lasts until north has met every error.
    """
    amid = FLEET_PATHS - {SIGNING_OFF}
    with federation.behind_proxy(["north"]) as proxy:
        federation.start(without=["south"])
        federation.wait_for(courier("north"), Event.TASK_PULLED, round=1)
        for path in sorted(amid):
            proxy.fail_once(path)
        federation.wait_until(lambda: all(proxy.injected[path] for path in amid), "an error on every path")
        federation.wait_until(lambda: _is_connected(federation, "north"), "north is connected again")
        proxy.fail_once(SIGNING_OFF)
        federation.lab.stop_site("north")
        assert proxy.injected[SIGNING_OFF] == 1
        for site in ("north", "south"):
            federation.lab.start_site(site)
        assert federation.finish() == undisturbed
        assert {path: proxy.injected[path] for path in FLEET_PATHS} == dict.fromkeys(FLEET_PATHS, 1)


def _is_connected(federation: Federation, site: str) -> bool:
    changes = (Event.CONNECTED, Event.DISCONNECTED)
    states = [line.event for line in federation.log(courier(site)) if line.event in changes]
    return bool(states) and states[-1] == Event.CONNECTED


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
