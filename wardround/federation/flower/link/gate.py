"""The gate: what stands between the network and Flower's link. It denies by default. Imports no Flower.

A request passes only on one of the listed fleet paths, only when its headers carry the signature of a site in the
roster over this very request, and only once; that is decided before its body is read, which must then be the one that
was signed. Bodies are capped while they arrive, and slow peers are cut.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any, cast

from wardround.federation.flower.callers import Request, Roster, Verdict
from wardround.federation.flower.events import Announcer
from wardround.federation.flower.link.admission import Admission, GateLimits, Peer
from wardround.federation.flower.link.machines import Machines
from wardround.federation.flower.paths import FLEET_PATHS, HEALTH_PATH, POLL_PATH
from wardround.federation.flower.signing import (
    FORMER_KEY_HEADER,
    LINK_HEADER,
    REFUSAL_HEADER,
    REQUEST_HEADER,
    SECOND_HEADER,
    Claims,
    Reason,
    body_digest,
)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_DIGITS = 3
_OK, _UNAUTHORIZED, _NOT_FOUND, _TIMEOUT, _CONFLICT = 200, 401, 404, 408, 409
_TOO_LARGE, _OUTDATED, _ERROR = 413, 426, 500
_STATUS = {Reason.OTHER_MACHINE: _CONFLICT, Reason.OUTDATED: _OUTDATED}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """An HTTP status and the body that goes with it."""

    status: int
    body: bytes = b""


class _RefusedError(Exception):
    """A request whose body is turned away with an HTTP status."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Gate:
    """The link's only application (ASGI).

    Args:
        answer: answers a request that passed, given the site's name, the path and the body; runs in a thread.
        roster: who may pass.
        limits: what a peer may take up.
        machines: which machine speaks for a site, and which requests it has sent already.
        admission: the connection counters; a connection that passes counts as its site's own.
        announcer: takes refusals and limits.
        seen: called with a site's name whenever it is heard.
        wait: returns when there is a message for a site, or after some seconds: for polls that ask to be held.
    """

    def __init__(
        self,
        answer: Callable[[str, str, bytes], Answer],
        roster: Roster,
        machines: Machines,
        limits: GateLimits,
        admission: Admission,
        announcer: Announcer,
        seen: Callable[[str], None],
        wait: Callable[[str, float], Awaitable[None]],
    ) -> None:
        self._answer = answer
        self._roster = roster
        self._machines = machines
        self._limits = limits
        self._admission = admission
        self._announcer = announcer
        self._seen = seen
        self._wait = wait

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection scope. Everything but HTTP is closed at once."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        if scope["type"] != "http":
            return
        if scope["path"] == HEALTH_PATH and scope["method"] in ("GET", "HEAD"):
            await self._health(scope, send)
        elif scope["path"] in FLEET_PATHS and scope["method"] == "POST":
            await self._fleet(scope, receive, send)
        else:
            self._announcer.refused("unknown path")
            await _turn_away(send, _NOT_FOUND, [])

    async def _health(self, scope: Scope, send: Send) -> None:
        """Say that the link lives, and what its clock shows. With a site's credentials: whether these would pass."""
        verdict = self._verdict_on_health(scope)
        date = format_datetime(datetime.datetime.now(datetime.UTC), usegmt=True).encode("ascii")
        headers = [(b"date", date), (b"connection", b"close")]
        if verdict.fault:
            self._announce(verdict)
            await _respond(send, _status(verdict), b"", [*headers, *self._explanation(verdict)])
            return
        await _respond(send, _OK, b"ok\n" if scope["method"] == "GET" else b"", headers)

    def _verdict_on_health(self, scope: Scope) -> Verdict:
        headers = dict(scope["headers"])
        if REQUEST_HEADER not in headers and FORMER_KEY_HEADER not in headers:
            return Verdict(None)
        verdict = self._examine(scope)
        if verdict.site is None or verdict.claims is None:
            return verdict
        if self._machines.would_refuse(verdict.site, verdict.claims.machine):
            return Verdict(verdict.site, "asked from another machine", Reason.OTHER_MACHINE)
        return verdict

    async def _fleet(self, scope: Scope, receive: Receive, send: Send) -> None:
        peer = cast(Peer, tuple(scope["client"] or ("", 0)))
        verdict = self._heard(self._examine(scope), peer)
        if verdict.claims is None or verdict.site is None:
            self._announce(verdict)
            await _turn_away(send, _status(verdict), self._explanation(verdict))
            return
        site = verdict.site
        self._admission.authenticated(peer, site)
        self._seen(site)
        try:
            body = await self._read(scope, receive, site)
            self._require_signed(body, verdict.claims)
        except _RefusedError as refusal:
            self._announcer.limited(refusal.detail, site)
            await _turn_away(send, refusal.status, self._explanation(Verdict(site, reason=Reason.SIGNATURE)))
            return
        if scope["path"] == POLL_PATH and (seconds := _asked_to_wait(dict(scope["headers"]))):
            await self._wait(site, seconds)
        await self._pass_on(scope["path"], site, body, send)

    def _examine(self, scope: Scope) -> Verdict:
        query = scope.get("query_string", b"")
        target = cast(bytes, scope.get("raw_path") or b"") + (b"?" + query if query else b"")
        request = Request(scope["method"], target.decode("latin-1"), dict(scope["headers"]))
        return self._roster.examine(request, datetime.datetime.now(datetime.UTC))

    def _heard(self, verdict: Verdict, peer: Peer) -> Verdict:
        """The verdict, unless the request was sent before or another machine speaks for the site."""
        if verdict.claims is None or verdict.site is None:
            return verdict
        reason = self._machines.admit(verdict.site, verdict.claims, peer)
        if reason is None:
            return verdict
        fault = "this request was sent before" if reason is Reason.REPEATED else "another machine speaks for this site"
        return Verdict(verdict.site, fault, reason)

    def _announce(self, verdict: Verdict) -> None:
        # A greeting is how every session begins, and a second machine is announced by `Machines`.
        if verdict.reason not in (Reason.GREETING, Reason.OTHER_MACHINE):
            self._announcer.refused(verdict.fault, verdict.site)

    def _explanation(self, verdict: Verdict) -> Headers:
        """What a peer is told: why, in one word, and the name that it must sign for."""
        told = [(LINK_HEADER, self._roster.link.encode("ascii"))]
        return told if verdict.reason is None else [*told, (REFUSAL_HEADER, verdict.reason.value.encode("ascii"))]

    def _warning(self, site: str) -> Headers:
        """What the machine that speaks for a site should know: that another one would."""
        second = self._machines.second(site)
        return [(SECOND_HEADER, second.encode("ascii", "replace"))] if second else []

    def _require_signed(self, body: bytes, claims: Claims) -> None:
        if body_digest(body) != claims.body:
            raise _RefusedError(_UNAUTHORIZED, "the body is not the one that was signed")

    async def _read(self, scope: Scope, receive: Receive, site: str) -> bytes:
        """The whole body, refused as soon as it is too large or too slow."""
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > self._limits.body_bytes:
            raise _RefusedError(_TOO_LARGE, "body too large")
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while True:
                    message = await receive()
                    body += message.get("body", b"")
                    if len(body) > self._limits.body_bytes:
                        raise _RefusedError(_TOO_LARGE, "body too large")
                    if message["type"] == "http.disconnect":
                        raise _RefusedError(_TIMEOUT, "body cut short")
                    if not message.get("more_body", False):
                        return bytes(body)
                    self._seen(site)
        except TimeoutError as error:
            raise _RefusedError(_TIMEOUT, "body too slow") from error

    async def _pass_on(self, path: str, site: str, body: bytes, send: Send) -> None:
        """Let the link answer a request that has arrived; a fault of its own becomes a bare 500."""
        try:
            answer = await asyncio.to_thread(self._answer, site, path, body)
        except Exception as error:  # must not reach the peer, and must not pass in silence
            _log.error("Request %s of site %s failed inside the link: %s", path, site, type(error).__name__)
            answer = Answer(_ERROR)
        if answer.status == _UNAUTHORIZED:
            self._announcer.refused("session unknown", site)
        elif answer.status != _OK:
            self._announcer.refused(f"http {answer.status}", site)
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                await _respond(send, answer.status, answer.body, self._warning(site))
        except TimeoutError:
            self._announcer.limited("response taken too slowly", site)
            raise


def _status(verdict: Verdict) -> int:
    return _UNAUTHORIZED if verdict.reason is None else _STATUS.get(verdict.reason, _UNAUTHORIZED)


def _asked_to_wait(headers: Mapping[bytes, bytes]) -> float:
    """Seconds that a request asks to be held for (RFC 7240), or 0."""
    name, _, seconds = headers.get(b"prefer", b"").partition(b"=")
    return float(seconds) if name == b"wait" and seconds.isdigit() and len(seconds) <= _DIGITS else 0.0


async def _turn_away(send: Send, status: int, headers: Headers) -> None:
    """Answer with a bare status, whatever may still come, and close the connection."""
    await _respond(send, status, b"", [(b"connection", b"close"), *headers])


async def _respond(send: Send, status: int, body: bytes, headers: Headers) -> None:
    length = (b"content-length", str(len(body)).encode("ascii"))
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})
