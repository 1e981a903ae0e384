"""Slips of a coordinator: everything at once, as what it is, with the next step."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support.commands import Outcome, run_wardround
from tests.support.studies import SEGMENTATION, write_study
from wardround.aggregator.cli import app
from wardround.aggregator.journal import Event
from wardround.aggregator.showing.plain_words import sentence
from wardround.federation.event_log import Entry
from wardround.federation.identities import EnrolmentRequest, SiteKeys


def aggregator(*words: object) -> Outcome:
    return run_wardround(*words, app=app)


def refused(*words: object) -> str:
    outcome = aggregator(*words)
    assert outcome.code == 2, outcome
    assert "Traceback" not in outcome.err
    return outcome.err


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A federation of two sites, in the folder in which commands are run."""
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    write_study(tmp_path / "study.yaml", SEGMENTATION)
    assert aggregator("init", "--name", "f", "--study", "study.yaml", "--address", "127.0.0.1:9443").code == 0
    for name in ("north", "south"):
        EnrolmentRequest.create(name, SiteKeys.create(tmp_path / f"keys-{name}")).save(tmp_path / f"{name}.pub")
        assert aggregator("enroll", name, f"{name}.pub").code == 0
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_needs_no_sound_settings_is_told_beside_values_that_cannot_be_used(home: Path) -> None:
    edit(home / "federation.yaml", "quorum: all", "quorum: 5")
    edit(home / "federation.yaml", "rounds: 20", "rounds: 0")
    (home / "keys" / "server.key").chmod(0o644)
    error = refused("check")
    assert "federation.yaml:18, quorum: the quorum is above the number of sites (got 5; expected at most 2" in error
    assert "horizon.rounds" in error
    assert "server.key: others can read the private key" in error


def test_a_request_under_another_name_has_a_remedy(home: Path) -> None:
    for words in (("enroll", "east", "north.pub"), ("rotate-key", "north", "south.pub")):
        assert "If this is the right file, say " in refused(*words)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("remove", "nort"), "Did you mean 'north'?"),
        (("revoke", "nort"), "Did you mean 'north'?"),
        (("replace", "nort", "north.pub"), "The file is of north: `aggregator replace north north.pub`"),
    ],
    ids=["remove", "revoke", "replace"],
)
def test_an_unknown_site_has_a_remedy(home: Path, command: tuple[str, ...], said: str) -> None:
    assert said in refused(*command)


def test_a_site_that_stands_twice_in_the_roster_is_named(home: Path) -> None:
    roster = json.loads((home / "roster.json").read_text())
    roster["members"].append(roster["members"][0])
    (home / "roster.json").write_text(json.dumps(roster))
    assert "members.2: a site stands twice in the roster (got north; expected each site once)" in refused("check")


@pytest.mark.parametrize("command", [("check",), ("invite",), ("status",)])
def test_a_study_in_the_place_of_the_federation_file_is_one_problem(home: Path, command: tuple[str, ...]) -> None:
    shutil.copy(home / "study.yaml", home / "other.yaml")
    error = refused(*command, "--config", "other.yaml")
    assert error.startswith("error: other.yaml: this is a study, not a federation file (got a study; ")
    assert "expected a file with the keys federation, address, horizon). Name the federation file here" in error
    assert len(error.splitlines()) == 1


def test_commands_before_the_first_round_say_how_to_begin(home: Path) -> None:
    for words in (("status",), ("undo", "1"), ("end",), ("end", "--yes"), ("reopen",)):
        assert "Begin it with `aggregator --config federation.yaml`" in refused(*words)


@pytest.mark.parametrize("command", ["end", "end --yes", "enroll north north.pub", "sites", "status", "undo 1"])
def test_outside_a_federation_s_folder_the_folder_is_told(home: Path, command: str) -> None:
    (home / "federation.yaml").unlink()
    error = refused(*command.split())
    assert f"there is no federation here (got no federation.yaml in the folder {home};" in error
    assert "`--config FOLDER/federation.yaml`" in error


def test_a_new_run_says_what_sites_need_before_they_can_take_part() -> None:
    assert "`aggregator invite`" in sentence(Entry("", Event.RUN_STARTED, {"plan": "0" * 64}))


@pytest.mark.parametrize("address", ["0.0.0.0:9443", "[::]:9443", "255.255.255.255:9443"])
def test_an_address_that_no_site_can_call_is_refused_wherever_it_is_written(home: Path, address: str) -> None:
    words = ("--name", "f", "--study", "study.yaml", "--address", address, "--folder", "another")
    assert "--address: this is not the address of one machine, so no site can call it" in refused("init", *words)
    assert not (home / "another").exists()
    edit(home / "federation.yaml", '"127.0.0.1:9443"', f'"{address}"')
    for command in (("check",), ("invite",), ("--config", "federation.yaml")):
        assert "address: this is not the address of one machine" in refused(*command)
    assert not (home / "invitation.json").exists()


def test_a_machine_may_listen_at_every_address(home: Path) -> None:
    edit(home / "federation.yaml", '"[::]:9443"', '"0.0.0.0:9443"')
    outcome = aggregator("check")
    assert outcome.code == 0
    assert "127.0.0.1:9443 (sites on this machine only), listening on 0.0.0.0:9443" in outcome.out


def test_an_address_of_the_machine_itself_is_noted_at_the_beginning(home: Path) -> None:
    words = ("--name", "f", "--study", "study.yaml", "--folder", "another", "--address")
    outcome = aggregator("init", *words, "localhost:9443")
    assert outcome.code == 0
    assert "localhost:9443 is this machine alone" in outcome.out
    outcome = aggregator("init", *words[:-2], "third", "--address", "fl.example.org:9443")
    assert outcome.code == 0
    assert "this machine alone" not in outcome.out


@pytest.mark.parametrize("command", [("check",), ("invite",), ("status",), ()])
@pytest.mark.parametrize(
    ("name", "content", "called"),
    [
        ("site.yaml", "schema: 1\nname: north\nmanifest: data.csv\n", "a site file"),
        ("policy.yaml", "schema: 1\nminimum_train_cases: 5\n", "a policy"),
        ("invitation.json", '{"invitation": {}, "signature": ""}', "an invitation"),
        ("north.pub", None, "a site's enrolment request"),
        ("roster.json", None, "a roster"),
    ],
    ids=["site", "policy", "invitation", "request", "roster"],
)
def test_another_file_as_config_is_called_what_it_is(
    home: Path, command: tuple[str, ...], name: str, content: str | None, called: str
) -> None:
    """It may lie in a hospital's folder, where keys and roster of a federation are not missed."""
    folder = home / "north"
    (folder / "keys").mkdir(parents=True)
    (folder / name).write_text(content if content is not None else (home / name).read_text())
    error = refused(*command, "--config", folder / name)
    assert f"{name}: this is {called}, not a federation file" in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('study: "study.yaml"', "study: ~/study.yaml", "study: `~` means nothing here: write the whole path"),
        ('study: "study.yaml"', "study: $HOME/study.yaml", "study: variables of a shell mean nothing here"),
        ("keys: keys", "keys: ~it/keys", "folders.keys: `~` means nothing here"),
        ("# initial: model ", "initial: ${MODEL}/last ", "initial: variables of a shell mean nothing here"),
    ],
    ids=["home", "variable", "home of another", "variable amid"],
)
def test_a_path_of_the_federation_file_stands_for_itself(home: Path, old: str, new: str, said: str) -> None:
    edit(home / "federation.yaml", old, new)
    error = refused("check")
    assert said in error
    assert error.count("error: ") == 1, error
