"""Flower's fleet client, with our signature on every request."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import httpx
from flwr.supercore.protobuf.client import ProtobufCall, ProtobufRequestContext
from flwr.supernode.fleet_http_client import FleetHttpClient

from wardround.federation.flower.node.way import open_way
from wardround.federation.flower.signing import LINK_HEADER, SECOND_HEADER, Signer

Warn = Callable[[str], None]
"""Told with each answer that a request has passed: from where a second machine asks, or an empty text."""


class SigningInterceptor:
    """Signs each request as it goes out; signs it once more for a link that has a new name."""

    def __init__(self, signer: Signer, warn: Warn) -> None:
        self._signer = signer
        self._warn = warn

    def intercept(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        """Send one request."""
        response = self._send(context, call_next)
        if response.is_success:
            self._warn(response.headers.get(SECOND_HEADER.decode(), ""))
        if response.status_code != httpx.codes.UNAUTHORIZED:
            return response
        if not self._signer.learn(response.headers.get(LINK_HEADER.decode(), "")):
            return response
        response.close()
        return self._send(context, call_next)

    def _send(self, context: ProtobufRequestContext, call_next: ProtobufCall) -> httpx.Response:
        request = context.request
        request.headers.update(
            self._signer.headers(request.method, request.url.raw_path.decode("ascii"), request.content)
        )
        return call_next(context)


class SiteFleetClient(FleetHttpClient):
    """Flower's client without its way of connecting, which takes proxies from the environment as it finds them.

    What Flower's constructor would set is set here; a contract test compares the two.
    """

    def __init__(self, address: str, client: httpx.Client, signer: Signer, warn: Warn) -> None:
        self._base_url = f"https://{address}"
        self._interceptors = (SigningInterceptor(signer, warn),)
        self._retry_invoker = None
        self._client = client


def open_client(address: str, tls: ssl.SSLContext, signer: Signer, seconds: float, warn: Warn) -> FleetHttpClient:
    """A client of the link at `address`, each of whose requests may take some seconds.

    Raises:
        ProxySettingError: the proxy of the environment cannot be used.
    """
    return SiteFleetClient(address, open_way(address, tls, seconds), signer, warn)
