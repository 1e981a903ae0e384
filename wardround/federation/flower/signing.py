"""Signed requests: what a courier puts into each request's headers, so that it passes once, as it is, or not at all.

A signature covers method, path, body, time, a number that is used once, the machine that speaks, and the link that it
speaks to. The link makes itself a new name at every start and tells it with its first refusal, so that nothing that was
recorded before a restart passes after it. Imports no Flower.
"""

from __future__ import annotations

import binascii
import datetime
import hashlib
import re
import secrets
import threading
import time
from base64 import b64decode, b64encode
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

REQUEST_HEADER = b"wardround-request"
SIGNATURE_HEADER = b"wardround-signature"
LINK_HEADER = b"wardround-link"
REFUSAL_HEADER = b"wardround-refusal"
SECOND_HEADER = b"wardround-second-machine"
"""By which a site is told, with every answer, from which address another machine asks with its keys."""
FORMER_KEY_HEADER = b"flwr-public-key"
"""What release 0.1.0 sent instead: its signature covered a time stamp only."""

NO_INSTALLATION = "0" * 32
_NO_LINK = "0" * 32
_VERSION = "1"
_FORM = re.compile(
    r"1 (?P<key>[0-9a-f]{64}) (?P<link>[0-9a-f]{32}) (?P<installation>[0-9a-f]{32}) (?P<process>[0-9a-f]{32})"
    r" (?P<session>[0-9]{1,20}) (?P<number>[0-9]{1,15}) (?P<milliseconds>[0-9]{1,15}) (?P<body>[0-9a-f]{64})",
    re.ASCII,
)


class Reason(StrEnum):
    """Why a request may not pass, as the site is told."""

    UNKNOWN_KEY = "unknown-key"
    SIGNATURE = "signature"
    CLOCK = "clock"
    REPEATED = "repeated"
    OTHER_MACHINE = "other-machine"
    OUTDATED = "outdated"
    GREETING = "greeting"
    REVOKED = "revoked"
    REPLACED = "replaced"


@dataclass(frozen=True)
class Machine:
    """Who speaks with a site's key.

    Attributes:
        installation: random name of the work folder that the courier uses.
        process: random name of the courier's process.
        session: grows with every session of the process, and from process to process with the clock.
    """

    installation: str
    process: str
    session: int


@dataclass(frozen=True)
class Claims:
    """What a request says about itself; all of it is signed.

    Attributes:
        key: SHA-256 of the public key's PEM.
        link: name of the link that is spoken to.
        machine: who speaks.
        number: used once in a session.
        milliseconds: time of signing, since 1970.
        body: SHA-256 of the body.
    """

    key: str
    link: str
    machine: Machine
    number: int
    milliseconds: int
    body: str

    def header(self) -> str:
        """The claims as one line."""
        machine = self.machine
        who = f"{machine.installation} {machine.process} {machine.session}"
        return f"{_VERSION} {self.key} {self.link} {who} {self.number} {self.milliseconds} {self.body}"

    @classmethod
    def read(cls, header: bytes) -> Self:
        """The claims of a line. Raises ValueError for everything that `header` does not write."""
        found = _FORM.fullmatch(header.decode("ascii"))
        if found is None:
            raise ValueError("these are not the claims of a request")
        machine = Machine(found["installation"], found["process"], int(found["session"]))
        claims = cls(
            found["key"], found["link"], machine, int(found["number"]), int(found["milliseconds"]), found["body"]
        )
        if claims.header().encode("ascii") != header:
            raise ValueError("these claims are written in a second form")
        return claims


def statement(method: str, target: str, header: str) -> bytes:
    """The bytes that a signature covers. `target` is the path with its query, as it stands in the request."""
    return f"wardround request\n{method} {target}\n{header}".encode("latin-1")


def body_digest(body: bytes) -> str:
    """How claims name a body."""
    return hashlib.sha256(body).hexdigest()


def key_digest(pem: bytes) -> str:
    """How claims name a public key."""
    return hashlib.sha256(pem).hexdigest()


def new_link_name() -> str:
    """A name for a link that nobody can guess and that was never used."""
    return secrets.token_hex(16)


def decode_signature(header: bytes) -> bytes:
    """A signature as it travels. Raises ValueError for other text, and for a second spelling of the same bytes."""
    try:
        signature = b64decode(header, validate=True)
    except binascii.Error as error:
        raise ValueError("not a signature") from error
    if b64encode(signature) != header:
        raise ValueError("a signature that is spelt in a second way")
    return signature


class Signer:
    """Signs a courier's requests. Thread-safe.

    Args:
        key: the site's private key.
        installation: name of the work folder, 32 hexadecimal digits.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey, installation: str = NO_INSTALLATION) -> None:
        self._key = key
        encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        self.public_key = key.public_key().public_bytes(encoding, form)
        self._digest = key_digest(self.public_key)
        self._installation, self._process = installation, secrets.token_hex(16)
        self._lock = threading.Lock()
        self._link, self._session, self._number = _NO_LINK, 0, 0
        self.renew()

    def renew(self) -> None:
        """Begin a new session: it replaces the former one of this process at the link."""
        with self._lock:
            self._session = max(self._session + 1, time.time_ns())

    def learn(self, link: str) -> bool:
        """Take the name that a link gives itself. True when it is news, so that signing again makes sense."""
        if re.fullmatch(r"[0-9a-f]{32}", link) is None or link == self._link:
            return False
        self._link = link
        return True

    def headers(self, method: str, target: str, body: bytes = b"") -> dict[str, str]:
        """Headers for one sending of one request. Signing again gives other headers."""
        with self._lock:
            self._number += 1
            machine, number = Machine(self._installation, self._process, self._session), self._number
        claims = Claims(self._digest, self._link, machine, number, _milliseconds(), body_digest(body))
        header = claims.header()
        signature = self._key.sign(statement(method, target, header), ec.ECDSA(hashes.SHA256()))
        return {REQUEST_HEADER.decode(): header, SIGNATURE_HEADER.decode(): b64encode(signature).decode()}


def signed_at(claims: Claims) -> datetime.datetime:
    """When a request was signed, by its sender's clock. Raises ValueError for a time beyond the calendar."""
    try:
        return datetime.datetime.fromtimestamp(claims.milliseconds / 1000, datetime.UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("not a time") from error


def _milliseconds() -> int:
    return time.time_ns() // 1_000_000
