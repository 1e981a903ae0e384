"""A worker that meets faults of its device, its memory or its luck: what it does, and what the coordinator sees."""

from __future__ import annotations

import pytest

from tests.end_to_end.federation import AGGREGATOR, PATIENCE, Copy, Federation, Party, Template, courier, worker
from tests.end_to_end.holding import let_go
from tests.end_to_end.typed import await_end, coordinator, done
from tests.end_to_end.unlucky_site import Troubles, write_troubles
from wardround.aggregator.journal import Event as Journal
from wardround.federation.protocol import RefusalCode
from wardround.site_client.events import Event, Role
from wardround.site_client.processes import FRESH_PROCESS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * PATIENCE)]


def start_with_troubles(federation: Federation, site: str, troubles: Troubles) -> None:
    """Start all, and let this site meet these troubles."""
    run_with_troubles(federation, site, troubles)
    federation.start(without=[site])


def run_with_troubles(federation: Federation, site: str, troubles: Troubles) -> None:
    """Start this site alone, and let it meet these troubles."""
    write_troubles(federation.lab.site_folder(site), troubles)
    federation.run_beside(site, "tests.end_to_end.unlucky_site", federation.lab.site_file(site))


def ends_of_the_worker(federation: Federation, site: str) -> list[int]:
    """The exit codes with which the site's worker has ended by itself."""
    ends = federation.said(Party(site, Role.SUPERVISOR), Event.CHILD_DIED, name="worker")
    return [int(line.facts["code"]) for line in ends]


def test_a_fault_of_the_device_needs_a_fresh_process_and_the_coordinator_sees_why(
    federation: Federation, undisturbed: str
) -> None:
    """Twice in the first round, once in the second; the words of the fault stay at the site."""
    start_with_troubles(federation, "north", {"1": ("device", 2), "2": ("device", 1)})
    trouble = federation.wait_for(AGGREGATOR, Journal.SITE_STATE, site="north", state="trouble")
    assert RefusalCode.DEVICE_FAULT.value in trouble.facts["reason"]
    assert await_end(federation) == undisturbed
    assert ends_of_the_worker(federation, "north") == [FRESH_PROCESS] * 3
    assert len(federation.said(worker("north"), Event.FRESH_PROCESS, code=RefusalCode.DEVICE_FAULT.value)) == 3
    pauses = [line.facts["pause"] for line in federation.said(Party("north", Role.SUPERVISOR), Event.CHILD_DIED)]
    assert pauses == sorted(pauses)
    assert any("Doe" in str(line.facts) for line in federation.said(worker("north"), Event.TASK_FAILED))
    assert not any("Doe" in str(line.facts) for line in federation.log(AGGREGATOR))


def test_a_transient_fault_is_tried_again_and_after_three_in_a_row_in_a_fresh_process(
    federation: Federation, undisturbed: str
) -> None:
    start_with_troubles(federation, "north", {"1": ("memory", 4)})
    federation.wait_for(AGGREGATOR, Journal.SITE_STATE, site="north", state="trouble")
    assert "it has run out of memory" in done(coordinator(federation, "status"))
    assert await_end(federation) == undisturbed
    assert len(federation.said(worker("north"), Event.TASK_FAILED)) == 4, "it is not repeated for ever"
    assert ends_of_the_worker(federation, "north") == [FRESH_PROCESS]
    assert all(line.facts["seconds"] >= 2 for line in federation.said(worker("north"), Event.RETRY_LATER))
    assert not federation.said(AGGREGATOR, Journal.SITE_DECLINED, site="north")


def test_a_worker_that_dies_again_and_again_is_left_behind_by_the_rules_until_it_is_mended(
    template: Template, federation_of: Copy
) -> None:
    """The first round goes on without west; in the second it takes part.

    The worker is started again after a pause that has grown in the first round, and may be longer than the rules wait
    in the second. So north is held there until west has replied.
    """
    federation = federation_of(template, {"quorum": 2, "patience": 2.0})
    for site, troubles in {"north": {"2": ("hold", 1)}, "west": {"1": ("die", 1000)}}.items():
        run_with_troubles(federation, site, troubles)
    federation.start(without=["north", "west"])
    trouble = federation.wait_for(AGGREGATOR, Journal.SITE_STATE, site="west", state="trouble")
    assert RefusalCode.WORKER_FAILED.value in trouble.facts["reason"]
    federation.wait_for(courier("west"), Event.REPLY_SENT, round=2)
    let_go(federation, "north")
    await_end(federation)
    assert set(ends_of_the_worker(federation, "west")) == {9}
    decided = {line.facts["round"]: line.facts["sites"] for line in federation.said(AGGREGATOR, Journal.ROUND_DECIDED)}
    assert decided[1] == ["north", "south"]
    assert "west" in decided[2]
    assert not federation.said(courier("west"), Event.TASK_FAILED)
