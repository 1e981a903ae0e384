"""`check` and a start hold what is here against the invitation that lies beside it, and say every way on."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.aggregator.home import aggregator, make_home, request, rewrite
from wardround.aggregator.coordination import load_coordination
from wardround.aggregator.rounds.records import RoundOrder
from wardround.aggregator.rounds.state import StateFolder
from wardround.federation.protocol import Stage


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A federation that has invited its sites."""
    path = make_home(tmp_path / "federation", 9443)
    invite(path)
    return path


def invite(config: Path) -> None:
    assert aggregator("invite", "--out", config.parent / "invitation.json", "--config", config).code == 0


def begin(config: Path) -> None:
    """A run's first round has begun."""
    found = load_coordination(config)
    state = StateFolder(found.folders.state)
    state.pin(found.plan, found.study, found.roster)
    order = RoundOrder(round=1, stage=Stage.TRAIN, base="0" * 64, state="0" * 64, sites=found.roster.names)
    state.round(1).begin(order)


def change_study(config: Path) -> None:
    path = config.parent / "study.yaml"
    path.write_text(
        re.sub(r"seed: \d+", "seed: 4321", path.read_text()) + ("" if "seed:" in path.read_text() else "seed: 4321\n")
    )


def add_a_site(config: Path) -> None:
    words = ("west", request(config.parent, "west"), "--config", config)
    assert aggregator("enroll", *words).code == 0


def remove_a_site(config: Path) -> None:
    assert aggregator("remove", "south", "--config", config).code == 0


CHANGES = {
    "study": (change_study, "study seed "),
    "rounds": (lambda config: rewrite(config, "rounds: 3", "rounds: 5"), "rounds 3 -> 5"),
    "weights": (lambda config: rewrite(config, "{by: cases}", "{by: equal}"), "equal"),
    "a site more": (add_a_site, "west was added"),
    "a site less": (remove_a_site, "south was removed"),
    "name": (lambda config: rewrite(config, '"brains"', "hearts"), "federation brains -> hearts"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_after_the_invitation_is_named_before_anything_is_made(config: Path, what: str) -> None:
    change, said = CHANGES[what]
    change(config)
    for words in (("check",), ()):
        outcome = aggregator(*words, "--config", config)
        assert outcome.code == 2
        assert outcome.err.count("error: ") == 1, outcome.err
        for part in ("invitation.json: the sites were invited to another plan than this one", said, "Undo the change"):
            assert part in outcome.err
    assert not (config.parent / "state").exists()


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_that_is_meant_is_invited_again(config: Path, what: str) -> None:
    CHANGES[what][0](config)
    invite(config)
    assert aggregator("check", "--config", config).code == 0


@pytest.mark.parametrize("what", ["study", "rounds", "a site less"])
def test_once_a_run_has_begun_check_names_the_ways_on_of_a_run(config: Path, what: str) -> None:
    change, said = CHANGES[what]
    begin(config)
    assert aggregator("check", "--config", config).code == 0
    change(config)
    outcome = aggregator("check", "--config", config)
    assert outcome.code == 2
    assert outcome.err.count("error: ") == 1, outcome.err
    for part in ("the run that has begun here has another plan", said, "`aggregator continue`"):
        assert part in outcome.err


def test_a_training_is_carried_on_wherever_its_invitation_was_written(config: Path, tmp_path: Path) -> None:
    begin(config)
    words = ("continue", "--rounds", 5, "--out", tmp_path / "elsewhere.json", "--config", config)
    assert aggregator(*words).code == 0
    outcome = aggregator("check", "--config", config)
    assert outcome.code == 0, outcome.err


def test_an_invitation_of_another_day_is_only_noted_beside_a_run_that_has_begun(config: Path) -> None:
    begin(config)
    rewrite(config, "rounds: 3", "rounds: 5")
    invite(config)
    rewrite(config, "rounds: 5", "rounds: 3")
    outcome = aggregator("check", "--config", config)
    assert outcome.code == 0
    assert "rounds 5 -> 3" in outcome.out


def test_keys_of_another_federation_are_not_those_that_the_sites_accepted(config: Path, tmp_path: Path) -> None:
    other = make_home(tmp_path / "other", 9443, names=())
    shutil.rmtree(config.parent / "keys")
    shutil.copytree(other.parent / "keys", config.parent / "keys")
    outcome = aggregator("check", "--config", config)
    assert outcome.code == 2
    assert "invited to trust another authority" in outcome.err
    assert "invited by another coordinator's key" in outcome.err
    begin(config)
    assert "invited to trust another authority" in aggregator("check", "--config", config).err
    invite(config)
    assert aggregator("check", "--config", config).code == 0


def test_a_new_coordinators_key_is_invited_with(config: Path) -> None:
    assert aggregator("rotate-coordinator-key", "--config", config).code == 0
    outcome = aggregator("check", "--config", config)
    assert outcome.code == 2
    assert "`aggregator invite`" in outcome.err
    invite(config)
    assert aggregator("check", "--config", config).code == 0


def test_another_address_is_noted_since_a_site_may_write_its_own(config: Path) -> None:
    config.write_text(config.read_text().replace("127.0.0.1:9443", "fed.example.org:9443"))
    assert aggregator("certificate", "--config", config).code == 0
    outcome = aggregator("check", "--config", config)
    assert outcome.code == 0
    assert "names the address 127.0.0.1:9443, the federation file fed.example.org:9443" in outcome.out


def test_an_invitation_that_was_spoiled_is_noted(config: Path) -> None:
    path = config.parent / "invitation.json"
    path.write_text(path.read_text()[:400])
    outcome = aggregator("check", "--config", config)
    assert outcome.code == 0
    assert "no site could accept it" in outcome.out
