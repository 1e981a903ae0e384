"""The header with which a TCP proxy before the port says who is behind it: PROXY protocol, version 2 (binary).

It is read from the configured proxies only, and there it must be: whoever could send it could choose an address.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable
from dataclasses import dataclass

FIXED_BYTES = 16
_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21
_MOST_BYTES = 2048


class ProxyHeaderError(ValueError):
    """What a proxy sent first is not the header. The text is fixed words."""


@dataclass(frozen=True)
class Proxies:
    """Addresses and networks of the proxies that are believed."""

    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()

    @classmethod
    def of(cls, names: Iterable[str]) -> Proxies:
        """Proxies by address or network. Raises ValueError for other text."""
        return cls(tuple(ipaddress.ip_network(name) for name in names))

    def __contains__(self, address: str) -> bool:
        """Whether a peer's address is one of them."""
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self.networks)


def rest_bytes(fixed: bytes) -> int:
    """How many bytes follow the first 16. Raises ProxyHeaderError when these do not begin a header."""
    if len(fixed) != FIXED_BYTES or not fixed.startswith(_SIGNATURE):
        raise ProxyHeaderError("no PROXY header of version 2")
    length = int(struct.unpack("!H", fixed[14:16])[0])
    if fixed[12] not in (_LOCAL, _PROXY) or length > _MOST_BYTES:
        raise ProxyHeaderError("a PROXY header of an unknown form")
    return length


def read_source(fixed: bytes, rest: bytes) -> tuple[str, int] | None:
    """Address and port of who is behind the proxy; None when the proxy speaks for itself, as in its health checks.

    Raises:
        ProxyHeaderError: the header is cut short, or of no TCP connection.
    """
    if rest_bytes(fixed) != len(rest):
        raise ProxyHeaderError("a PROXY header that is cut short")
    if fixed[12] == _LOCAL:
        return None
    form = {_TCP4: "!4s4sHH", _TCP6: "!16s16sHH"}.get(fixed[13])
    if form is None or len(rest) < struct.calcsize(form):
        raise ProxyHeaderError("a PROXY header of no TCP connection")
    source, _, port, _ = struct.unpack(form, rest[: struct.calcsize(form)])
    return str(ipaddress.ip_address(source)), int(port)
