"""Looks at a link from a site, without taking part: can it be reached, is its certificate right, do the clocks agree.

Imports no Flower, so that a site's preflight is quick.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Literal

from cryptography.hazmat.primitives.asymmetric import ec

from .gate import HEALTH_PATH
from .roster import SECONDS_AHEAD, SECONDS_BEHIND
from .signing import LINK_HEADER, REFUSAL_HEADER, Reason, Signer

_SECONDS = 10.0
_HALF_A_TICK = 0.5

CertificateState = Literal["ok", "expired", "not_yet_valid", "wrong_authority", "wrong_name", "invalid", "unchecked"]

_VERIFY_CODES: dict[int, CertificateState] = {
    7: "wrong_authority",
    9: "not_yet_valid",
    10: "expired",
    18: "wrong_authority",
    19: "wrong_authority",
    20: "wrong_authority",
    21: "wrong_authority",
    62: "wrong_name",
    64: "wrong_name",
}
"""OpenSSL's X509_V_ERR numbers."""


@dataclass(frozen=True)
class ProbeResult:
    """What a look at the link found.

    Attributes:
        reachable: a TCP connection could be made.
        certificate: what the TLS handshake said; `unchecked` when it was not reached.
        health: HTTP status of the link's health page, or None.
        skew: seconds by which this machine's clock is ahead of the link's, or None when unknown.
    """

    reachable: bool
    certificate: CertificateState
    health: int | None = None
    skew: float | None = None

    @property
    def healthy(self) -> bool:
        """Whether a node on this machine would be heard."""
        return self.health == http.client.OK and self.skew is not None and within_window(self.skew)


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
        ValueError: what answered is not a link.
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
    except ssl.SSLCertVerificationError as error:
        return ProbeResult(True, _VERIFY_CODES.get(error.verify_code, "invalid"))
    except ssl.SSLError:
        return ProbeResult(True, "invalid")
    except (TimeoutError, ConnectionRefusedError, socket.gaierror):
        return ProbeResult(False, "unchecked")
    except OSError:
        return ProbeResult(_reachable(address), "unchecked")
    except ValueError:
        return ProbeResult(True, "ok")
    return ProbeResult(True, "ok", health.status, health.skew)


def is_enrolled(address: str, ca: bytes, key: ec.EllipticCurvePrivateKey) -> bool:
    """Whether the link would let this key in, asked without starting a session. False, too, when the clock is off.

    Raises:
        OSError: the link could not be reached, or its certificate is not right.
        ValueError: what answered is not a link.
    """
    return standing(address, ca, Signer(key)) is None


def standing(address: str, ca: bytes, signer: Signer) -> Reason | None:
    """Why the link would not hear this site now, asked without starting a session; None when it would.

    Raises:
        OSError: the link could not be reached, or its certificate is not right.
        ValueError: what answered is not a link.
    """
    found = _ask_health(address, ca, signer.headers("GET", HEALTH_PATH))
    if signer.learn(found.link):
        found = _ask_health(address, ca, signer.headers("GET", HEALTH_PATH))
    if found.status == http.client.OK:
        return None
    return Reason(found.refusal) if found.refusal in set(Reason) else Reason.SIGNATURE


def _ask_health(address: str, ca: bytes, headers: Mapping[str, str]) -> _Health:
    connection = _connection(address, ca)
    try:
        connection.connect()
        asked = _local_time()
        connection.request("GET", HEALTH_PATH, headers=dict(headers))
        response = connection.getresponse()
        answered = _local_time()
        response.read(1024)
    except http.client.HTTPException as error:
        raise ValueError(f"{address}: what answered does not speak HTTP") from error
    finally:
        connection.close()
    told = (response.headers.get(name.decode(), "") for name in (LINK_HEADER, REFUSAL_HEADER))
    return _Health(response.status, _skew(response.headers.get("date"), (asked + answered) / 2), *told)


def _connection(address: str, ca: bytes) -> http.client.HTTPSConnection:
    """A connection to the link, through the proxy that the environment names (HTTPS_PROXY, NO_PROXY), if any."""
    context = client_context(ca)
    host, _, port = address.rpartition(":")
    proxy = urllib.parse.urlsplit(urllib.request.getproxies().get("https", ""))
    if not proxy.hostname or urllib.request.proxy_bypass(host):
        return http.client.HTTPSConnection(address, timeout=_SECONDS, context=context)
    connection = http.client.HTTPSConnection(proxy.hostname, proxy.port or 80, timeout=_SECONDS, context=context)
    connection.set_tunnel(host, int(port))
    return connection


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


def _reachable(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True
