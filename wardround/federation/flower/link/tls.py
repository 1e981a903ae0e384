"""The listener's certificate: checked at the start, looked after while it runs, exchanged without a stop."""

from __future__ import annotations

import datetime
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from wardround.engine.basics.problems import InputError
from wardround.federation.expiry import expiry_sentence, expiry_stage
from wardround.federation.flower.events import Announcer

_REMEDY = "Both must be PEM files that belong together; `aggregator certificate` issues new ones"
_SETTLING_LOOKS = 3


@dataclass(frozen=True)
class TlsFiles:
    """PEM files of the listener: the authority's certificate, the server's certificate (chain) and its private key."""

    ca: Path
    certificate: Path
    key: Path


def server_context(tls: TlsFiles) -> ssl.SSLContext:
    """A context with the server's certificate.

    Raises:
        InputError: a file cannot be read or is not what it should be, or certificate and key do not belong together.
    """
    for path, what in ((tls.certificate, "certificate"), (tls.key, "private key")):
        if not os.access(path, os.R_OK):
            raise InputError.one(f"the server's {what} cannot be read", where=str(path), remedy=_REMEDY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    try:
        # A password is never asked for: nobody sits before a server.
        context.load_cert_chain(tls.certificate, tls.key, password="")
    except (OSError, ssl.SSLError, ValueError) as error:
        raise InputError.one(
            "the server's certificate and private key cannot be used",
            where=f"{tls.certificate} with {tls.key}",
            got=_fault(error),
            remedy=_REMEDY,
        ) from None
    return context


def certificate_dates(path: Path) -> tuple[datetime.datetime, datetime.datetime]:
    """First and last moment of the (first) certificate in a file. Raises OSError or ValueError."""
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


class CertificateWatch:
    """Exchanges the listener's certificate when its files change, and says when a certificate is about to end.

    A pair that cannot be used, for instance because only one of the two files has been written yet, changes nothing.

    Args:
        tls: the files.
        use: takes a context for the connections that come from now on.
        announcer: told what is said.
        now: the time.
    """

    def __init__(
        self,
        tls: TlsFiles,
        use: Callable[[ssl.SSLContext], None],
        announcer: Announcer,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        self._tls, self._use, self._announcer, self._now = tls, use, announcer, now
        self._seen = _state(tls)
        self._looks = 0
        self._in_use = _end(tls.certificate)
        self._said: dict[str, tuple[datetime.datetime, int]] = {}

    def look(self) -> None:
        """Look at the files and at the calendar. Cheap; meant to be called every second."""
        state = _state(self._tls)
        if state != self._seen:
            self._looks += 1
            self._exchange(state)
        for name, end in (("the server certificate", self._in_use), ("the authority's", _end(self._tls.ca))):
            if end is not None:
                self._warn(name, end)

    def _exchange(self, state: tuple[object, ...]) -> None:
        try:
            context = self._fresh()
        except InputError as error:
            if self._looks == _SETTLING_LOOKS:
                self._announcer.certificate(f"the new certificate is not used, the former one stays: {error}")
            if self._looks >= _SETTLING_LOOKS:
                self._seen, self._looks = state, 0
            return
        self._seen, self._looks = state, 0
        self._in_use = _end(self._tls.certificate)
        self._use(context)
        until = f", valid until {self._in_use:%Y-%m-%d}" if self._in_use is not None else ""
        self._announcer.certificate(f"a new server certificate is in use{until}")

    def _fresh(self) -> ssl.SSLContext:
        context = server_context(self._tls)
        first, last = certificate_dates(self._tls.certificate)
        if not first <= self._now() < last:
            raise InputError.one(
                "the certificate is not valid today",
                where=str(self._tls.certificate),
                got=f"valid from {first:%Y-%m-%d} to {last:%Y-%m-%d}",
            )
        return context

    def _warn(self, name: str, end: datetime.datetime) -> None:
        now = self._now()
        stage = expiry_stage(end, now)
        if stage is None or self._said.get(name) == (end, stage):
            return
        self._said[name] = (end, stage)
        after = ": sites cannot connect" if end <= now else ""
        remedy = "renew it with `aggregator certificate`" if name.startswith("the server") else "see the documentation"
        self._announcer.certificate(f"{expiry_sentence(name, end, now)}{after}; {remedy}")


def _state(tls: TlsFiles) -> tuple[object, ...]:
    return tuple(_stamp(path) for path in (tls.certificate, tls.key))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _end(path: Path) -> datetime.datetime | None:
    try:
        return certificate_dates(path)[1]
    except (OSError, ValueError):
        return None


def _fault(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    if reason == "KEY_VALUES_MISMATCH":
        return "the private key is not that of the certificate"
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError):
        return error.strerror or type(error).__name__
    return "no PEM file with a certificate and one with a private key without a password"
