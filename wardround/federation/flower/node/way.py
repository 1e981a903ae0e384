"""The way from a site to the link: directly, or through the proxy that the environment names; for check and run alike.

`https_proxy` (or `HTTPS_PROXY`, `all_proxy`, `ALL_PROXY`) is `http://user:password@proxy.example.org:3128`; user and
password may be percent-encoded. `no_proxy` (or `NO_PROXY`) lists what is reached directly: names, `.domains`,
addresses, networks, each also with a port, or `*`. Nothing that this module says contains the password.
"""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

from wardround.federation.addresses import join_address, split_address

if TYPE_CHECKING:
    import httpx

_PROXY_NAMES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_EXCEPTION_NAMES = ("no_proxy", "NO_PROXY")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_MOST_PORT = 65535
_QUOTES = "\"'\u2018\u2019\u201c\u201d"
_BROKEN_SCHEME = re.compile(r"https?:?/", re.IGNORECASE)
_PLACE = re.compile(r"(\[(?P<ip>[^\[\]\s]+)\]|(?P<name>[^:\[\]]*))(:(?P<port>[^:]*))?")
_NAME = re.compile(r"\w([\w.-]*[\w.])?")
_NEARLY_A_PORT = re.compile(r"[0-9]{1,8}[^\w\s]{0,2}")
_FORM = "http://proxy.example.org:3128 or http://user:password@proxy.example.org:3128"


class ProxySettingError(ValueError):
    """The environment names a proxy that cannot be used. The text does not repeat the setting, which may be secret."""


@dataclass(frozen=True)
class Proxy:
    """A proxy, and what to tell it. The password is not part of any text."""

    scheme: str
    host: str
    port: int
    user: str | None = None
    password: str = field(default="", repr=False)

    @property
    def address(self) -> str:
        """Host and port."""
        return join_address(self.host, self.port)


def proxy_for(address: str, environment: Mapping[str, str] | None = None) -> Proxy | None:
    """The proxy through which an address is reached, if any. Raises ProxySettingError when it cannot be used."""
    environment = os.environ if environment is None else environment
    name = next((name for name in _PROXY_NAMES if environment.get(name, "").strip()), None)
    if name is None or _is_excepted(address, _first(environment, _EXCEPTION_NAMES)):
        return None
    return _read_proxy(name, environment[name].strip())


def open_way(address: str, tls: ssl.SSLContext, seconds: float) -> httpx.Client:
    """A client for one link that goes the way the environment names. It follows no redirection and reads no netrc.

    Raises:
        ProxySettingError: the proxy of the environment cannot be used.
    """
    import httpx

    proxy = proxy_for(address)
    through = None
    if proxy is not None:
        credentials = None if proxy.user is None else (proxy.user, proxy.password)
        # A proxy that speaks TLS shows a certificate that this machine trusts, not the federation's.
        own = ssl.create_default_context() if proxy.scheme == "https" else None
        through = httpx.Proxy(f"{proxy.scheme}://{proxy.address}", auth=credentials, ssl_context=own)
    return httpx.Client(verify=tls, timeout=seconds, follow_redirects=False, trust_env=False, proxy=through)


def _first(environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    return next((environment[name] for name in names if environment.get(name, "").strip()), "")


def _read_proxy(name: str, value: str) -> Proxy:
    if value[0] in _QUOTES or value[-1] in _QUOTES:
        raise ProxySettingError(f"{name} has a quotation mark in its value; expected {_FORM}")
    scheme, separator, rest = value.partition("://")
    if not separator:
        scheme, rest = "http", value
    if scheme.lower() not in _DEFAULT_PORTS:
        raise ProxySettingError(f"{name} names a proxy of another kind than http or https; expected {_FORM}")
    # From the right, since a password may hold an @ that nobody encoded.
    credentials, has_credentials, place = rest.rpartition("@")
    user, _, password = credentials.partition(":")
    try:
        host, port = _host_and_port(place, _DEFAULT_PORTS[scheme.lower()])
    except ValueError as error:
        raise ProxySettingError(f"{name} {error}; expected {_FORM}") from None
    return Proxy(scheme.lower(), host, port, unquote(user) if has_credentials else None, unquote(password))


def _host_and_port(place: str, default: int) -> tuple[str, int]:
    """Host and port. Raises ValueError with what is wrong with them, as the end of a sentence."""
    if _BROKEN_SCHEME.match(place):
        raise ValueError("does not begin with http:// and then the proxy's host")
    parts = _PLACE.fullmatch(place.partition("/")[0])
    if parts is None:
        raise ValueError("has several colons (an IPv6 address stands in brackets)")
    host, port = (parts["ip"] or parts["name"]), parts["port"]
    if not host:
        raise ValueError("names no host")
    if parts["ip"] is None and not _NAME.fullmatch(host):
        raise ValueError("names a host with signs that no host has")
    return host, _port(port) if port else default


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= _MOST_PORT:
        return int(text)
    # Only a number with a sign or two behind it is repeated: where no host is given, this may be a password.
    got = f" (got {text!r})" if _NEARLY_A_PORT.fullmatch(text) else ""
    raise ValueError(f"has a port that is no number from 1 to 65535{got}")


def _is_excepted(address: str, exceptions: str) -> bool:
    host, port = split_address(address)
    return any(_covers(entry, host.lower(), port) for entry in exceptions.replace(",", " ").lower().split())


def _covers(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    if _covers_ip(entry.strip("[]"), host):
        return True
    name, has_port, wanted = entry.rpartition(":")
    if has_port and wanted.isdigit():
        if int(wanted) != port:
            return False
        entry = name.strip("[]")
    domain = entry.removeprefix("*").lstrip(".")
    return bool(domain) and (host == domain or host.endswith(f".{domain}") or _covers_ip(entry, host))


def _covers_ip(entry: str, host: str) -> bool:
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
