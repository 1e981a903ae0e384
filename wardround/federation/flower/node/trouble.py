"""What is wrong with the way to a link, each thing with its own sentence and what to do; never the password."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from wardround.engine.basics.printable import printable
from wardround.federation.flower.node.way import Proxy, ProxySettingError

TroubleCode = Literal[
    "refused",
    "silent",
    "no_route",
    "no_name",
    "cut",
    "no_tls",
    "wrong_name",
    "expired",
    "not_yet_valid",
    "wrong_authority",
    "invalid",
    "proxy_setting",
    "proxy_unreachable",
    "proxy_refused",
    "proxy_no_answer",
    "no_link",
]

_LONGEST_QUOTE = 120
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL})
_CUT = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError)
_NO_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"}
)
_VERIFY_CODES: dict[int, TroubleCode] = {
    7: "wrong_authority",
    9: "not_yet_valid",
    10: "expired",
    18: "wrong_authority",
    19: "wrong_authority",
    20: "wrong_authority",
    21: "wrong_authority",
    62: "wrong_name",
    64: "wrong_name",
}
"""OpenSSL's X509_V_ERR numbers."""

_UNREACHABLE = "the aggregator cannot be reached"
_UNTRUSTED = "the aggregator's certificate cannot be trusted"
_TEXTS: dict[TroubleCode, tuple[str, str]] = {
    "refused": (
        f"{_UNREACHABLE}: connection refused, nothing listens on that port",
        "Ask the coordinator whether the aggregator runs, and at which port",
    ),
    "silent": (
        f"{_UNREACHABLE}: no answer in time",
        "Ask the network staff to allow outgoing TLS there; a firewall that drops packets looks like this",
    ),
    "no_route": (
        f"{_UNREACHABLE}: there is no route to it from this network",
        "Ask the network staff; check that this machine is on the network",
    ),
    "no_name": (
        f"{_UNREACHABLE}: its name has no address here",
        "Check the spelling of the address, and ask the network staff about name resolution",
    ),
    "cut": (
        f"{_UNREACHABLE}: the connection was cut before TLS was set up",
        "Ask the network staff whether a firewall cuts it, and the coordinator whether that is the aggregator's port",
    ),
    "no_tls": (
        f"{_UNREACHABLE}: what listens there does not speak TLS",
        "Check the port; that may be a web server, or a proxy",
    ),
    "wrong_name": (
        f"{_UNTRUSTED}: wrong name, it is of another host than the one in this address",
        "Ask the coordinator to add the name with `names` and `aggregator certificate`, or use one that it has",
    ),
    "expired": (f"{_UNTRUSTED}: expired", "Ask the coordinator to renew it with `aggregator certificate`"),
    "not_yet_valid": (
        f"{_UNTRUSTED}: not yet valid",
        "Check this machine's clock and the date of the certificate with the coordinator",
    ),
    "wrong_authority": (
        f"{_UNTRUSTED}: wrong authority, it is signed by another one than the accepted",
        "Ask the network staff whether a device opens TLS on the way, and the coordinator whether a new invitation is "
        "due",
    ),
    "invalid": (f"{_UNTRUSTED}: the TLS handshake failed", "Tell the coordinator; both ends need TLS 1.2 or later"),
    "proxy_setting": ("the proxy setting cannot be used", "Set this variable of the environment anew"),
    "proxy_unreachable": (
        "the proxy cannot be reached",
        "Check https_proxy, or except the aggregator from it with no_proxy",
    ),
    "proxy_refused": (
        "the proxy refuses",
        "Ask the network staff to let the proxy connect to the aggregator's address and port",
    ),
    "proxy_no_answer": (
        "the connection through the proxy ended without a proper answer",
        "Check that https_proxy names an HTTP proxy and its port, and ask the network staff whether it may connect",
    ),
    "no_link": ("what answers there is no aggregator", "Check the address"),
}


