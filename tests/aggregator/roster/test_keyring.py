"""Keys of sites that change while a run goes on: revoked, replaced by their own word, or by the coordinator's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.aggregator.bench import Bench
from tests.aggregator.fakes import seeded_keys
from tests.support.commands import Outcome, run_wardround
from tests.support.keeping import SETTINGS, Spoil
from tests.support.studies import SEGMENTATION, write_study
from wardround.aggregator.cli import app
from wardround.aggregator.coordination import load_coordination
from wardround.aggregator.journal import Event, Journal
from wardround.aggregator.roster.key_changes import changes_file, read_changes
from wardround.aggregator.roster.keyring import Believed, KeyRing, believed
from wardround.aggregator.roster.keywatch import KeyWatch
from wardround.aggregator.rounds.loop import RoundLoop
from wardround.aggregator.rounds.sites import SiteState
from wardround.federation.event_log import read_entries
from wardround.federation.identities import EnrolmentRequest, SiteKeys, fingerprint, transport_public_bytes
from wardround.federation.invitation import load_invitation
from wardround.federation.succession import Rotation


def aggregator(*words: object) -> Outcome:
    """Run `aggregator`."""
    return run_wardround(*words, app=app)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A federation of north and south."""
    study = write_study(tmp_path / "study.yaml", SEGMENTATION)
    folder = tmp_path / "federation"
    words = ("--name", "brains", "--study", study, "--address", "127.0.0.1:9443", "--folder", folder)
    assert aggregator("init", *words).code == 0
    for name in ("north", "south"):
        EnrolmentRequest.create(name, seeded_keys(name)).save(tmp_path / f"{name}.pub")
        assert aggregator("enroll", name, tmp_path / f"{name}.pub", *_config(folder)).code == 0
    return folder


def _config(home: Path) -> tuple[object, ...]:
    return ("--config", home / "federation.yaml")


def rotation(home: Path, name: str, former: str, new: str) -> Path:
    """The file that a site's `rotate-keys` writes."""
    path = home.parent / f"{name}-{new}.pub"
    Rotation.create(name, seeded_keys(former), seeded_keys(new)).save(path)
    return path


def keys(home: Path, name: str) -> Believed:
    roster = load_coordination(home / "federation.yaml").roster
    return believed(roster, read_changes(home / "roster.json"))[name]


def test_a_key_that_signs_its_successor_is_replaced_and_the_plan_stays(home: Path) -> None:
    plan = load_coordination(home / "federation.yaml").plan
    assert aggregator("rotate-key", "north", rotation(home, "north", "north", "new"), *_config(home)).code == 0
    assert aggregator("rotate-key", "north", rotation(home, "north", "new", "newer"), *_config(home)).code == 0
    found = keys(home, "north")
    assert found.member.signing_key == seeded_keys("newer").signing_public
    assert found.former == (seeded_keys("north").signing_public, seeded_keys("new").signing_public)
    assert load_coordination(home / "federation.yaml").plan == plan
    assert fingerprint(found.member.signing_key) in aggregator("sites", *_config(home)).out


def test_a_revoked_key_speaks_for_nobody_and_names_no_successor(home: Path) -> None:
    assert aggregator("revoke", "north", *_config(home)).code == 0
    assert keys(home, "north").revoked
    assert keys(home, "north").signers == ()
    assert "revoked" in aggregator("sites", *_config(home)).out
    request = rotation(home, "north", "north", "thief")
    outcome = aggregator("rotate-key", "north", request, *_config(home))
    assert (outcome.code, "fingerprint was not given" in outcome.err) == (2, True)
    wrong = fingerprint(seeded_keys("other").signing_public)
    assert aggregator("rotate-key", "north", request, "--fingerprint", wrong, *_config(home)).code == 2
    right = fingerprint(seeded_keys("thief").signing_public).upper()
    assert aggregator("rotate-key", "north", request, "--fingerprint", right, *_config(home)).code == 0
    found = keys(home, "north")
    assert (found.revoked, found.former) == (False, ())
    assert found.member.signing_key == seeded_keys("thief").signing_public


