"""The courier's process: serves the aggregator over the transport until it is told to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from wardround.federation.flower import settings as transport
from wardround.federation.flower.events import NodeEvent
from wardround.federation.health import health_service
from wardround.federation.identities import SiteKeys
from wardround.site_client.agreement.agreement import Agreement
from wardround.site_client.agreement.settings import SiteSettings
from wardround.site_client.between.socket import worker_at
from wardround.site_client.courier.handler import Courier
from wardround.site_client.courier.tools import CourierTools
from wardround.site_client.events import Event, EventLog
from wardround.site_client.installation import installation_of

_EVENTS: Mapping[str, Event] = {
    "connecting": Event.CONNECTING,
    "connected": Event.CONNECTED,
    "disconnected": Event.DISCONNECTED,
    "clock_skew": Event.CLOCK_SKEW,
    "refused": Event.TURNED_AWAY,
    "pulled": Event.MESSAGE_PULLED,
    "sent": Event.MESSAGE_SENT,
    "foreign_bundle": Event.FOREIGN_BUNDLE,
    "doubled": Event.SECOND_MACHINE,
    "alone": Event.ALONE_AGAIN,
}
_AT_REST = frozenset({"disconnected", "connecting"})
"""After the end of a run the aggregator goes, and nothing is wrong."""
_ENDS_SERVICE = frozenset({"disconnected", "clock_skew", "connecting"})


def run_courier(
    settings: SiteSettings, agreement: Agreement, keys: SiteKeys, log: EventLog, stop: threading.Event
) -> None:
    """Serve until `stop` is set."""
    transport.prepare(settings.work / "transport")
    from wardround.federation.flower.node import node

    address = settings.address or agreement.address
    tools = CourierTools(settings, agreement, keys, log, stop)
    courier = Courier(tools, worker_at(settings.work))
    log.record_fault(Event.STARTED)
    courier.sweep()
    with health_service(settings.health_port) as tell:
        node.serve(
            address=address,
            ca=agreement.invitation.ca_pem.encode(),
            key=keys.transport,
            handler=courier.handle,
            on_event=_Listener(address, log, tell, courier.is_over).hear,
            stop=stop,
            installation=installation_of(settings.work),
            shelf=tools.arriving,
        )
    log.record_fault(Event.STOPPED)


class _Listener:
    """Writes the transport's events to the log; a state that repeats, such as a failing connection, is written once.
    A wrong clock is one state, though every measure of it has other milliseconds.

    The session's heartbeat fails within 30 seconds of the last answer, so that "connected" means "has polled".
    """

    def __init__(self, address: str, log: EventLog, tell: Callable[[bool], None], is_over: Callable[[], bool]) -> None:
        self._address, self._log, self._tell, self._is_over = address, log, tell, is_over
        self._seen: set[tuple[str, str]] = set()

    def hear(self, event: NodeEvent) -> None:
        """Take one event of the transport."""
        if event.kind == "connected":
            self._seen.clear()
            self._tell(True)
        elif event.kind in _ENDS_SERVICE:
            self._tell(False)
        if event.kind in ("pulled", "sent"):
            self._log.record(_EVENTS[event.kind], bytes=event.value)
        elif event.kind in ("doubled", "alone"):
            self._log.record(_EVENTS[event.kind], address=event.detail or "an unknown address")
        elif event.kind in _AT_REST and self._is_over():
            self._rest(event)
        elif (state := (event.kind, "" if event.kind == "clock_skew" else event.detail)) not in self._seen:
            self._seen.add(state)
            self._log.record(_EVENTS[event.kind], detail=event.detail, value=event.value, address=self._address)

    def _rest(self, event: NodeEvent) -> None:
        """Say once that nothing is wrong; the reason stands beside it in the log."""
        if event.kind == "disconnected" and ("resting", "") not in self._seen:
            self._seen.add(("resting", ""))
            self._log.record(Event.RESTING, detail=event.detail, address=self._address)
