"""Where the link listens, over IPv4 and IPv6, and what is said when it cannot; nothing is opened then."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.federation.flower.world import World, echo, question
from tests.support.certificates import CertificateFiles, new_key, private_pem, write_certificates
from wardround.engine.basics.problems import InputError
from wardround.federation.flower.link.binding import listen


def refusal(host: str, port: int) -> str:
    with pytest.raises(InputError) as caught:
        listen(host, port)
    return str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::"])
def test_a_port_that_is_taken_is_named_with_the_way_out(host: str) -> None:
    taken = listen(host, 0)
    with taken:
        said = refusal(host, taken.getsockname()[1])
    assert "the aggregator cannot listen" in said
    assert "Stop what has the port" in said
    assert "sites call the port of `address`, which must lead to it" in said


@pytest.mark.parametrize("host", ["203.0.113.77", "2001:db8::77"])
def test_an_address_of_another_machine_is_named(host: str) -> None:
    said = refusal(host, 9443)
    assert host in said
    assert "no such address" in said


def test_a_name_without_an_address_and_an_impossible_port_are_named() -> None:
    assert "the name has no address" in refusal("no-such-host.invalid", 9443)
    assert "cannot listen" in refusal("127.0.0.1", 70000)


@pytest.mark.parametrize("client", ["127.0.0.1", "::1"])
def test_all_addresses_means_both_kinds(client: str) -> None:
    with listen("::", 0) as listening:
        socket.create_connection((client, listening.getsockname()[1]), 5).close()


def test_all_addresses_works_on_a_machine_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with listen("::", 0) as listening:
        assert listening.family == socket.AF_INET
        socket.create_connection(("127.0.0.1", listening.getsockname()[1]), 5).close()


def test_localhost_stays_on_ipv4_where_it_has_both() -> None:
    with listen("localhost", 0) as listening:
        assert listening.family == socket.AF_INET


@pytest.mark.parametrize(("listens", "dials"), [("::1", "[::1]"), ("::", "[::1]"), ("::", "127.0.0.1")])
def test_an_exchange_over_either_kind(world: World, listens: str, dials: str) -> None:
    with world.link(host=listens) as link, world.courier("north", link.port, host=dials):
        assert link.exchange("north", question(), 20) == echo(question())


def _foreign_key(files: CertificateFiles) -> None:
    files.key.write_bytes(private_pem(new_key()))


def _no_key(files: CertificateFiles) -> None:
    files.key.unlink()


def _junk_key(files: CertificateFiles) -> None:
    files.key.write_text("junk")


def _junk_certificate(files: CertificateFiles) -> None:
    files.certificate.write_text("junk")


def _swapped(files: CertificateFiles) -> None:
    shutil.copy(files.certificate, files.key)


def _password(files: CertificateFiles) -> None:
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    encryption = BestAvailableEncryption(b"secret")
    files.key.write_bytes(new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))


@pytest.mark.parametrize("spoil", [_foreign_key, _no_key, _junk_key, _junk_certificate, _swapped, _password])
def test_files_that_cannot_be_used_are_named_before_a_socket_is_opened(
    tmp_path: Path, spoil: Callable[[CertificateFiles], None]
) -> None:
    files = write_certificates(tmp_path / "tls")
    spoil(files)
    with pytest.raises(InputError) as caught:
        World(tmp_path, {"north": new_key()}, files).link()
    assert "server.key" in str(caught.value) or "server.pem" in str(caught.value)
    assert "aggregator certificate" in str(caught.value)