@pytest.mark.parametrize(
    ("site", "former", "new", "said"),
    [
        ("north", "other", "new", "has not signed these keys"),
        ("north", "south", "new", "has not signed these keys"),
        ("north", "north", "south", "in use, or were"),
        ("north", "north", "north", "in use, or were"),
        ("west", "west", "new", "no site of this name"),
    ],
)
def test_no_other_request_changes_a_key(home: Path, site: str, former: str, new: str, said: str) -> None:
    outcome = aggregator("rotate-key", site, rotation(home, site, former, new), *_config(home))
    assert outcome.code == 2
    assert said in outcome.err
    assert not changes_file(home / "roster.json").exists()


def test_a_rotation_of_another_site_or_with_a_changed_proof_is_refused(home: Path) -> None:
    request = rotation(home, "south", "north", "new")
    assert "another name" in aggregator("rotate-key", "north", request, *_config(home)).err
    request = rotation(home, "north", "north", "new")
    text = request.read_text()
    proof = Rotation.model_validate_json(text).proof
    request.write_text(text.replace(proof, proof[:-2] + ("00" if proof[-2:] != "00" else "11")))
    assert "signatures of the new keys do not hold" in aggregator("rotate-key", "north", request, *_config(home)).err


@pytest.mark.parametrize("spoil", SETTINGS.values(), ids=list(SETTINGS))
def test_changes_that_others_could_make_are_refused(home: Path, spoil: Spoil, monkeypatch: pytest.MonkeyPatch) -> None:
    aggregator("revoke", "north", *_config(home))
    said = spoil(changes_file(home / "roster.json"), monkeypatch)
    assert said in aggregator("check", *_config(home)).err


def mixed_keys(signing: str, transport: str) -> SiteKeys:
    """A signing key of one seed and a transport key of another."""
    return SiteKeys(seeded_keys(signing).signing, seeded_keys(transport).transport)


@pytest.mark.parametrize(
    ("command", "part"),
    [("enroll", "both"), ("enroll", "signing"), ("enroll", "transport"), ("replace", "both"), ("rotate-key", "both")],
)
@pytest.mark.parametrize("how", ["revoked", "replaced", "successor", "of another site"])
@pytest.mark.parametrize("gone", [False, True], ids=["enrolled", "removed"])
def test_a_key_of_the_past_is_nobodys(home: Path, command: str, how: str, part: str, gone: bool) -> None:
    """Under whatever name, by whatever command, and whether its site is still enrolled or not."""
    owner, held = ("south", "south") if how == "of another site" else ("north", "north")
    if how == "revoked":
        aggregator("revoke", "north", *_config(home))
    elif how in ("replaced", "successor"):
        aggregator("rotate-key", "north", rotation(home, "north", "north", "new"), *_config(home))
        held = "new" if how == "successor" else "north"
    if gone and how != "of another site":
        aggregator("remove", owner, *_config(home))
    keys = mixed_keys(held if part != "transport" else "fresh", held if part != "signing" else "fresh")
    name = "west"
    if command != "enroll":
        EnrolmentRequest.create("west", seeded_keys("west")).save(home / "west.pub")
        assert aggregator("enroll", "west", home / "west.pub", *_config(home)).code == 0
    before = (home / "roster.json").read_bytes()
    EnrolmentRequest.create(name, keys).save(home / "again.pub")
    words = ("--fingerprint", fingerprint(keys.signing_public)) if command == "rotate-key" else ()
    outcome = aggregator(command, name, home / "again.pub", *words, *_config(home))
    assert outcome.code == 2
    assert "use, or were" in outcome.err or "another site has the same key" in outcome.err
    assert (home / "roster.json").read_bytes() == before


def test_a_site_that_left_comes_back_with_the_keys_that_it_has_now(home: Path) -> None:
    aggregator("rotate-key", "north", rotation(home, "north", "north", "new"), *_config(home))
    aggregator("remove", "north", *_config(home))
    EnrolmentRequest.create("north", seeded_keys("north")).save(home / "old.pub")
    assert "has been replaced" in aggregator("enroll", "north", home / "old.pub", *_config(home)).err
    EnrolmentRequest.create("north", seeded_keys("new")).save(home / "new.pub")
    assert aggregator("enroll", "north", home / "new.pub", *_config(home)).code == 0
    assert keys(home, "north").member.signing_key == seeded_keys("new").signing_public


class _Lock:
    def __init__(self) -> None:
        self.keys: dict[str, bytes | None] = {}

    def enrol(self, sites: dict[str, bytes]) -> None:
        self.keys.update(sites)

    def revoke(self, site: str) -> None:
        self.keys[site] = None


