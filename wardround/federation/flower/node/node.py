"""The courier's side: asks the link for messages for ever, hands each to a handler and sends back what it returns.

It only ever connects outwards, and comes back by itself after any fault. It imports Flower when it is called, never
torch.
"""

from __future__ import annotations

import ipaddress
import logging
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from wardround.engine.basics.backoff import Backoff
from wardround.federation.envelope import Envelope
from wardround.federation.flower import settings
from wardround.federation.flower.events import NodeEvent, call_listener, ignore
from wardround.federation.flower.node.pace import Pace
from wardround.federation.flower.node.probe import ProbeResult, client_context, clock_skew, is_enrolled, probe, standing
from wardround.federation.flower.node.transfer import AbandonedError, in_parallel
from wardround.federation.flower.node.trouble import explain
from wardround.federation.flower.node.way import ProxySettingError, proxy_for
from wardround.federation.flower.shelf import Shelf, Shelves
from wardround.federation.flower.signing import NO_INSTALLATION, REFUSAL_HEADER, Reason, Signer
from wardround.federation.flower.stub import STUB_SHA256
from wardround.federation.payload import MAX_PAYLOAD_BYTES

if TYPE_CHECKING:
    from flwr.app import Message
    from flwr.proto.message_pb2 import ObjectTree

    from wardround.federation.flower.node.session import Session

__all__ = ["NodeEvent", "ProbeResult", "clock_skew", "is_enrolled", "probe", "serve", "standing"]

_BETWEEN_SESSIONS = Backoff(first=0.5, longest=5.0)
_WHILE_DOUBLED = Backoff(first=0.5, longest=20.0)
_LASTING_SECONDS = 10.0
_LANES = 2
_POLL_PATIENCE = 0.2
_REFUSALS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.CONFLICT, HTTPStatus.UPGRADE_REQUIRED)
_WORDS: Mapping[Reason | None, str] = {
    Reason.UNKNOWN_KEY: "key not enrolled",
    Reason.REVOKED: "the coordinator has revoked this site's key; ask why, and make new ones with "
    "`site-client rotate-keys`",
    Reason.REPLACED: "this key was replaced by a newer one of this site; run the site client with the newer keys",
    Reason.SIGNATURE: "the signature does not hold",
    Reason.REPEATED: "this session was replaced by a later one",
    Reason.OTHER_MACHINE: "another machine uses this site's keys; run the site client on one machine only",
    Reason.OUTDATED: "this software is older than the aggregator's; update it",
    None: "the aggregator does not say why; its software may be older than this site's",
}
_STATUS_WORDS: Mapping[int, str] = {
    HTTPStatus.REQUEST_TIMEOUT: ": the line is too slow, a piece of a transfer did not arrive in time",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ": what this site sends is too large for the aggregator; tell the coordinator",
}

_NO_AGGREGATOR = ": what answers there is no aggregator, or a proxy that lets nothing through; check the address"
_OUT_OF_ORDER = ": the aggregator, or a proxy before it, is out of order or overloaded; it is tried again by itself"
_SILENT = (
    "timeout: nothing came over the open connection in time; the aggregator may be overloaded, or a firewall or proxy "
    "on the way holds connections; it is tried again by itself"
)
_CUT = "link cut: the connection ended in the middle of an answer; it is tried again by itself"

_log = logging.getLogger(__name__)


