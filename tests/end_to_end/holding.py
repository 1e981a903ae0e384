"""A federation that is held in the middle of a round, until a test lets it go."""

from __future__ import annotations

from tests.end_to_end.federation import Federation, worker
from tests.end_to_end.unlucky_site import write_troubles
from wardround.lab.processes import Program
from wardround.site_client.events import Event


def hold_in_round(federation: Federation, site: str, number: int) -> Program:
    """Start all, and run until this site is at a round, in which it is held; the site's program."""
    write_troubles(federation.lab.site_folder(site), {str(number): ("hold", 1)})
    held = federation.run_beside(site, "tests.end_to_end.unlucky_site", federation.lab.site_file(site))
    federation.start(without=[site])
    federation.wait_for(worker(site), Event.TASK_CLAIMED, round=number)
    return held


def let_go(federation: Federation, site: str) -> None:
    """Let a held site train."""
    write_troubles(federation.lab.site_folder(site), {})