def test_a_running_aggregator_takes_changes_up(home: Path, tmp_path: Path) -> None:
    roster = load_coordination(home / "federation.yaml").roster
    ring, lock = KeyRing.of(roster), _Lock()
    journal = Journal(tmp_path / "events.jsonl", lambda entry: None)
    watch = KeyWatch(roster, home / "roster.json", ring, lock, journal)  # type: ignore[arg-type]
    watch.look()
    assert lock.keys == {}
    aggregator("revoke", "south", *_config(home))
    watch.look()
    aggregator("rotate-key", "north", rotation(home, "north", "north", "new"), *_config(home))
    watch.look()
    watch.look()
    assert lock.keys == {"south": None, "north": transport_public_bytes(seeded_keys("new").transport_public)}
    assert ring.is_revoked("south")
    changes_file(home / "roster.json").write_text("{")
    watch.look()
    assert ring.is_revoked("south")
    said = [entry.event for entry in read_entries(journal.path)]
    assert said == [Event.KEY_REVOKED, Event.KEY_REPLACED, Event.KEYS_UNREADABLE]


def _loop(bench: Bench) -> tuple[RoundLoop, KeyRing]:
    """A loop whose ring knows the bench's roster."""
    loop = bench.loop()
    loop.run_plan.ring.update(KeyRing.of(bench.roster).sites)
    return loop, loop.run_plan.ring


def _revoke(ring: KeyRing, site: str) -> None:
    found = ring.sites[site]
    ring.update({**ring.sites, site: Believed(found.member, revoked=True)})


def test_a_site_whose_key_is_revoked_is_counted_by_the_rules(tmp_path: Path) -> None:
    bench = Bench(tmp_path, quorum=2, deadline=1000.0)
    loop, ring = _loop(bench)
    _revoke(ring, "south")
    assert loop.run().complete
    for result in loop.results:
        assert "south" not in [site.site for site in result.sites]
        assert [(absence.site, absence.state) for absence in result.absent] == [("south", "declined")]
        assert "revoked" in result.absent[0].reason


def test_a_reply_that_is_here_is_not_folded_once_its_key_is_revoked(tmp_path: Path) -> None:
    bench = Bench(tmp_path, quorum=2, deadline=1000.0)
    loop, ring = _loop(bench)
    gather = loop.gatherer.gather

    def gather_and_revoke(gathering):  # type: ignore[no-untyped-def]
        verdict = gather(gathering)
        if gathering.number == 2 and not ring.is_revoked("south"):
            assert gathering.conversations["south"].status.state is SiteState.DONE
            _revoke(ring, "south")
        return verdict

    loop.gatherer.gather = gather_and_revoke  # type: ignore[method-assign]
    assert loop.run().complete
    took_part = [["south" in [site.site for site in result.sites]] for result in loop.results]
    assert took_part[0] == [True]
    assert not any(part[0] for part in took_part[1:])


def test_a_signed_rotation_with_another_fingerprint_than_the_one_read_out_is_refused(home: Path) -> None:
    path = rotation(home, "north", "north", "new")
    wrong = fingerprint(seeded_keys("other").signing_public)
    for text in (wrong, ""):
        assert aggregator("rotate-key", "north", path, "--fingerprint", text, *_config(home)).code == 2
    assert read_changes(home / "roster.json") == ()
    right = fingerprint(seeded_keys("new").signing_public)
    assert aggregator("rotate-key", "north", path, "--fingerprint", right, *_config(home)).code == 0


def test_the_coordinators_new_key_is_signed_by_the_former_one(home: Path, tmp_path: Path) -> None:
    before = load_coordination(home / "federation.yaml")
    outcome = aggregator("rotate-coordinator-key", *_config(home))
    assert outcome.code == 0
    after = load_coordination(home / "federation.yaml")
    assert after.key.public != before.key.public
    assert after.plan == before.plan
    assert fingerprint(after.key.public) in outcome.out
    assert aggregator("invite", "--out", tmp_path / "invitation.json", *_config(home)).code == 0
    invitation = load_invitation(tmp_path / "invitation.json")
    assert invitation.succession is not None
    assert invitation.succession.former == before.key.public
    assert invitation.succession.leads(before.key.public, after.key.public)
    assert not invitation.succession.leads(before.key.public, before.key.public)
    kept = home / "keys" / "former" / f"coordinator-{before.key.public[:16]}.key"
    assert kept.stat().st_mode & 0o777 == 0o600
