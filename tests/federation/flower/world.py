"""A small federation for tests: a link, sites with keys, couriers in threads or processes."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

from tests.support.certificates import CertificateFiles, new_key, private_pem, public_pem, write_certificates
from wardround.federation.envelope import Envelope
from wardround.federation.flower.link.link import GateLimits, Link, LinkEvent, TlsFiles
from wardround.federation.flower.node.node import NodeEvent, serve
from wardround.federation.flower.shelf import Shelf
from wardround.federation.flower.signing import NO_INSTALLATION, Signer

FLEET = "/v1/fleet/pull-messages"


def echo(envelope: Envelope) -> Envelope:
    """A handler that marks the body and turns the payload around."""
    return Envelope(envelope.body + b"!", envelope.signature, bytes(envelope.payload)[::-1])


def question(payload: bytes = b"") -> Envelope:
    """A message to a site."""
    return Envelope(b'{"ask":1}', b"signature", payload)


def signer_for(link: Link, key: EllipticCurvePrivateKey) -> Signer:
    """A signer that has met the link."""
    signer = Signer(key)
    signer.learn(link._roster.link)
    return signer


def signed(
    link: Link, key: EllipticCurvePrivateKey, method: str = "POST", target: str = FLEET, body: bytes = b""
) -> dict[str, str]:
    """Headers with which a request passes the gate, once, if the key is enrolled."""
    return signer_for(link, key).headers(method, target, body)


def as_lines(headers: Mapping[str, str]) -> str:
    """Headers as they stand in a request."""
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for a condition; fail the test with its name after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


@dataclass
class World:
    """Keys and certificates of one test, and what was reported."""

    folder: Path
    keys: Mapping[str, EllipticCurvePrivateKey]
    certificates: CertificateFiles
    link_events: list[LinkEvent] = field(default_factory=list)
    node_events: list[tuple[str, NodeEvent]] = field(default_factory=list)

    @classmethod
    def create(cls, folder: Path, *sites: str) -> World:
        """Make keys for the sites and a certificate for the loopback addresses."""
        return cls(folder, {site: new_key() for site in sites}, write_certificates(folder / "tls"))

    @property
    def ca(self) -> bytes:
        """PEM of the federation's authority."""
        return self.certificates.ca.read_bytes()

    def link(
        self,
        port: int = 0,
        limits: GateLimits | None = None,
        host: str = "127.0.0.1",
        proxies: Sequence[str] = (),
        arriving: Path | None = None,
    ) -> Link:
        """A link for all sites, not yet open."""
        files = self.certificates
        return Link(
            host=host,
            port=port,
            tls=TlsFiles(files.ca, files.certificate, files.key),
            sites={site: public_pem(key) for site, key in self.keys.items()},
            limits=limits,
            proxies=proxies,
            folder=arriving,
            on_event=self.link_events.append,
        )

    @contextmanager
    def courier(
        self,
        site: str,
        port: int,
        handler: Callable[[Envelope], Envelope] = echo,
        key: EllipticCurvePrivateKey | None = None,
        installation: str = NO_INSTALLATION,
        host: str = "127.0.0.1",
        arriving: Path | None = None,
    ) -> Iterator[None]:
        """Run a courier in a thread."""
        stop = threading.Event()
        thread = threading.Thread(
            target=serve,
            kwargs={
                "address": f"{host}:{port}",
                "ca": self.ca,
                "key": key or self.keys[site],
                "handler": handler,
                "on_event": lambda event: self.node_events.append((site, event)),
                "stop": stop,
                "poll_seconds": 0.05,
                "installation": installation,
                "shelf": Shelf(arriving) if arriving else None,
            },
        )
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive(), "serve() did not stop"

    def courier_process(self, site: str, port: int) -> subprocess.Popen[bytes]:
        """Start a courier as a process of its own. The caller ends it."""
        key = self.folder / f"{site}.key"
        key.write_bytes(private_pem(self.keys[site]))
        module = "tests.federation.flower.courier_main"
        return subprocess.Popen([sys.executable, "-m", module, str(port), str(self.certificates.ca), str(key)])

    def node_kinds(self, site: str) -> list[str]:
        """Kinds of the events that a courier reported, in order."""
        return [event.kind for name, event in list(self.node_events) if name == site]

    def said(self, site: str | None, kind: str, words: str) -> bool:
        """Whether the link reported an event with these words for this site."""
        return any(
            event.site == site and event.kind == kind and words in event.detail for event in list(self.link_events)
        )