_AGGREGATOR_AWAY = "The proxy cannot reach the aggregator: ask the coordinator whether it runs, and at which address"
_PROXY_REMEDIES = {
    "407": "Give a user and password that it knows, in https_proxy: http://user:password@host:port",
    "502": _AGGREGATOR_AWAY,
    "503": _AGGREGATOR_AWAY,
    "504": _AGGREGATOR_AWAY,
}


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong with the way.

    Attributes:
        code: which.
        sentence: for people; whatever a proxy said is quoted printable and short.
        remedy: what to do.
    """

    code: TroubleCode
    sentence: str
    remedy: str

    @property
    def is_certificate(self) -> bool:
        """Whether a TLS handshake was made, and failed by what the other end showed."""
        return self.sentence.startswith(_UNTRUSTED)


def explain(error: Exception, proxy: Proxy | None = None) -> Trouble:
    """What is wrong, from what the network's libraries raise."""
    if isinstance(error, ProxySettingError):
        return _trouble("proxy_setting", f": {error}")
    quote = _quoted(error, proxy)
    if quote is not None and proxy is not None:
        trouble = _trouble("proxy_refused", f" ({proxy.address}): {quote}")
        return replace(trouble, remedy=_PROXY_REMEDIES.get(quote[:3], trouble.remedy))
    code = next((code for cause in _causes(error) if (code := _code(cause)) is not None), None) or "no_link"
    if proxy is not None and code in ("refused", "silent", "no_route", "no_name"):
        return _trouble("proxy_unreachable", f" ({proxy.address}): {_TEXTS[code][0].removeprefix(_UNREACHABLE)[2:]}")
    return _trouble(code) if proxy is None else _behind(proxy, error, code)


def _behind(proxy: Proxy, error: Exception, code: TroubleCode) -> Trouble:
    """What is wrong where there is a proxy on the way that may be meant."""
    import httpx

    if code == "no_link" and isinstance(error, httpx.RemoteProtocolError | httpx.ReadError):
        return _trouble("proxy_no_answer", f" ({proxy.address})")
    trouble = _trouble(code)
    if proxy.scheme != "https" or not (trouble.is_certificate or code == "no_tls"):
        return trouble
    whose = f"{trouble.sentence}. Or the proxy is meant ({proxy.address}), which https_proxy names as https://"
    return replace(trouble, sentence=whose, remedy=f"Write http:// unless the proxy speaks TLS. {trouble.remedy}")


def no_link() -> Trouble:
    """What answers is something else."""
    return _trouble("no_link")


def _trouble(code: TroubleCode, more: str = "") -> Trouble:
    sentence, remedy = _TEXTS[code]
    return Trouble(code, f"{sentence}{more}", remedy)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it came from, the first cause first."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:
        chain.append(current)
        current = current.__cause__ or current.__context__
    return reversed(chain)


def _code(error: BaseException) -> TroubleCode | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY_CODES.get(error.verify_code, "invalid")
    if isinstance(error, _CUT):
        return "cut"
    if isinstance(error, ssl.SSLError):
        return "no_tls" if error.reason in _NO_TLS else "invalid"
    return _network_code(error)


def _network_code(error: BaseException) -> TroubleCode | None:
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, socket.gaierror):
        return "no_name"
    if isinstance(error, TimeoutError) or type(error).__name__ in ("ConnectTimeout", "ReadTimeout", "WriteTimeout"):
        return "silent"
    if isinstance(error, OSError) and error.errno in _NO_ROUTE:
        return "no_route"
    return None


def _quoted(error: Exception, proxy: Proxy | None) -> str | None:
    """What a proxy answered instead of connecting, without the password if it repeats it."""
    import httpx

    if not isinstance(error, httpx.ProxyError):
        return None
    text = str(error)
    if proxy is not None and proxy.password:
        text = text.replace(proxy.password, "(password)")
    return printable(text)[:_LONGEST_QUOTE]
