"""Hosts and ports as people write them: `fl.example.org:9443`, `10.0.0.5:9443`, `[2001:db8::5]:9443`."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

_NAME = re.compile(r"(?=.{1,253}$)(?!.*\.\.)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9.])?", re.ASCII)
_NUMBERS = re.compile(r"[0-9.]+")
_MOST_PORT = 65535
_NOBODYS = ipaddress.ip_network("0.0.0.0/8"), ipaddress.ip_network("240.0.0.0/4")
"""Networks in which no machine has its address; the last one ends with the address of all."""


def split_address(address: str) -> tuple[str, int]:
    """Host, without the brackets of an IPv6 address, and port."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def join_address(host: str, port: int) -> str:
    """The address of a host and port; an IPv6 address gets its brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _checked_address(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if "://" in value:
        raise _wrong(f"an address begins with the host: leave `{value.partition('://')[0][:20]}://` out")
    host, _, port = value.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()):
        raise _wrong("Input should be host:port, such as fl.example.org:9443 or [2001:db8::5]:9443")
    if not 1 <= int(port[:6]) <= _MOST_PORT:
        raise _wrong("a port is a number from 1 to 65535")
    _checked_host(_bare(host))
    return value


def _bare(host: str) -> str:
    """The host of an address without the brackets that an IPv6 address, and nothing else, must have."""
    if host.startswith("[") and host.endswith("]"):
        bare = host[1:-1]
        if "%" in bare or _is_ip(bare, 6):
            return bare
        raise _wrong("Input should have an IPv6 address between the brackets, as in [2001:db8::5]:9443")
    if ":" in host:
        raise _wrong("an IPv6 address stands in brackets, as in [2001:db8::5]:9443")
    return host


def _checked_host(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if "%" in value:
        raise _wrong("an address with a zone, such as fe80::1%eth0, means something on one machine only; use another")
    if not value.isascii():
        raise _wrong("Input should be a name in its ASCII form (xn--...)")
    if _is_ip(value, 4) or _is_ip(value, 6):
        return value
    if _NUMBERS.fullmatch(value) or not _NAME.fullmatch(value):
        raise _wrong("Input should be a host name or an IP address")
    return value


def _is_ip(value: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(value).version == version
    except ValueError:
        return False


def _wrong(sentence: str) -> PydanticCustomError:
    return PydanticCustomError("address", "{sentence}", {"sentence": sentence})


Address = Annotated[
    str,
    Field(pattern=r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]{1,253}):[0-9]{1,5}$"),
    BeforeValidator(_checked_address),
]
"""Host and port; an IPv6 address stands in brackets."""


def is_nobodys(host: str) -> bool:
    """Whether a host is an IP address that no machine can be called by: of every interface, of many, or of all."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    of_many = found.is_unspecified or found.is_multicast
    return of_many or any(found in network for network in _NOBODYS)


def is_this_machine(host: str) -> bool:
    """Whether a host is the machine itself that calls it, whichever that is."""
    name = host.lower().rstrip(".")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith((".localhost", "localhost.localdomain"))


def _callable(address: str) -> str:
    if is_nobodys(split_address(address)[0]):
        raise _wrong("this is not the address of one machine, so no site can call it: name the host or its IP address")
    return address


CalledAddress = Annotated[Address, AfterValidator(_callable)]
"""Host and port by which a machine is called from others: not such as 0.0.0.0, at which one can only listen."""


def _checked_network(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        ipaddress.ip_network(value)
    except ValueError:
        raise _wrong("Input should be an IP address or a network, such as 10.0.0.7 or 10.0.1.0/24") from None
    return value


Network = Annotated[str, Field(pattern=r"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$"), BeforeValidator(_checked_network)]
"""An IP address, or a network with its prefix."""

Host = Annotated[str, Field(pattern=r"^([0-9A-Fa-f:.]+|[A-Za-z0-9.-]{1,253})$"), BeforeValidator(_checked_host)]
"""A name or an IP address, without a port and without brackets."""