def serve(
    *,
    address: str,
    ca: bytes,
    key: EllipticCurvePrivateKey,
    handler: Callable[[Envelope], Envelope],
    on_event: Callable[[NodeEvent], None] = ignore,
    stop: threading.Event,
    poll_seconds: float = 0.25,
    installation: str = NO_INSTALLATION,
    shelf: Shelf | None = None,
) -> None:
    """Serve the aggregator until `stop` is set.

    Any fault ends the session and another is opened after a pause of 0.5 s, doubling to 5 s, each varied by a quarter.
    A message whose answer could not be sent is handed to the handler again, in a later session. An exception of the
    handler is logged here and reported as an event; the aggregator gets nothing and asks again.

    Args:
        address: `host:port` of the aggregator.
        ca: PEM of the authority that signed the aggregator's certificate; no other authority is trusted.
        key: the site's private key (P-384).
        handler: called with one envelope at a time, in this thread.
        on_event: called with everything worth knowing, in this thread.
        stop: set it to end; a transfer under way is given up.
        poll_seconds: shortest pause after a poll that brought nothing and was not held; it grows while nothing comes.
        installation: random name of the work folder, 32 hexadecimal digits, by which the link tells a courier that
            starts again from a second machine with the same keys.
        shelf: where the pieces of a model are kept until the handler has it, over cuts and restarts; None for a place
            that lasts as long as the process. The handler's owner clears it when the model is safe elsewhere.

    Raises:
        ValueError: `ca` is not PEM.
    """
    settings.ensure()
    arriving = shelf or Shelves(None, MAX_PAYLOAD_BYTES).of("aggregator")
    arriving.expire()
    access = _LinkAccess(address, ca, client_context(ca), Signer(key, installation), arriving)
    courier = _Courier(access, handler, on_event, stop, Pace(poll_seconds))
    failures, draws = 0, random.Random()
    while not stop.is_set():
        failures = 1 if courier.run_session() else failures + 1
        backoff = _WHILE_DOUBLED if courier.is_doubled else _BETWEEN_SESSIONS
        stop.wait(backoff.varied(failures, draws))


@dataclass(frozen=True)
class _LinkAccess:
    """How to reach the link."""

    address: str
    ca: bytes
    tls: ssl.SSLContext
    signer: Signer
    shelf: Shelf


class _Courier:
    """Runs one session after the other."""

    def __init__(
        self,
        access: _LinkAccess,
        handler: Callable[[Envelope], Envelope],
        on_event: Callable[[NodeEvent], None],
        stop: threading.Event,
        pace: Pace,
    ) -> None:
        self._access = access
        self._handler = handler
        self._on_event = on_event
        self._stop = stop
        self._pace = pace
        self._lanes = _LANES
        self._polled = False
        self._answered = False
        self.is_doubled = False
        self._second = ""

    def run_session(self) -> bool:
        """Open a session and stay until a fault or `stop`. True if it was of use: something crossed, or it lasted."""
        from wardround.federation.flower.node.session import Session

        self._polled = self._answered = self.is_doubled = False
        opened, access, moved = time.monotonic(), self._access, 0
        self._tell(NodeEvent("connecting"))
        try:
            with Session(access.address, access.tls, access.signer, self._stop, access.shelf) as session:
                self._tell(NodeEvent("connected"))
                try:
                    self._work(session)
                finally:
                    moved = session.moved
        except Exception as error:  # a courier comes back whatever happens
            self._report(error)
        return self._answered or moved > 0 or time.monotonic() - opened > _LASTING_SECONDS

    def _work(self, session: Session) -> None:
        while not self._stop.is_set():
            asked = time.monotonic()
            received = self._poll(session)
            self._watch_for_a_second(session.second)
            if received is not None:
                self._pace.busy()
                self._carry(session, *received)
            elif session.failed_beat.is_set() and not self._stop.is_set():  # who stops signs off all the same
                raise ConnectionError("heartbeat failed")
            else:
                self._stop.wait(self._pace.idle(time.monotonic() - asked))

    def _watch_for_a_second(self, address: str) -> None:
        """Tell once that another machine asks with this site's keys, and once that it has stopped."""
        if bool(address) != bool(self._second):
            self._tell(NodeEvent("doubled" if address else "alone", _shown_address(address)))
        self._second = address

    def _poll(self, session: Session) -> tuple[Message, ObjectTree] | None:
        """What the next poll brings; None as well when it is abandoned because of `stop`."""
        try:
            received = in_parallel([session.poll], 1, self._stop, _POLL_PATIENCE)[0]
        except AbandonedError:
            return None
        self._polled = True
        return received

    def _carry(self, session: Session, message: Message, tree: ObjectTree) -> None:
        """Answer a message. After a cut one piece at a time is sent, until a message has come through whole."""
        session.lanes, self._lanes = self._lanes, 1
        self._answer(session, message, tree)
        self._lanes = _LANES

    def _answer(self, session: Session, message: Message, tree: ObjectTree) -> None:
        from wardround.federation.flower.wire import pack_reply

        if session.bundle_of(message.metadata.run_id) != STUB_SHA256:
            self._tell(NodeEvent("foreign_bundle", "the run names a bundle that is not the published stub"))
            return
        envelope = session.fetch(message, tree)
        self._tell(NodeEvent("pulled", value=_size(envelope)))
        answer = self._handle(envelope)
        if answer is None:
            return
        if session.send(pack_reply(answer, message)):
            self._answered = True
            self._tell(NodeEvent("sent", value=_size(answer)))
        else:
            self._tell(NodeEvent("refused", "the aggregator no longer waits for this answer"))

    def _handle(self, envelope: Envelope) -> Envelope | None:
        try:
            return self._handler(envelope)
        except Exception as error:
            _log.exception("The handler failed on a message of the aggregator")
            self._tell(NodeEvent("refused", f"handler failed: {type(error).__name__}"))
            return None

    def _report(self, error: Exception) -> None:
        word, status = _describe(error, self._access.address)
        if word == "unexpected":
            _log.error("The session with the aggregator failed unexpectedly", exc_info=error)
        self._tell(NodeEvent("disconnected", word))
        if status in _REFUSALS and not self._polled:
            self._explain_refusal(_reason(error))

    def _explain_refusal(self, reason: Reason | None) -> None:
        """Activation was refused: say why, as far as the link does."""
        self.is_doubled = reason is Reason.OTHER_MACHINE
        if reason is Reason.CLOCK:
            self._measure_clock()
        else:
            self._tell(NodeEvent("refused", _WORDS.get(reason, "credentials refused")))

    def _measure_clock(self) -> None:
        try:
            skew = clock_skew(self._access.address, self._access.ca)
        except (OSError, ValueError) as error:
            self._tell(NodeEvent("refused", f"this clock is refused; it was not measured: {type(error).__name__}"))
            return
        self._tell(NodeEvent("clock_skew", f"this clock is {skew:+.1f} s from the aggregator's", skew))

    def _tell(self, event: NodeEvent) -> None:
        call_listener(self._on_event, event)


