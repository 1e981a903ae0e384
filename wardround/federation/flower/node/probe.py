"""Looks at a link from a site, without taking part: can it be reached, is its certificate right, do the clocks agree.

Imports no Flower, so that a site's preflight is quick.
"""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal, cast, get_args

from cryptography.hazmat.primitives.asymmetric import ec

from wardround.federation.flower.callers import SECONDS_AHEAD, SECONDS_BEHIND
from wardround.federation.flower.node.trouble import Trouble, explain, no_link
from wardround.federation.flower.node.way import ProxySettingError, open_way, proxy_for
from wardround.federation.flower.paths import HEALTH_PATH
from wardround.federation.flower.signing import LINK_HEADER, REFUSAL_HEADER, Reason, Signer

if TYPE_CHECKING:
    import httpx

_SECONDS = 10.0
_HALF_A_TICK = 0.5

CertificateState = Literal["ok", "expired", "not_yet_valid", "wrong_authority", "wrong_name", "invalid", "unchecked"]


@dataclass(frozen=True)
class ProbeResult:
    """What a look at the link found.

    Attributes:
        reachable: a TCP connection could be made.
        certificate: what the TLS handshake said; `unchecked` when it was not reached.
        health: HTTP status of the link's health page, or None.
        skew: seconds by which this machine's clock is ahead of the link's, or None when unknown.
        trouble: what is wrong with the way, if anything is.
    """

    reachable: bool
    certificate: CertificateState
    health: int | None = None
    skew: float | None = None
    trouble: Trouble | None = None

    @property
    def healthy(self) -> bool:
        """Whether a node on this machine would be heard."""
        return self.health == http.client.OK and self.skew is not None and within_window(self.skew)


class WayError(OSError):
    """The link could not be asked."""

    def __init__(self, trouble: Trouble) -> None:
        super().__init__(trouble.sentence)
        self.trouble = trouble


@dataclass(frozen=True)
class _Health:
    status: int
    skew: float | None
    link: str = ""
    refusal: str = ""


def client_context(ca: bytes) -> ssl.SSLContext:
    """A TLS context that trusts the federation's authority and nobody else. Raises ValueError on unreadable PEM."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cadata=ca.decode("ascii"))
    except (UnicodeDecodeError, ssl.SSLError) as error:
        raise ValueError("certificate authority: expected one or more certificates in PEM form") from error
    return context


def clock_skew(address: str, ca: bytes) -> float:
    """Seconds by which this machine is ahead of the link, good to about half a second.

    Raises:
        OSError: the link could not be reached, or its certificate is not right.
        ValueError: `ca` is not PEM, or what answered is not a link.
    """
    skew = _ask_health(address, ca, {}).skew
    if skew is None:
        raise ValueError(f"{address}: the health page shows no date; is this the address of an aggregator?")
    return skew


def within_window(skew: float) -> bool:
    """Whether the link accepts a node whose clock is this many seconds ahead."""
    return -SECONDS_BEHIND < skew < SECONDS_AHEAD


def probe(address: str, ca: bytes) -> ProbeResult:
    """Look at the link's address, certificate, health and clock. Never raises for what the network does."""
    try:
        health = _ask_health(address, ca, {})
    except WayError as error:
        return _failed(error.trouble)
    if health.skew is None:
        return ProbeResult(True, "ok", health.status, trouble=no_link())
    return ProbeResult(True, "ok", health.status, health.skew)


def _failed(trouble: Trouble) -> ProbeResult:
    if trouble.code == "no_link":
        return ProbeResult(True, "ok", trouble=trouble)
    known = trouble.code if trouble.code in get_args(CertificateState) else None
    if known is not None or trouble.code == "no_tls":
        return ProbeResult(True, cast(CertificateState, known or "invalid"), trouble=trouble)
    return ProbeResult(trouble.code == "cut", "unchecked", trouble=trouble)


def is_enrolled(address: str, ca: bytes, key: ec.EllipticCurvePrivateKey) -> bool:
    """Whether the link would let this key in, asked without starting a session. False, too, when the clock is off.

    Raises:
        OSError: the link could not be reached, or its certificate is not right.
        ValueError: `ca` is not PEM, or what answered is not a link.
    """
    return standing(address, ca, Signer(key)) is None


def standing(address: str, ca: bytes, signer: Signer) -> Reason | None:
    """Why the link would not hear this site now, asked without starting a session; None when it would.

    Raises:
        OSError: the link could not be reached, or its certificate is not right.
        ValueError: `ca` is not PEM, or what answered is not a link.
    """
    found = _ask_health(address, ca, signer.headers("GET", HEALTH_PATH))
    if signer.learn(found.link):
        found = _ask_health(address, ca, signer.headers("GET", HEALTH_PATH))
    if found.status == http.client.OK:
        return None
    return Reason(found.refusal) if found.refusal in set(Reason) else Reason.SIGNATURE


def _ask_health(address: str, ca: bytes, headers: Mapping[str, str]) -> _Health:
    import httpx

    tls = client_context(ca)
    try:
        proxy = proxy_for(address)
    except ProxySettingError as error:
        raise WayError(explain(error)) from None
    try:
        with open_way(address, tls, _SECONDS) as client:
            return _health(client, f"https://{address}{HEALTH_PATH}", headers)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # The cause is left out: a library's text may hold what a proxy said.
        raise WayError(explain(error, proxy)) from None


def _health(client: httpx.Client, url: str, headers: Mapping[str, str]) -> _Health:
    """What the health page's head says. The clock is read when the request goes out, not when the way is opened."""
    opened: list[float] = []

    def trace(event: str, _: object) -> None:
        if event.endswith("send_request_headers.started"):
            opened[:] = [_local_time()]

    request = client.build_request("GET", url, headers=dict(headers), extensions={"trace": trace})
    response = client.send(request, stream=True)
    try:
        answered = _local_time()
        told = (response.headers.get(name.decode(), "") for name in (LINK_HEADER, REFUSAL_HEADER))
        asked = opened[0] if opened else answered
        return _Health(response.status_code, _skew(response.headers.get("date"), (asked + answered) / 2), *told)
    finally:
        response.close()


def _local_time() -> float:
    return time.time()


def _skew(date: str | None, here: float) -> float | None:
    if date is None:
        return None
    try:
        there = parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None
    return here - (there + _HALF_A_TICK)
