"""The federation's keys are one set: what is gone, mixed up, of another federation or expired is told as that, once."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from tests.aggregator.home import aggregator, make_home
from wardround.aggregator.coordination import load_coordination
from wardround.aggregator.roster.certificates import issue_authority, issue_server
from wardround.engine.basics.files import write_private
from wardround.engine.basics.problems import InputError

NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A federation's folder."""
    make_home(tmp_path / "federation", 9443, names=("north",))
    return tmp_path / "federation"


@pytest.fixture
def keys(home: Path) -> Path:
    """Its folder of keys."""
    return home / "keys"


def of_another_federation(keys: Path, *names: str) -> None:
    """Put another federation's files of these names in place."""
    other = issue_authority("brains", NOW)
    server = issue_server(other, ["127.0.0.1"], NOW)
    content = {
        "ca.pem": other.certificate,
        "ca.key": other.key,
        "server.pem": server.certificate,
        "server.key": server.key,
    }
    for name in names:
        write_private(keys / name, content[name])


def swap(keys: Path, one: str, other: str) -> None:
    first, second = ((keys / name).read_bytes() for name in (one, other))
    write_private(keys / one, second)
    write_private(keys / other, first)


def with_a_password(keys: Path) -> None:
    key = load_pem_private_key((keys / "server.key").read_bytes(), password=None)
    write_private(
        keys / "server.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    )


WRONG: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "gone": (
        shutil.rmtree,
        ("the federation's keys are not there (got no such folder", "Restore the folder of the keys from its backup"),
    ),
    "empty": (
        lambda keys: [each.unlink() for each in keys.iterdir()],
        ("the federation's keys are not there (got none of them", "Do not make new ones with `aggregator init`"),
    ),
    "a file": (
        lambda keys: (shutil.rmtree(keys), keys.touch()),
        ("the federation's keys are not there (got a file in the place of the folder",),
    ),
    "server of another": (
        lambda keys: of_another_federation(keys, "server.pem", "server.key"),
        ("server.pem is not signed by ca.pem", "make new ones with `aggregator certificate`"),
    ),
    "authority's certificate of another": (
        lambda keys: of_another_federation(keys, "ca.pem"),
        ("ca.pem, ca.key and server.pem are of different federations: restore all from the backup",),
    ),
    "key of another certificate": (
        lambda keys: of_another_federation(keys, "server.key"),
        ("server.key is not the private key of server.pem", "make a new pair with `aggregator certificate`"),
    ),
    "certificates exchanged": (
        lambda keys: swap(keys, "ca.pem", "server.pem"),
        ("ca.pem holds what belongs in server.pem", "Exchange the names of ca.pem and server.pem"),
    ),
    "private keys exchanged": (
        lambda keys: swap(keys, "ca.key", "server.key"),
        ("ca.key holds what belongs in server.key", "Exchange the names of ca.key and server.key"),
    ),
    "certificate and key exchanged": (
        lambda keys: swap(keys, "server.key", "server.pem"),
        ("server.pem holds what belongs in server.key",),
    ),
    "coordinator's and server's exchanged": (
        lambda keys: swap(keys, "coordinator.key", "server.key"),
        ("coordinator.key holds what belongs in server.key",),
    ),
    "no pair": (
        lambda keys: [(keys / name).unlink() for name in ("server.pem", "server.key")],
        ("server.pem and server.key are missing", "make a new pair with `aggregator certificate`"),
    ),
    "no authority": (
        lambda keys: (keys / "ca.pem").unlink(),
        ("ca.pem is missing", "the sites trust this authority and no other"),
    ),
    "no coordinator's key": (
        lambda keys: (keys / "coordinator.key").unlink(),
        ("coordinator.key is missing", "Restore it from the backup of the keys"),
    ),
    "empty certificate": (
        lambda keys: write_private(keys / "server.pem", b""),
        ("server.pem: this is not a certificate (got an empty file",),
    ),
    "key with a password": (with_a_password, ("this is not a private key (got a private key with a password",)),
}


@pytest.mark.parametrize("way", WRONG)
def test_what_is_wrong_with_the_keys_is_one_error_with_the_way_out(home: Path, keys: Path, way: str) -> None:
    spoil, said = WRONG[way]
    spoil(keys)
    for words in (("check",), ()):
        outcome = aggregator(*words, "--config", home / "federation.yaml")
        assert outcome.code == 2
        assert outcome.err.count("error: ") == 1, outcome.err
        for part in said:
            assert part in outcome.err
    assert not (home / "state").exists()


@pytest.mark.parametrize("way", ["server of another", "key of another certificate", "no pair", "empty certificate"])
def test_a_new_pair_is_the_way_out_that_was_named(home: Path, keys: Path, way: str) -> None:
    WRONG[way][0](keys)
    assert aggregator("certificate", "--config", home / "federation.yaml").code == 0
    assert aggregator("check", "--config", home / "federation.yaml").code == 0


def test_an_authority_that_has_expired_is_not_renewed_by_a_certificate(home: Path) -> None:
    with pytest.raises(InputError) as refused:
        load_coordination(home / "federation.yaml", today=NOW + datetime.timedelta(days=3700))
    remedies = {Path(problem.where).name: problem.remedy for problem in refused.value.problems}
    assert remedies["server.pem"] == "Issue a new one with `aggregator certificate`"
    assert "`aggregator certificate` does not help" in remedies["ca.pem"]


def test_a_certificate_of_the_future_asks_for_the_clock(home: Path) -> None:
    with pytest.raises(InputError, match="Is this machine's clock right"):
        load_coordination(home / "federation.yaml", today=NOW - datetime.timedelta(days=2))


def test_one_authority_follows_another_without_an_error_in_between(home: Path, keys: Path) -> None:
    """As the coordinator's guide says it: both in ca.pem, then the new key and certificate, the old one taken out."""
    config, following = home / "federation.yaml", issue_authority("brains", NOW)
    (keys / "ca.pem").write_bytes(following.certificate + (keys / "ca.pem").read_bytes())
    assert aggregator("check", "--config", config).code == 0
    write_private(keys / "ca.key", following.key)
    assert aggregator("check", "--config", config).code == 0
    assert aggregator("certificate", "--config", config).code == 0
    (keys / "ca.pem").write_bytes(following.certificate)
    assert aggregator("check", "--config", config).code == 0


def test_an_authoritys_key_of_another_disturbs_no_run(home: Path, keys: Path) -> None:
    of_another_federation(keys, "ca.key")
    outcome = aggregator("check", "--config", home / "federation.yaml")
    assert outcome.code == 0
    assert "ca.key is not the private key of ca.pem" in outcome.out


def test_an_authoritys_key_may_be_kept_elsewhere(home: Path, keys: Path) -> None:
    (keys / "ca.key").unlink()
    assert aggregator("check", "--config", home / "federation.yaml").code == 0