def _reason(error: Exception) -> Reason | None:
    """Why the link refused, if it says so in a word that is known here."""
    import httpx

    if not isinstance(error, httpx.HTTPStatusError):
        return None
    word = error.response.headers.get(REFUSAL_HEADER.decode(), "")
    return Reason(word) if word in set(Reason) else None


def _shown_address(text: str) -> str:
    """An address that the link names, as far as it is one."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def _size(envelope: Envelope) -> int:
    return len(envelope.body) + len(envelope.signature) + len(envelope.payload)


def _describe(error: Exception, address: str) -> tuple[str, int | None]:
    """A fault in fixed words (a proxy's own are quoted), and its HTTP status if it has one."""
    import httpx

    from wardround.federation.flower.node.session import SessionError
    from wardround.federation.flower.wire import MalformedMessageError

    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        return f"http {status}{_status_words(status)}", status
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError | ProxySettingError):
        trouble = explain(error, None if isinstance(error, ProxySettingError) else proxy_for(address))
        return f"{trouble.sentence}. {trouble.remedy}", None
    if isinstance(error, httpx.RemoteProtocolError) and (proxy := proxy_for(address)) is not None:
        trouble = explain(error, proxy)
        return f"{trouble.sentence}. {trouble.remedy}", None
    words: list[tuple[type[Exception], str]] = [
        (httpx.TimeoutException, _SILENT),
        (httpx.TransportError, _CUT),
        (SessionError, "link changed its mind"),
        (ConnectionError, "heartbeat failed"),
        (MalformedMessageError, "malformed message"),
        (AbandonedError, "asked to stop"),
    ]
    return next((word for kind, word in words if isinstance(error, kind)), "unexpected"), None


def _status_words(status: int) -> str:
    """What a status means to people; nothing more for a refusal, whose reason follows by itself."""
    if status in _STATUS_WORDS:
        return _STATUS_WORDS[status]
    if status in _REFUSALS:
        return ""
    overloaded = status >= HTTPStatus.INTERNAL_SERVER_ERROR or status == HTTPStatus.TOO_MANY_REQUESTS
    return _OUT_OF_ORDER if overloaded else _NO_AGGREGATOR
