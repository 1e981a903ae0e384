"""The aggregator's side: one TLS listener for a roster of sites, and one call that asks a site and waits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from wardround.federation.envelope import Envelope
from wardround.federation.flower import settings
from wardround.federation.flower.callers import Roster, canonical_keys
from wardround.federation.flower.events import Announcer, LinkEvent, ignore
from wardround.federation.flower.link.admission import Admission, GateLimits
from wardround.federation.flower.link.gate import Gate
from wardround.federation.flower.link.listener import Listener
from wardround.federation.flower.link.machines import Machines
from wardround.federation.flower.link.mail import Mail
from wardround.federation.flower.link.presence import Presence
from wardround.federation.flower.link.progress import Progress
from wardround.federation.flower.link.proxy_header import Proxies
from wardround.federation.flower.link.tls import CertificateWatch, TlsFiles, server_context
from wardround.federation.flower.shelf import Shelves

if TYPE_CHECKING:
    from wardround.federation.flower.cargo import Cargo
    from wardround.federation.flower.link.link_state import Attempt, SiteLinkState

__all__ = ["GateLimits", "Link", "LinkEvent", "TlsFiles"]

_LIFETIME = 30 * 86_400.0
"""A message is withdrawn by whoever asked; the lifetime that Flower wants only has to be longer than any transfer."""

_STEADY_SECONDS = 150.0
"""Time for one more piece to arrive: longer than the gate gives to one body."""

_log = logging.getLogger(__name__)


class Link:
    """The aggregator's end of the federation's network, as a context manager.

    Nothing of it survives a restart and nothing needs to: what matters is in the aggregator's inbox, and a site comes
    back by itself. It serves Flower's fleet protocol to the roster and `/health` to anybody, and nothing else.

    Args:
        host: address to listen on.
        port: port to listen on; 0 lets the system choose (see `port`).
        tls: certificate files.
        sites: name -> public key, in Flower's form (PEM of a P-384 key). Exactly these sites can take part.
        limits: what a peer may take up.
        proxies: addresses or networks of TCP proxies before the port, which say for whom they connect (`proxy_header`).
        folder: where the pieces of replies are kept until they are complete, over restarts too; None for a folder that
            lasts as long as the process.
        on_event: called from the link's threads with everything worth knowing; must be quick and thread-safe.

    Raises:
        ValueError: a key cannot be read, or two sites share one.
        InputError: the certificate or its key cannot be used; on entering: the address cannot be listened on.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        tls: TlsFiles,
        sites: Mapping[str, bytes],
        limits: GateLimits | None = None,
        proxies: Sequence[str] = (),
        folder: Path | None = None,
        on_event: Callable[[LinkEvent], None] = ignore,
    ) -> None:
        self._limits = limits or GateLimits()
        self._folder = folder
        self._cargo: Cargo | None = None
        self._mail: Mail | None = None
        self._sites = canonical_keys(sites)
        self._roster = Roster(self._sites)
        self._announcer = Announcer(on_event)
        self._machines = Machines(self._announcer)
        self._admission = Admission(self._limits, self._announcer, self._machines.closed)
        self._caller: ContextVar[str | None] = ContextVar("authenticated_site", default=None)
        self._tls = tls
        self._listener = Listener(
            host, port, server_context(tls), self._limits, self._admission, self._announcer, Proxies.of(proxies)
        )
        certificates = CertificateWatch(tls, self._listener.use, self._announcer)
        self._presence = Presence(self._sites, self._announcer, [self._machines.sweep, certificates.look])
        self._state: SiteLinkState | None = None
        self._closed = threading.Event()

    @property
    def port(self) -> int:
        """The port that the link listens on."""
        return self._listener.port

    def __enter__(self) -> Self:
        """Start to listen."""
        settings.ensure()
        from wardround.federation.flower.cargo import Cargo
        from wardround.federation.flower.link.fleet import Fleet
        from wardround.federation.flower.link.link_state import SiteLinkState

        reply_limit, shelves = self._limits.reply_bytes, Shelves(self._folder, self._limits.reply_bytes)
        self._cargo = Cargo()
        self._state = SiteLinkState(self._sites, self._caller, self._signed_off, reply_limit, shelves.of)
        answer = Fleet(self._state, self._roster.key_of, self._caller).answer
        limits, admission, announcer = self._limits, self._admission, self._announcer
        self._mail = Mail(self._state.has_mail)
        seen, wait = self._presence.seen, self._mail.wait
        self._listener.start(Gate(answer, self._roster, self._machines, limits, admission, announcer, seen, wait))
        self._presence.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening. Exchanges that still wait return None."""
        self._closed.set()
        if self._state is not None:
            self._state.close()
        self._listener.stop()
        self._presence.stop()

    def exchange(self, site: str, envelope: Envelope, timeout: float) -> Envelope | None:
        """Send one message to a site and wait for its answer.

        A message that a site had pulled when its courier died or lost the link is posted again as soon as the site is
        back, within the same call; so a site may be handed one envelope more than once. Thread-safe.

        Args:
            site: name in the roster.
            envelope: what to send.
            timeout: most seconds to wait, reckoned for the transfer of both payloads on the site's line. A transfer
                that gets on, however slowly or often it is cut, is given more: as long again, or 150 s if that is
                shorter, from each piece that arrives.

        Returns:
            The answer, or None when none came in time or what came was not an envelope: ask again.

        Raises:
            KeyError: the site is not in the roster.
            RuntimeError: the link is not open.
        """
        state = self._open_state()
        state.node_id(site)
        progress = Progress(timeout, min(timeout, _STEADY_SECONDS))
        while progress.left() > 0 and not self._closed.is_set():
            attempt = self._post(state, site, envelope, progress)
            try:
                while not attempt.settled.wait(max(0.0, progress.left())) and progress.left() > 0:
                    pass  # a piece has arrived meanwhile
                if not _was_lost(attempt):
                    return self._read_answer(state, site, attempt)
            finally:
                state.withdraw(attempt)
        return None

    def enrol(self, sites: Mapping[str, bytes]) -> None:
        """Let these sites take part from now on, each with this key only. Thread-safe; works on an open link.

        A site that is here already with another key loses its open connections, and comes back with the new one.

        Raises:
            ValueError: a key cannot be read, or two sites would share one; then nothing is changed.
        """
        keys = canonical_keys(sites)
        changed = [site for site, key in keys.items() if self._roster.key_of(site) != key]
        self._roster.enrol(keys)
        self._presence.add(keys)
        self._sites.update(keys)
        for site in changed:
            if self._state is not None:
                self._state.enrol(site, keys[site])
            self._expel(site, "key replaced")

    def revoke(self, site: str) -> None:
        """From now on nobody can speak for this site: its key is refused and its connections are dropped. Thread-safe.

        Exchanges that wait for it return None, and so does every later one when its time is up, until the site is
        enrolled again.

        Raises:
            KeyError: the site was never enrolled.
        """
        if site not in self._sites:
            raise KeyError(site)
        self._roster.revoke(site)
        if self._state is not None:
            from wardround.federation.flower.link.link_state import Outcome

            self._state.end_session(site, Outcome.CLOSED)
        self._expel(site, "key revoked")

    def _signed_off(self, site: str) -> None:
        self._machines.left(site)
        self._presence.left(site)

    def _expel(self, site: str, detail: str) -> None:
        self._machines.forget(site)
        self._listener.soon(partial(self._admission.expel, site))
        self._presence.left(site, detail)

    def seconds_since_seen(self, site: str) -> float | None:
        """Seconds since the site was last heard with valid credentials; None if it never was since the link opened."""
        return self._presence.seconds_since_seen(site)

    def _open_state(self) -> SiteLinkState:
        if self._state is None or self._closed.is_set():
            raise RuntimeError("the link is not open: use it inside `with Link(...)`")
        return self._state

    def _post(self, state: SiteLinkState, site: str, envelope: Envelope, progress: Progress) -> Attempt:
        from wardround.federation.flower.wire import AGGREGATOR_NODE_ID, Route, pack

        if self._cargo is None or self._mail is None:
            raise RuntimeError("the link is not open")
        route = Route(state.run_id, AGGREGATOR_NODE_ID, state.node_id(site))
        attempt = state.post(pack(envelope, self._cargo.of(envelope.payload), route, _LIFETIME), progress)
        self._mail.arrived(site)
        return attempt

    def _read_answer(self, state: SiteLinkState, site: str, attempt: Attempt) -> Envelope | None:
        from wardround.federation.flower.link.link_state import Outcome
        from wardround.federation.flower.wire import MalformedMessageError

        if attempt.outcome is not Outcome.ANSWERED:
            return None
        try:
            return state.collect(attempt)
        except MalformedMessageError:
            self._announcer.refused("malformed reply", site)
        except OSError as error:
            self._announcer.limited(f"no room for a reply: error {error.errno}", site)
        return None


def _was_lost(attempt: Attempt) -> bool:
    from wardround.federation.flower.link.link_state import Outcome

    return attempt.outcome is Outcome.LOST
