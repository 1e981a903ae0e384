"""Opens the link's listening socket, over IPv4, IPv6 or both."""

from __future__ import annotations

import errno
import socket

from wardround.engine.basics.problems import InputError
from wardround.federation.addresses import join_address

_BACKLOG = 128
_EVERYWHERE = "::"
_EVERYWHERE_IPV4 = "0.0.0.0"
_REMEDIES = {
    errno.EADDRINUSE: "Stop what has the port (this aggregator may be running already), or choose another with "
    "`listen`; sites call the port of `address`, which must lead to it",
    errno.EADDRNOTAVAIL: "This machine has no such address; give one of its own, or `[::]` for all, with `listen`",
    errno.EACCES: "Choose a port from 1024 upwards with `listen`, or give this user the right to the port",
}


def listen(host: str, port: int) -> socket.socket:
    """A listening socket that does not block. `::` stands for every address of the machine, IPv4 and IPv6.

    Raises:
        InputError: the address cannot be listened on.
    """
    try:
        listening = _open(host, port)
    except (OSError, OverflowError) as error:
        number = getattr(error, "errno", None) or 0
        raise InputError.one(
            "the aggregator cannot listen",
            where=join_address(host, port),
            got=_reason(error),
            remedy=_REMEDIES.get(number, "Choose another address with `listen`"),
        ) from error
    listening.setblocking(False)
    return listening


def _open(host: str, port: int) -> socket.socket:
    if host == _EVERYWHERE and not socket.has_dualstack_ipv6():
        host = _EVERYWHERE_IPV4
    found = {(family, place[0]) for family, _, _, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    family, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    return socket.create_server(
        (str(address), port), family=family, backlog=_BACKLOG, dualstack_ipv6=host == _EVERYWHERE
    )


def _reason(error: Exception) -> str:
    if isinstance(error, socket.gaierror):
        return "the name has no address"
    return getattr(error, "strerror", None) or str(error)
