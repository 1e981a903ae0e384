"""Who is asking: checks the signature that couriers send with every request (`signing`). Imports no Flower."""

from __future__ import annotations

import binascii
import datetime
import threading
from base64 import b64decode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from wardround.federation.flower.signing import (
    FORMER_KEY_HEADER,
    REQUEST_HEADER,
    SIGNATURE_HEADER,
    Claims,
    Reason,
    decode_signature,
    key_digest,
    new_link_name,
    signed_at,
    statement,
)

SECONDS_AHEAD = 5
SECONDS_BEHIND = 305
"""A node's clock may be this far off."""

_BARRED: Mapping[Reason, str] = {
    Reason.REVOKED: "its key was revoked",
    Reason.REPLACED: "its former key, which another has replaced",
}


@dataclass(frozen=True)
class Verdict:
    """What a request's headers say about its sender.

    Attributes:
        site: name in the roster whose key the request shows, whether or not it may pass.
        fault: why it may not pass, in fixed words and numbers; empty when it may.
        reason: the same as the site is told it, where there is something to tell.
        claims: what the request says of itself; only when it may pass.
    """

    site: str | None
    fault: str = ""
    reason: Reason | None = None
    claims: Claims | None = None


@dataclass(frozen=True)
class Request:
    """What of a request is known before its body: `target` is the path with its query, as it was sent."""

    method: str
    target: str
    headers: Mapping[bytes, bytes]


@dataclass(frozen=True)
class _Enrolled:
    """A site's name and its public key, as it was given and ready to check signatures with.

    `barred`: why the key may not speak any more.
    """

    name: str
    pem: bytes
    key: ec.EllipticCurvePublicKey
    barred: Reason | None = None


class Roster:
    """The sites that may speak, by public key. It may change while the link is open. Thread-safe.

    `link` is the name of this link, which requests must be signed for; a link that starts again has another one.

    Args:
        sites: name -> public key as PEM, as Flower's nodes send it.

    Raises:
        ValueError: a key is not an elliptic-curve public key in PEM form, or two sites share one.
    """

    def __init__(self, sites: Mapping[str, bytes]) -> None:
        self.link = new_link_name()
        self._lock = threading.Lock()
        # A reader takes the whole table once: it is replaced, never changed.
        self._enrolled: Mapping[str, _Enrolled] = _table(sites)
        self._former: Mapping[str, _Enrolled] = {}

    def enrol(self, sites: Mapping[str, bytes]) -> None:
        """Let these sites speak as well, each with this key only. Raises ValueError as the constructor does."""
        with self._lock:
            before = self._enrolled
            self._enrolled = _table({**{entry.name: entry.pem for entry in before.values()}, **sites})
            self._bar([entry for key, entry in before.items() if key not in self._enrolled], Reason.REPLACED)

    def revoke(self, site: str) -> None:
        """From now on nobody speaks for this site."""
        with self._lock:
            gone = [entry for entry in self._enrolled.values() if entry.name == site]
            self._enrolled = {key: entry for key, entry in self._enrolled.items() if entry.name != site}
            self._bar(gone, Reason.REVOKED)

    def _bar(self, entries: Iterable[_Enrolled], reason: Reason) -> None:
        """Remember keys that may not speak any more, so that both ends can be told why."""
        self._former = {
            **self._former,
            **{key_digest(entry.pem): replace(entry, barred=reason) for entry in entries},
        }

    def key_of(self, site: str) -> bytes | None:
        """The key with which a site may speak, or None when it may not."""
        return next((entry.pem for entry in self._enrolled.values() if entry.name == site), None)

    def examine(self, request: Request, now: datetime.datetime) -> Verdict:
        """Judge a request by its headers alone, before a byte of its body is read."""
        if REQUEST_HEADER not in request.headers:
            return self._unsigned(request.headers)
        try:
            claims = Claims.read(request.headers[REQUEST_HEADER])
            signature = decode_signature(request.headers[SIGNATURE_HEADER])
            ahead = (signed_at(claims) - now).total_seconds()
        except (KeyError, ValueError):
            return Verdict(None, "malformed credentials", Reason.SIGNATURE)
        entry = self._enrolled.get(claims.key) or self._former.get(claims.key)
        if entry is None:
            return Verdict(None, "unknown key", Reason.UNKNOWN_KEY)
        if claims.link != self.link:
            return Verdict(entry.name, "greeting", Reason.GREETING)
        if not _holds(entry.key, signature, statement(request.method, request.target, claims.header())):
            return Verdict(entry.name, "signature invalid", Reason.SIGNATURE)
        if entry.barred is not None:
            return Verdict(entry.name, _BARRED[entry.barred], entry.barred)
        fault = _clock_fault(ahead)
        return Verdict(entry.name, fault, Reason.CLOCK) if fault else Verdict(entry.name, claims=claims)

    def _unsigned(self, headers: Mapping[bytes, bytes]) -> Verdict:
        """A request without our signature: a stranger's, or one of a site that runs release 0.1.0."""
        if FORMER_KEY_HEADER not in headers:
            return Verdict(None, "no key", Reason.SIGNATURE)
        try:
            entry = self._enrolled.get(key_digest(b64decode(headers[FORMER_KEY_HEADER], validate=True)))
        except (ValueError, binascii.Error):
            return Verdict(None, "malformed credentials", Reason.SIGNATURE)
        if entry is None:
            return Verdict(None, "unknown key", Reason.UNKNOWN_KEY)
        return Verdict(entry.name, "this site's software is older than 0.2.0; it must be updated", Reason.OUTDATED)


def _holds(key: ec.EllipticCurvePublicKey, signature: bytes, content: bytes) -> bool:
    try:
        key.verify(signature, content, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def _clock_fault(ahead: float) -> str:
    if ahead >= SECONDS_AHEAD:
        return f"clock {ahead:.0f} s ahead"
    return f"clock {-ahead:.0f} s behind" if -ahead >= SECONDS_BEHIND else ""


def _table(sites: Mapping[str, bytes]) -> Mapping[str, _Enrolled]:
    table = {key_digest(pem): _Enrolled(name, pem, _load(name, pem)) for name, pem in sites.items()}
    if len(table) != len(sites):
        shared = sorted(set(sites) - {entry.name for entry in table.values()})
        raise ValueError(f"roster: site {', '.join(shared)} has the key of another site; each needs its own")
    return table


def canonical_keys(sites: Mapping[str, bytes]) -> dict[str, bytes]:
    """The sites' public keys byte for byte as Flower's nodes send them, whatever line ends and blanks a file had.

    Raises:
        ValueError: a key is not an elliptic-curve public key in PEM form.
    """
    return {
        name: _load(name, pem).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        for name, pem in sites.items()
    }


def _load(name: str, pem: bytes) -> ec.EllipticCurvePublicKey:
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError(f"roster: key of site {name}: expected an elliptic-curve public key in PEM form") from error
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError(f"roster: key of site {name}: got {type(key).__name__}, expected an elliptic-curve key")
    return key
