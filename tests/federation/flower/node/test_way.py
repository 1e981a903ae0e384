"""The way to the link: each thing that is wrong with it has its own words, in check and run; proxies as well."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.federation.flower.world import World, echo, question, wait_until
from tests.support.certificates import write_certificates
from tests.support.connect_proxy import ConnectProxy
from wardround.federation.flower.node import probe as probing
from wardround.federation.flower.node.node import probe, standing
from wardround.federation.flower.node.trouble import explain
from wardround.federation.flower.node.way import Proxy, ProxySettingError, proxy_for
from wardround.federation.flower.signing import Signer

VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY")
SECRET = "p@ss:w/rd#1%"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    ("value", "proxy"),
    [
        ("http://proxy:3128", Proxy("http", "proxy", 3128)),
        ("proxy:3128", Proxy("http", "proxy", 3128)),
        ("http://proxy", Proxy("http", "proxy", 80)),
        ("https://proxy/", Proxy("https", "proxy", 443)),
        ("http://[2001:db8::1]:3128", Proxy("http", "2001:db8::1", 3128)),
        ("http://u:p@proxy:3128", Proxy("http", "proxy", 3128, "u", "p")),
        ("http://u@proxy:3128", Proxy("http", "proxy", 3128, "u", "")),
        ("http://u:p%40ss%3Aw%2Frd%231%25@proxy:3128", Proxy("http", "proxy", 3128, "u", SECRET)),
        ("http://u:p@ss:w/rd#1%@proxy:3128", Proxy("http", "proxy", 3128, "u", SECRET)),
        ("http://dom%5Cu:p@proxy:3128", Proxy("http", "proxy", 3128, "dom\\u", "p")),
    ],
)
def test_a_proxy_is_read_from_the_environment(name: str, value: str, proxy: Proxy) -> None:
    assert proxy_for("fl.example.org:9443", {name: value}) == proxy


def test_small_letters_come_first_and_an_empty_value_is_none() -> None:
    assert proxy_for("a:1", {"https_proxy": "x:1", "HTTPS_PROXY": "y:1"}) == Proxy("http", "x", 1)
    assert proxy_for("a:1", {"https_proxy": " ", "HTTPS_PROXY": "y:1"}) == Proxy("http", "y", 1)
    assert proxy_for("a:1", {"http_proxy": "z:1"}) is None


@pytest.mark.parametrize(
    "value", [f"socks5://u:{SECRET}@proxy:1080", f"http://u:{SECRET}@:80", f"u:{SECRET}@proxy:x y"]
)
def test_a_proxy_that_cannot_be_used_is_said_without_its_password(value: str) -> None:
    with pytest.raises(ProxySettingError) as caught:
        proxy_for("a:1", {"https_proxy": value})
    assert "https_proxy" in str(caught.value)
    assert SECRET not in str(caught.value)


SETTINGS_THAT_ARE_NONE = (
    ("http://127.0.0.1:3128;", "no number from 1 to 65535 (got '3128;')"),
    ("http://proxy:3128,", "(got '3128,')"),
    ("http://proxy:PORT", "no number from 1 to 65535; expected"),
    ("proxy:31280000", "(got '31280000')"),
    ("http://proxy:0", "(got '0')"),
    (":3128", "names no host"),
    ("http://u:p@", "names no host"),
    ("http:///proxy:3128", "names no host"),
    ("http:/proxy:3128", "does not begin with http://"),
    ("http//proxy:3128", "does not begin with http://"),
    ("http://http://proxy:3128", "does not begin with http://"),
    ("'http://proxy:3128'", "quotation mark"),
    ("http://pro xy:3128", "signs that no host has"),
    ("http://2001:db8::1:3128", "an IPv6 address stands in brackets"),
    (f"http://u:{SECRET}", "no number"),
)


@pytest.mark.parametrize(("value", "said"), SETTINGS_THAT_ARE_NONE, ids=[each for each, _ in SETTINGS_THAT_ARE_NONE])
@pytest.mark.parametrize("name", ["https_proxy", "ALL_PROXY"])
def test_what_is_wrong_with_a_proxy_setting_is_said_with_its_variable(name: str, value: str, said: str) -> None:
    with pytest.raises(ProxySettingError) as caught:
        proxy_for("fl.example.org:9443", {name: value})
    assert str(caught.value).startswith(name)
    assert said in str(caught.value)
    assert "expected http://proxy.example.org:3128" in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("exceptions", "direct"),
    [
        ("*", True),
        ("fl.example.org", True),
        ("example.org", True),
        (".example.org", True),
        ("*.example.org", True),
        ("xample.org", False),
        ("other.org, fl.example.org", True),
        ("fl.example.org:9443", True),
        ("fl.example.org:443", False),
        ("FL.EXAMPLE.ORG", True),
        ("", False),
    ],
)
def test_names_that_are_reached_directly(exceptions: str, direct: bool) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        found = proxy_for("fl.example.org:9443", {"https_proxy": "p:1", name: exceptions})
        assert (found is None) == direct


@pytest.mark.parametrize(
    ("address", "exceptions", "direct"),
    [
        ("10.0.1.5:9443", "10.0.0.0/16", True),
        ("10.1.1.5:9443", "10.0.0.0/16", False),
        ("10.0.1.5:9443", "10.0.1.5:9443", True),
        ("[2001:db8::5]:9443", "2001:db8::/32", True),
        ("[2001:db8::5]:9443", "[2001:db8::5]", True),
        ("[::1]:9443", "localhost,127.0.0.1,::1", True),
    ],
)
def test_addresses_that_are_reached_directly(address: str, exceptions: str, direct: bool) -> None:
    assert (proxy_for(address, {"https_proxy": "p:1", "no_proxy": exceptions}) is None) == direct


# -- what is wrong with the way


@contextmanager
def nobody(_world: World, _folder: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    yield f"127.0.0.1:{port}"


@contextmanager
def nowhere(_world: World, _folder: Path) -> Iterator[str]:
    yield "no-such-host.invalid:9443"


@contextmanager
def mute(_world: World, _folder: Path) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@contextmanager
def saying(words: bytes) -> Iterator[str]:
    """Whatever comes, these words; with none the connection is cut."""

    def serve(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = listening.accept()[0]
                connection.recv(65536)
                connection.sendall(words)
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


@contextmanager
def plain_http(_world: World, _folder: Path) -> Iterator[str]:
    with saying(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n") as address:
        yield address


@contextmanager
def ssh(_world: World, _folder: Path) -> Iterator[str]:
    with saying(b"SSH-2.0-OpenSSH_9.2p1\r\n") as address:
        yield address


@contextmanager
def cutting(_world: World, _folder: Path) -> Iterator[str]:
    with saying(b"") as address:
        yield address


def certified(**dates: float | str) -> Callable[[World, Path], contextlib.AbstractContextManager[str]]:
    @contextmanager
    def served(world: World, folder: Path) -> Iterator[str]:
        files = write_certificates(folder / "other", **dates)  # type: ignore[arg-type]
        world.certificates.ca.write_bytes(files.ca.read_bytes())
        with World(folder, world.keys, files).link() as link:
            yield f"127.0.0.1:{link.port}"

    return served


@contextmanager
def foreign(world: World, folder: Path) -> Iterator[str]:
    with World(folder, world.keys, write_certificates(folder / "other")).link() as link:
        yield f"127.0.0.1:{link.port}"


WRONG: dict[str, tuple[Callable[[World, Path], contextlib.AbstractContextManager[str]], str]] = {
    "refused": (nobody, "connection refused"),
    "no_name": (nowhere, "name has no address"),
    "silent": (mute, "no answer in time"),
    "no_tls": (plain_http, "does not speak TLS"),
    "no_tls of ssh": (ssh, "does not speak TLS"),
    "cut": (cutting, "was cut before TLS"),
    "expired": (certified(ends=-0.5), "expired"),
    "not_yet_valid": (certified(starts=0.5), "not yet valid"),
    "wrong_name": (certified(address="127.0.0.9"), "wrong name"),
    "wrong_authority": (foreign, "wrong authority"),
}


@pytest.mark.parametrize("case", sorted(WRONG))
def test_each_thing_that_is_wrong_has_its_own_words_in_check_and_run(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setattr(probing, "_SECONDS", 0.7)
    monkeypatch.setattr("wardround.federation.flower.node.session._BRISK_SECONDS", 0.7)
    served, words = WRONG[case]
    with served(world, tmp_path) as address:
        trouble = probe(address, world.ca).trouble
        assert trouble is not None
        assert (trouble.code, words in trouble.sentence) == (case.split()[0], True)
        host, _, port = address.rpartition(":")
        with world.courier("north", int(port), host=host):
            wait_until(lambda: "disconnected" in world.node_kinds("north"), 10, "the courier says so")
    said = next(event.detail for _, event in world.node_events if event.kind == "disconnected")
    assert said == f"{trouble.sentence}. {trouble.remedy}"


def test_the_words_of_all_troubles_differ() -> None:
    from wardround.federation.flower.node.trouble import _TEXTS

    assert len({sentence for sentence, _ in _TEXTS.values()}) == len(_TEXTS)
    assert all(remedy for _, remedy in _TEXTS.values())


@pytest.mark.parametrize("number", [errno.ENETUNREACH, errno.EHOSTUNREACH])
def test_no_route_is_told_apart(number: int) -> None:
    error = httpx.ConnectError("x")
    error.__cause__ = OSError(number, os.strerror(number))
    assert explain(error).code == "no_route"


def test_a_page_that_is_no_aggregators_is_told_apart(world: World) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(world.certificates.certificate, world.certificates.key)

    def serve(listening: socket.socket) -> None:
        with contextlib.suppress(OSError), context.wrap_socket(listening.accept()[0], server_side=True) as connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        trouble = probe(f"127.0.0.1:{listening.getsockname()[1]}", world.ca).trouble
    assert trouble is not None
    assert trouble.code == "no_link"


# -- proxies


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY"])
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_proxy_with_a_password_works_in_check_and_run(
    world: World, monkeypatch: pytest.MonkeyPatch, variable: str, host: str
) -> None:
    listens = host.strip("[]")
    with ConnectProxy("north", SECRET) as proxy, world.link(host=listens) as link:
        monkeypatch.setenv(variable, f"http://north:p%40ss%3Aw%2Frd%231%25@127.0.0.1:{proxy.port}")
        address = f"{host}:{link.port}"
        assert probe(address, world.ca).healthy
        assert standing(address, world.ca, Signer(world.keys["north"])) is None
        checked = len(proxy.connected)
        with world.courier("north", link.port, host=host):
            assert link.exchange("north", question(b"x" * 100_000), 20) == echo(question(b"x" * 100_000))
        assert checked >= 2
        assert len(proxy.connected) > checked
        monkeypatch.setenv("no_proxy", listens)
        before = len(proxy.connected)
        assert probe(address, world.ca).healthy
        assert len(proxy.connected) == before


@pytest.mark.parametrize(
    ("answer", "quoted"),
    [
        (None, "407 Proxy Authentication Required"),
        (b"HTTP/1.1 403 Blocked by policy 17", "403 Blocked by policy 17"),
        (b"HTTP/1.1 503 " + b"x" * 5000, "503 xxx"),
        (f"HTTP/1.1 403 you sent {SECRET}".encode(), "403 you sent (password)"),
        (b"HTTP/1.1 502 \xc2\x9b31m red", "502"),
    ],
)
def test_what_a_proxy_refuses_is_quoted_printable_and_short_in_check_and_run(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, answer: bytes | None, quoted: str
) -> None:
    with ConnectProxy("north", "another", answer) as proxy, world.link() as link:
        monkeypatch.setenv("https_proxy", f"http://north:{SECRET.replace('%', '%25')}@127.0.0.1:{proxy.port}")
        trouble = probe(f"127.0.0.1:{link.port}", world.ca).trouble
        assert trouble is not None
        assert trouble.code == "proxy_refused"
        assert quoted in trouble.sentence
        assert f"127.0.0.1:{proxy.port}" in trouble.sentence
        with world.courier("north", link.port):
            wait_until(lambda: "disconnected" in world.node_kinds("north"), 10, "the courier says so")
    said = [event.detail for _, event in world.node_events if event.kind == "disconnected"]
    assert said[0] == f"{trouble.sentence}. {trouble.remedy}"
    assert len(trouble.sentence) < 250
    assert trouble.sentence.isprintable()
    assert SECRET not in repr(world.node_events) + caplog.text


PROXY_FAULTS: dict[str, tuple[bytes, str, str, str]] = {
    "it closes": (b"", "http", "proxy_no_answer", "the connection through the proxy ended"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2p1\r\n", "http", "proxy_no_answer", "names an HTTP proxy"),
    "half a head": (b"HTTP/1.1 200", "http", "proxy_no_answer", "the connection through the proxy ended"),
    "a login page": (b"HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n", "http", "proxy_refused", "302 Found"),
    "it reaches nobody": (b"HTTP/1.1 502 No\r\ncontent-length: 0\r\n\r\n", "http", "proxy_refused", "whether it runs"),
    "it waited": (b"HTTP/1.1 504 No\r\ncontent-length: 0\r\n\r\n", "http", "proxy_refused", "whether it runs"),
    "it connects and cuts": (b"HTTP/1.1 200 OK\r\n\r\n", "http", "cut", "was cut before TLS"),
    "https for http": (b"HTTP/1.1 400 Bad\r\n\r\n", "https", "no_tls", "Write http:// unless the proxy speaks TLS"),
}
"""What a proxy says; how it is named in the setting; the trouble, and words of it."""


@pytest.mark.parametrize("fault", PROXY_FAULTS)
def test_a_fault_of_the_proxy_is_told_from_one_of_the_aggregator_in_check_and_run(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    says, scheme, code, words = PROXY_FAULTS[fault]
    with saying(says) as address:
        monkeypatch.setenv("https_proxy", f"{scheme}://north:{SECRET.replace('%', '%25')}@{address}")
        trouble = probe("fl.example.org:9443", world.ca).trouble
        assert trouble is not None
        assert (trouble.code, words in f"{trouble.sentence}. {trouble.remedy}") == (code, True)
        with world.courier("north", 9443, host="fl.example.org"):
            wait_until(lambda: "disconnected" in world.node_kinds("north"), 10, "the courier says so")
    said = next(event.detail for _, event in world.node_events if event.kind == "disconnected")
    assert said == f"{trouble.sentence}. {trouble.remedy}"
    assert SECRET not in said


def test_a_proxy_that_speaks_tls_with_a_certificate_of_its_own_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world.link() as link:
        monkeypatch.setenv("https_proxy", f"https://127.0.0.1:{link.port}")
        trouble = probe("fl.example.org:9443", world.ca).trouble
    assert trouble is not None
    assert trouble.code == "wrong_authority"
    assert f"the proxy is meant (127.0.0.1:{link.port})" in trouble.sentence


def test_a_proxy_that_is_away_is_not_taken_for_the_aggregator(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    monkeypatch.setenv("https_proxy", f"http://u:{SECRET}@127.0.0.1:{port}")
    trouble = probe("fl.example.org:9443", world.ca).trouble
    assert trouble is not None
    assert trouble.code == "proxy_unreachable"
    assert f"127.0.0.1:{port}" in trouble.sentence
    assert "refused" in trouble.sentence
    monkeypatch.setenv("https_proxy", f"socks5://u:{SECRET}@127.0.0.1:{port}")
    trouble = probe("fl.example.org:9443", world.ca).trouble
    assert trouble is not None
    assert trouble.code == "proxy_setting"
    with world.courier("north", 9443):
        wait_until(lambda: "disconnected" in world.node_kinds("north"), 10, "the courier says so")
    assert SECRET not in repr(world.node_events) + repr(trouble)
