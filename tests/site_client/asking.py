"""How tests speak to a courier, and what must never come back."""

from __future__ import annotations

import time

from tests.site_client.support import Site
from wardround.federation.envelope import Envelope
from wardround.federation.protocol import Ready, RefusalCode, Refused, Reply, Task, Working
from wardround.site_client.courier.handler import Courier
from wardround.site_client.events import Role

CANARIES = ("case_007", "/data/ward/patients", "Mueller")
"""Stand for names and paths of patients."""


def ask(site: Site, courier: Courier, task: Task, payload: bytes = b"") -> tuple[Reply, bytes]:
    """Hand a task to the courier; its reply and the payload beside it."""
    return site.open(courier.handle(site.sealed(task, payload)))


def until(site: Site, courier: Courier, task: Task, payload: bytes, wanted: type[Reply]) -> Reply:
    """Ask until a reply of the wanted type comes; meanwhile the site may only say that it works."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        reply, _ = ask(site, courier, task, payload)
        if isinstance(reply, wanted):
            return reply
        assert isinstance(reply, Working), reply
    raise AssertionError(f"no {wanted} came")


def ready(site: Site, courier: Courier) -> Ready:
    """What the site says it holds, once it is ready."""
    reply = until(site, courier, site.hello(), b"", Ready)
    assert isinstance(reply, Ready)
    return reply


def refusal(site: Site, courier: Courier, envelope: Envelope) -> RefusalCode:
    """The code with which an envelope is refused; the reason must stand in a log of the site."""
    reply, payload = site.open(courier.handle(envelope))
    assert isinstance(reply, Refused), reply
    assert payload == b""
    logs = site.log_text(Role.COURIER) + (
        site.log_text(Role.WORKER) if (site.settings.work / "events/worker.jsonl").exists() else ""
    )
    assert reply.correlation in logs
    return reply.code
