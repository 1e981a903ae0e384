"""Addresses as people write them: which are taken, and what is said of the others."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from wardround.federation.addresses import (
    Address,
    CalledAddress,
    Host,
    Network,
    is_this_machine,
    join_address,
    split_address,
)

ADDRESS: TypeAdapter[str] = TypeAdapter(Address)
CALLED: TypeAdapter[str] = TypeAdapter(CalledAddress)
HOST: TypeAdapter[str] = TypeAdapter(Host)
NETWORK: TypeAdapter[str] = TypeAdapter(Network)


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("fl.example.org:9443", "fl.example.org", 9443),
        ("localhost:1", "localhost", 1),
        ("10.0.0.5:65535", "10.0.0.5", 65535),
        ("[2001:db8::5]:9443", "2001:db8::5", 9443),
        ("[::]:9443", "::", 9443),
        ("[::ffff:10.0.0.5]:9443", "::ffff:10.0.0.5", 9443),
        ("xn--mnchen-3ya.example:9443", "xn--mnchen-3ya.example", 9443),
    ],
)
def test_addresses_that_are_taken(text: str, host: str, port: int) -> None:
    assert ADDRESS.validate_python(text) == text
    assert split_address(text) == (host, port)
    assert join_address(host, port) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fl.example.org", "host:port"),
        ("", "host:port"),
        (":9443", "host:port"),
        ("fl.example.org:", "host:port"),
        ("fl.example.org:https", "host:port"),
        ("fl.example.org:\u0661", "host:port"),
        ("https://fl.example.org:9443", "leave `https://` out"),
        ("fl.example.org:0", "a port is a number from 1 to 65535"),
        ("fl.example.org:65536", "a port is a number from 1 to 65535"),
        ("fl.example.org:99999999999999999999", "a port is a number from 1 to 65535"),
        ("2001:db8::5:9443", "stands in brackets"),
        ("[fe80::1%eth0]:9443", "zone"),
        ("fe80::1%eth0:9443", "brackets"),
        ("[10.0.0.5]:9443", "IPv6 address between the brackets"),
        ("[zz::]:9443", "IPv6 address between the brackets"),
        ("m\u00fcnchen.example:9443", "xn--"),
        ("10.0.0.256:9443", "host name or an IP address"),
        ("a..b:9443", "host name or an IP address"),
        ("a b:9443", "host name or an IP address"),
        ("evil\x1b[31m:9443", "host name or an IP address"),
        ("user@host:9443", "host name or an IP address"),
    ],
)
def test_addresses_that_are_not(text: str, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ADDRESS.validate_python(text)
    assert said in str(caught.value)


@pytest.mark.parametrize("host", ["fl.example.org", "10.0.0.5", "2001:db8::5", "*.example.org"])
def test_hosts_for_a_certificate(host: str) -> None:
    if host.startswith("*"):
        with pytest.raises(ValidationError):
            HOST.validate_python(host)
    else:
        assert HOST.validate_python(host) == host


@pytest.mark.parametrize("text", ["10.0.0.7", "10.0.1.0/24", "2001:db8::/32"])
def test_networks(text: str) -> None:
    assert NETWORK.validate_python(text) == text


@pytest.mark.parametrize("text", ["10.0.0.1/24", "proxy.example.org", "10.0.0.0/33", ""])
def test_no_networks(text: str) -> None:
    with pytest.raises(ValidationError, match="network"):
        NETWORK.validate_python(text)


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "0.1.2.3",
        "255.255.255.255",
        "240.0.0.1",
        "224.0.0.1",
        "[::]",
        "[::0]",
        "[ff02::1]",
        "[::ffff:0.0.0.0]",
    ],
)
def test_what_a_machine_only_listens_at_is_nothing_to_call(host: str) -> None:
    assert ADDRESS.validate_python(f"{host}:9443")
    with pytest.raises(ValidationError, match="not the address of one machine"):
        CALLED.validate_python(f"{host}:9443")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "10.0.0.5", "[2001:db8::5]", "fl.example.org"])
def test_what_a_machine_can_be_called_by(host: str) -> None:
    assert CALLED.validate_python(f"{host}:9443")


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", True),
        ("LOCALHOST.", True),
        ("127.9.0.1", True),
        ("::1", True),
        ("10.0.0.5", False),
        ("a.b", False),
    ],
)
def test_addresses_that_mean_the_machine_itself(host: str, own: bool) -> None:
    assert is_this_machine(host) is own
