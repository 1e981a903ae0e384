"""The header with which a TCP proxy before the port says who is behind it: PROXY protocol, version 1 (a line of text,
as nginx sends it) or 2 (binary, as HAProxy does).

It is read from the configured proxies only, and there it must be: whoever could send it could choose an address.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

FIXED_BYTES = 16
_BEGINNING = 12
"""A header has more bytes than that in either version, and after so many it is known which one it is."""

_LINE = b"PROXY "
_LONGEST_LINE = 107
_NOBODY = re.compile(r"PROXY UNKNOWN( [^\r\n]*)?\r\n")
_SOMEBODY = re.compile(
    r"PROXY TCP(?P<version>[46]) (?P<source>[0-9A-Fa-f:.]+) (?P<target>[0-9A-Fa-f:.]+)"
    r" (?P<port>0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4})\r\n"
)
_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21
_MOST_BYTES = 2048
_LAST_PORT = 65535


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


async def receive_source(receive: Callable[[int], Awaitable[bytes]]) -> tuple[str, int] | None:
    """Address and port of who is behind the proxy, from a header in either version; None as in `read_source`.

    Args:
        receive: gives exactly so many bytes. No byte is asked for that is not the header's.

    Raises:
        ProxyHeaderError: these bytes are no header.
    """
    start = await receive(_BEGINNING)
    if not start.startswith(_LINE):
        fixed = start + await receive(FIXED_BYTES - _BEGINNING)
        return read_source(fixed, await receive(rest_bytes(fixed)))
    while not start.endswith(b"\n") and len(start) < _LONGEST_LINE:
        start += await receive(1)
    return read_line(start)


def read_line(line: bytes) -> tuple[str, int] | None:
    """The same from a whole header of version 1. Raises ProxyHeaderError for other bytes."""
    text = line.decode("latin-1")
    if len(line) <= _LONGEST_LINE and _NOBODY.fullmatch(text):
        return None
    found = _SOMEBODY.fullmatch(text)
    if len(line) > _LONGEST_LINE or found is None:
        raise ProxyHeaderError("a PROXY line of an unknown form")
    version, port = int(found["version"]), int(found["port"])
    if _version(found["source"]) != version or _version(found["target"]) != version or port > _LAST_PORT:
        raise ProxyHeaderError("a PROXY line of no TCP connection")
    return found["source"], port


def _version(address: str) -> int:
    try:
        return ipaddress.ip_address(address).version
    except ValueError:
        return 0


def rest_bytes(fixed: bytes) -> int:
    """How many bytes follow the first 16. Raises ProxyHeaderError when these do not begin a header."""
    if len(fixed) != FIXED_BYTES or not fixed.startswith(_SIGNATURE):
        raise ProxyHeaderError("no PROXY header")
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
