"""Who is asking: checks the signed time stamp that Flower's nodes send with every request. Imports no Flower."""

from __future__ import annotations

import binascii
import datetime
import threading
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

KEY_HEADER = b"flwr-public-key"
SIGNATURE_HEADER = b"flwr-signature"
TIME_HEADER = b"flwr-timestamp"

SECONDS_AHEAD = 5
SECONDS_BEHIND = 305
"""A node's clock may be this far off; Flower's own check has the same bounds."""


@dataclass(frozen=True)
class Verdict:
    """What a request's headers say about its sender.

    Attributes:
        site: name in the roster whose key the request shows, whether or not it may pass.
        fault: why it may not pass, in fixed words; empty when it may.
    """

    site: str | None
    fault: str = ""


@dataclass(frozen=True)
class _Enrolled:
    """A site's name and its public key, ready to check signatures with."""

    name: str
    key: ec.EllipticCurvePublicKey


class Roster:
    """The sites that may speak, by public key. It may change while the link is open. Thread-safe.

    Args:
        sites: name -> public key as PEM, as Flower's nodes send it.

    Raises:
        ValueError: a key is not an elliptic-curve public key in PEM form, or two sites share one.
    """

    def __init__(self, sites: Mapping[str, bytes]) -> None:
        self._lock = threading.Lock()
        # A reader takes the whole table once: it is replaced, never changed.
        self._enrolled: Mapping[bytes, _Enrolled] = _table(sites)

    def enrol(self, sites: Mapping[str, bytes]) -> None:
        """Let these sites speak as well, each with this key only. Raises ValueError as the constructor does."""
        with self._lock:
            kept = {entry.name: pem for pem, entry in self._enrolled.items()}
            self._enrolled = _table({**kept, **sites})

    def revoke(self, site: str) -> None:
        """From now on nobody speaks for this site."""
        with self._lock:
            self._enrolled = {pem: entry for pem, entry in self._enrolled.items() if entry.name != site}

    def key_of(self, site: str) -> bytes | None:
        """The key with which a site may speak, or None when it may not."""
        return next((pem for pem, entry in self._enrolled.items() if entry.name == site), None)

    def examine(self, headers: Mapping[bytes, bytes], now: datetime.datetime) -> Verdict:
        """Judge a request by its headers alone, before a byte of its body is read."""
        if KEY_HEADER not in headers:
            return Verdict(None, "no key")
        try:
            pem = b64decode(headers[KEY_HEADER], validate=True)
            signature = b64decode(headers[SIGNATURE_HEADER], validate=True)
            stamp = headers[TIME_HEADER].decode("ascii")
            signed_at = datetime.datetime.fromisoformat(stamp)
            ahead = (signed_at - now).total_seconds()
        except (KeyError, ValueError, TypeError, binascii.Error):
            return Verdict(None, "malformed credentials")
        entry = self._enrolled.get(pem)
        if entry is None:
            return Verdict(None, "unknown key")
        return Verdict(entry.name, _fault(entry.key, signature, stamp, ahead))


def _fault(key: ec.EllipticCurvePublicKey, signature: bytes, stamp: str, ahead: float) -> str:
    try:
        key.verify(signature, stamp.encode("ascii"), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return "signature invalid"
    if ahead >= SECONDS_AHEAD:
        return f"clock {ahead:.0f} s ahead"
    return f"clock {-ahead:.0f} s behind" if -ahead >= SECONDS_BEHIND else ""


def _table(sites: Mapping[str, bytes]) -> Mapping[bytes, _Enrolled]:
    table = {pem: _Enrolled(name, _load(name, pem)) for name, pem in sites.items()}
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
