"""init, enroll, invite, check: what they make, and what they refuse."""

from __future__ import annotations

import datetime
import json
import os
import ssl
from pathlib import Path

import pytest
from cryptography import x509

from tests.aggregator.fakes import seeded_keys
from tests.support.commands import Outcome, run_wardround
from tests.support.keeping import SECRETS, SETTINGS
from tests.support.studies import SEGMENTATION, write_study
from wardround.aggregator.cli import app
from wardround.aggregator.coordination import load_coordination
from wardround.aggregator.roster.certificates import issue_authority, issue_server, serves
from wardround.aggregator.rounds.state import StateFolder
from wardround.engine.basics.problems import InputError
from wardround.federation.identities import EnrolmentRequest
from wardround.federation.invitation import load_invitation
from wardround.federation.protocol import Leaves

TODAY = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def aggregator(*words: object) -> Outcome:
    """Run `aggregator`."""
    return run_wardround(*words, app=app)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A federation with two sites."""
    study = write_study(tmp_path / "study.yaml", SEGMENTATION)
    folder = tmp_path / "federation"
    words = ("--name", "brains", "--study", study, "--address", "127.0.0.1:9443", "--folder", folder)
    assert aggregator("init", *words, "--rounds", 3, "--local-steps", 7).code == 0
    for name in ("south", "north"):
        request(tmp_path, name)
        config = folder / "federation.yaml"
        assert aggregator("enroll", name, tmp_path / f"{name}.pub", "--config", config).code == 0
    return folder


def request(folder: Path, name: str, keys_of: str | None = None) -> Path:
    """An enrolment request in a file."""
    path = folder / f"{name}.pub"
    EnrolmentRequest.create(name, seeded_keys(keys_of or name)).save(path)
    return path


def test_secrets_are_for_their_owner_only(home: Path) -> None:
    for name in ("ca.key", "server.key", "coordinator.key"):
        assert (home / "keys" / name).stat().st_mode & 0o777 == 0o600


def test_the_federation_is_what_was_asked_for(home: Path) -> None:
    found = load_coordination(home / "federation.yaml")
    assert (found.settings.federation, found.settings.horizon.rounds, found.settings.horizon.local_steps) == (
        "brains",
        3,
        7,
    )
    assert found.settings.endpoint == ("::", 9443)
    assert found.roster.names == ("north", "south")
    assert found.quorum == 2
    assert found.notes == ()


def test_nothing_is_overwritten(home: Path, tmp_path: Path) -> None:
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    words = ("--name", "other", "--study", tmp_path / "study.yaml", "--address", "127.0.0.1:1", "--folder", home)
    outcome = aggregator("init", *words)
    assert outcome.code == 2
    assert "7 times: the file exists already" in outcome.err
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_a_bad_beginning_writes_nothing(tmp_path: Path) -> None:
    words = ("--name", "Brain Study", "--study", tmp_path / "none.yaml", "--address", "here", "--rounds", 0)
    outcome = aggregator("init", *words, "--folder", tmp_path / "new")
    assert outcome.code == 2
    for part in ("none.yaml", "--name: ", "`--name brain-study`", "--address: ", "--rounds: ", "`--rounds 20`"):
        assert part in outcome.err
    assert "federation.yaml" not in outcome.err, "there is no such file yet"
    assert "listen" not in outcome.err, "nobody has written that"
    assert not (tmp_path / "new").exists()


def test_the_certificate_is_accepted_for_its_address_and_no_other(home: Path) -> None:
    certificate = x509.load_pem_x509_certificate((home / "keys" / "server.pem").read_bytes())
    assert serves(certificate, "127.0.0.1")
    assert not serves(certificate, "127.0.0.2")
    context = ssl.create_default_context(cafile=str(home / "keys" / "ca.pem"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(home / "keys" / "server.pem", home / "keys" / "server.key")
    assert _handshake(context, server, "127.0.0.1")
    assert not _handshake(context, server, "127.0.0.2")


def _handshake(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> bool:
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server, server_hostname=host)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(10):
        for side in (asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
    return asking.version() is not None


@pytest.mark.parametrize(("host", "other"), [("fed.example.org", "fed.example.com"), ("::1", "::2")])
def test_certificates_for_names_and_ipv6(host: str, other: str) -> None:
    issued = issue_server(issue_authority("x", TODAY), [host], TODAY)
    certificate = x509.load_pem_x509_certificate(issued.certificate)
    assert serves(certificate, host.upper())
    assert not serves(certificate, other)


def test_several_names_and_addresses_in_one_certificate(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study.yaml", SEGMENTATION)
    words = ("--name", "brains", "--study", study, "--address", "[2001:db8::5]:9443", "--folder", tmp_path / "f")
    names = ("fl.example.org", "10.0.0.5", "2001:db8::6")
    also = [word for name in names for word in ("--also-name", name)]
    assert aggregator("init", *words, *also).code == 0
    config, pem = tmp_path / "f" / "federation.yaml", tmp_path / "f" / "keys" / "server.pem"
    certificate = x509.load_pem_x509_certificate(pem.read_bytes())
    assert all(serves(certificate, host) for host in ("2001:db8::5", *names))
    request(tmp_path, "north")
    assert aggregator("enroll", "north", tmp_path / "north.pub", "--config", config).code == 0
    assert aggregator("check", "--config", config).code == 0
    config.write_text(config.read_text().replace('"10.0.0.5"', '"10.0.0.5", "fl2.example.org"'))
    outcome = aggregator("check", "--config", config)
    assert outcome.code == 2
    assert "fl2.example.org" in outcome.err
    assert "fl2.example.org" in aggregator("certificate", "--config", config).out
    assert aggregator("check", "--config", config).code == 0


@pytest.mark.parametrize("name", ["fe80::1%eth0", "a b", "https://x", "10.0.0.256"])
def test_a_further_name_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    study = write_study(tmp_path / "study.yaml", SEGMENTATION)
    words = ("--name", "brains", "--study", study, "--address", "127.0.0.1:9443", "--folder", tmp_path / "f")
    outcome = aggregator("init", *words, "--also-name", name)
    assert outcome.code == 2
    assert "--also-name: " in outcome.err
    assert not (tmp_path / "f").exists()


def test_a_new_certificate_is_signed_by_the_authority_whose_key_is_here(home: Path) -> None:
    """While sites change from one authority to the next, `ca.pem` holds both."""
    pem = home / "keys" / "ca.pem"
    other = issue_authority("next", TODAY)
    pem.write_bytes(other.certificate + pem.read_bytes())
    assert aggregator("certificate", "--config", home / "federation.yaml").code == 0
    pem.write_bytes(other.certificate)
    outcome = aggregator("certificate", "--config", home / "federation.yaml")
    assert outcome.code == 2
    assert "of none of the certificates" in outcome.err


@pytest.mark.parametrize(
    ("name", "host", "fine"),
    [("*.example.org", "fl.example.org", True), ("*.example.org", "a.fl.example.org", False), ("*.org", "org", False)],
)
def test_a_wildcard_stands_for_one_label(name: str, host: str, fine: bool) -> None:
    certificate = x509.load_pem_x509_certificate(issue_server(issue_authority("x", TODAY), [name], TODAY).certificate)
    assert serves(certificate, host) is fine


def test_a_certificate_needs_a_host() -> None:
    with pytest.raises(ValueError, match="at least one host"):
        issue_server(issue_authority("x", TODAY), [], TODAY)


def test_a_site_under_another_name_is_refused(home: Path, tmp_path: Path) -> None:
    outcome = aggregator("enroll", "west", request(tmp_path, "east"), "--config", home / "federation.yaml")
    assert outcome.code == 2
    assert "got east; expected west" in outcome.err


def test_a_site_is_enrolled_once(home: Path, tmp_path: Path) -> None:
    outcome = aggregator("enroll", "north", tmp_path / "north.pub", "--config", home / "federation.yaml")
    assert outcome.code == 2
    assert "enrolled already" in outcome.err


def test_two_sites_with_one_key_are_refused(home: Path, tmp_path: Path) -> None:
    path = request(tmp_path, "west", keys_of="north")
    outcome = aggregator("enroll", "west", path, "--config", home / "federation.yaml")
    assert outcome.code == 2
    assert "west with a key of north" in outcome.err


def test_a_request_without_proof_is_refused(home: Path, tmp_path: Path) -> None:
    path = request(tmp_path, "west")
    content = json.loads(path.read_text())
    content["member"]["name"] = "east"
    path.write_text(json.dumps(content))
    outcome = aggregator("enroll", "east", path, "--config", home / "federation.yaml")
    assert outcome.code == 2
    assert "changed after the site had signed it" in outcome.err


def test_the_invitation_carries_the_plan_and_no_secret(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "invitation.json"
    assert aggregator("invite", "--out", path, "--config", home / "federation.yaml").code == 0
    invitation = load_invitation(path)
    found = load_coordination(home / "federation.yaml")
    assert invitation.plan == found.plan
    assert invitation.roster == found.roster
    assert invitation.open_study() == found.study
    assert invitation.coordinator_key == found.key.public
    assert b"PRIVATE" not in path.read_bytes()


@pytest.mark.parametrize("command", ["invite", "continue"])
@pytest.mark.parametrize("name", ["roster.json", "federation.yaml", "notes.txt"])
def test_an_invitation_takes_the_place_of_nothing_but_an_invitation(home: Path, command: str, name: str) -> None:
    (home / "notes.txt").write_text("to be kept")
    before = (home / name).read_bytes()
    outcome = aggregator(command, "--out", home / name, "--config", home / "federation.yaml")
    assert outcome.code == 2
    assert f"{home / name}: something of this name is there already that is no invitation" in outcome.err
    assert (home / name).read_bytes() == before


@pytest.mark.parametrize(
    ("line", "leaves"),
    [
        ("{final: true}", None),
        ("{final: true, test: true}", None),
        ("{final: true, test: false}", Leaves(test=False)),
        ("{metrics: [dice, loss]}", Leaves(metrics=("dice", "loss"))),
        ("{metrics: []}", Leaves(metrics=())),
    ],
)
def test_the_plan_says_which_scores_leave(home: Path, line: str, leaves: Leaves | None) -> None:
    config = home / "federation.yaml"
    before = load_coordination(config).plan
    config.write_text(config.read_text().replace("{final: true}", line))
    plan = load_coordination(config).plan
    assert plan.leaves == leaves
    assert (plan.digest == before.digest) is (leaves is None), "what is as it was has the digest that it had"


def test_every_problem_is_told_at_once(home: Path) -> None:
    config = home / "federation.yaml"
    text = config.read_text().replace("quorum: all", "quorum: 5").replace("fold: 0", "fold: 7")
    config.write_text(text.replace("study.yaml", "absent.yaml"))
    (home / "keys" / "ca.pem").unlink()
    (home / "keys" / "server.key").chmod(0o644)
    (home / "keys" / "coordinator.key").write_bytes(b"no key")
    outcome = aggregator("check", "--config", config)
    assert outcome.code == 2
    for part in ("quorum is above", "absent.yaml", "ca.pem", "chmod 600", "coordinator.key"):
        assert part in outcome.err


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("quorum: all", "quorom: all", "Did you mean 'quorum'"),
        ("strategy: fedavg", "strategy: fedaverage", "Did you mean 'fedavg'?"),
        ("strategy: fedavg", "strategy: {name: fedavg, mu: 1}", "mu"),
        ("deadline: forever", "deadline: soon", "deadline"),
        ("deadline: forever", "deadline: -3", "deadline"),
        ("quorum: all", "quorum: 0", "quorum"),
        ("below_quorum: wait", "below_quorum: hope", "wait or stop"),
        ("127.0.0.1:9443", "127.0.0.1:99999", "a port is a number"),
        ("fold: 0", "fold: 2", "no such outer fold"),
        ("{final: true}", "{metrics: [dicee]}", "the study has no metric 'dicee' (got 'dicee'; expected one of"),
        ("127.0.0.1:9443", "127.0.0.9:9443", "does not name the address"),
    ],
)
def test_a_wrong_value_is_explained(home: Path, old: str, new: str, said: str) -> None:
    config = home / "federation.yaml"
    config.write_text(config.read_text().replace(old, new))
    outcome = aggregator("check", "--config", config)
    assert outcome.code == 2
    assert said in outcome.err


def test_a_new_certificate_serves_a_new_address(home: Path) -> None:
    config = home / "federation.yaml"
    config.write_text(config.read_text().replace("127.0.0.1:9443", "fed.example.org:9443"))
    assert aggregator("check", "--config", config).code == 2
    assert aggregator("certificate", "--config", config).code == 0
    assert aggregator("check", "--config", config).code == 0


def test_an_empty_roster_is_a_problem(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study.yaml", SEGMENTATION)
    words = ("--name", "brains", "--study", study, "--address", "127.0.0.1:9443", "--folder", tmp_path)
    assert aggregator("init", *words).code == 0
    with pytest.raises(InputError, match="the roster is empty"):
        load_coordination(tmp_path / "federation.yaml")


def test_certificates_expire_with_a_warning_before(home: Path) -> None:
    config = home / "federation.yaml"
    now = datetime.datetime.now(datetime.UTC)
    found = load_coordination(config, today=now + datetime.timedelta(days=800))
    assert any("server.pem expires at" in note for note in found.notes)
    with pytest.raises(InputError, match="not valid today"):
        load_coordination(config, today=now + datetime.timedelta(days=900))


def test_a_quorum_without_a_deadline_gets_a_note(home: Path) -> None:
    config = home / "federation.yaml"
    config.write_text(config.read_text().replace("quorum: all", "quorum: 1"))
    outcome = aggregator("check", "--config", config)
    assert outcome.code == 0
    assert "without a deadline" in outcome.out


def test_sites_lists_fingerprints(home: Path) -> None:
    outcome = aggregator("sites", "--config", home / "federation.yaml")
    assert [line.split()[0] for line in outcome.out.splitlines()] == ["north", "south"]


def test_status_before_the_first_run_says_what_to_do(home: Path) -> None:
    outcome = aggregator("status", "--config", home / "federation.yaml")
    assert outcome.code == 2
    assert "has not been run yet" in outcome.err


AGGREGATOR_FILES = {
    "federation.yaml": SETTINGS,
    "roster.json": SETTINGS,
    "keys/ca.pem": SETTINGS,
    "keys/ca.key": SECRETS,
    "keys/server.key": SECRETS,
    "keys/coordinator.key": SECRETS,
}


@pytest.mark.parametrize(
    ("name", "way"), [(name, way) for name, ways in AGGREGATOR_FILES.items() for way in ways], ids=lambda value: value
)
def test_no_file_that_others_may_read_or_change_is_trusted(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, way: str
) -> None:
    said = AGGREGATOR_FILES[name][way](home / name, monkeypatch)
    for words in (("check",), ("invite", "--out", home / "invitation.json"), ()):
        outcome = aggregator(*words, "--config", home / "federation.yaml")
        assert outcome.code == 2
        assert said in outcome.err
    assert not (home / "invitation.json").exists()
    if name == "keys/ca.key":
        assert said in aggregator("certificate", "--config", home / "federation.yaml").err


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_what_init_writes_is_kept_well_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        tmp_path.chmod(0o755)
        study = write_study(tmp_path / "study.yaml", SEGMENTATION)
        folder = tmp_path / "federation"
        folder.mkdir(mode=0o755)
        words = ("--name", "brains", "--study", study, "--address", "127.0.0.1:9443", "--folder", folder)
        assert aggregator("init", *words).code == 0
        config = folder / "federation.yaml"
        assert aggregator("enroll", "north", request(tmp_path, "north"), "--config", config).code == 0
        assert aggregator("check", "--config", config).code == 0
    finally:
        os.umask(before)
    assert (folder / "keys").stat().st_mode & 0o777 == 0o700


def test_the_state_of_a_run_is_its_users_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        state = StateFolder(tmp_path / "state")
        (tmp_path / "state").mkdir(mode=0o777)
        with state.locked():
            assert state.root.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)


def test_a_check_for_programs(home: Path) -> None:
    config = home / "federation.yaml"
    found = aggregator("check", "--json", "--config", config).json
    assert found["problems"] == []
    assert (found["federation"], found["sites"], found["quorum"]) == ("brains", ["north", "south"], 2)
    assert (found["rounds"], found["local_steps"], found["strategy"]) == (3, 7, "fedavg")
    assert found["plan"] == load_coordination(config).plan.digest
    config.write_text(config.read_text().replace("quorum: all", "quorum: 9"))
    outcome = aggregator("check", "--json", "--config", config)
    assert outcome.code == 2
    (problem,) = outcome.json["problems"]
    assert problem["what"] == "the quorum is above the number of sites"


@pytest.mark.parametrize("text", ["quorum: [all\nrounds: 3", "schema: 1\nschema: 1", "", "- a list"])
def test_beside_a_federation_file_that_is_no_yaml_roster_and_keys_are_looked_at(home: Path, text: str) -> None:
    config = home / "federation.yaml"
    config.write_text(text)
    alone = aggregator("check", "--config", config)
    assert (alone.code, alone.err.count("error: ")) == (2, 1)
    (home / "roster.json").write_text("no roster")
    (home / "keys" / "coordinator.key").write_text("no key")
    (home / "key-changes.json").write_text("no changes")
    for command in ("check", "invite"):
        found = aggregator(command, "--config", config).err
        assert found.count("error: ") == 3
        assert "federation.yaml" in found
        assert "roster.json" in found
        assert "coordinator.key" in found


def test_a_list_of_key_changes_that_cannot_be_used_says_what_to_do(home: Path) -> None:
    (home / "key-changes.json").write_text("{}x")
    found = aggregator("check", "--config", home / "federation.yaml").err
    assert "this is not a list of key changes" in found
    assert "Restore it from a backup" in found
    (home / "key-changes.json").unlink()
    (home / "key-changes.json").mkdir(mode=0o700)
    found = aggregator("check", "--config", home / "federation.yaml").err
    assert "the list of key changes cannot be read" in found
    assert "have its rights or its disk looked at" in found.lower()


def test_an_authority_whose_files_are_gone_says_what_to_do(home: Path) -> None:
    (home / "keys" / "ca.pem").unlink()
    outcome = aggregator("certificate", "--config", home / "federation.yaml")
    assert outcome.code == 2
    assert "ca.pem: the authority's files cannot be read" in outcome.err
    assert "Restore them from the backup" in outcome.err
