"""`aggregator --config`: what a start binds, and what it refuses."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aggregator.home import aggregator, make_home, request, rewrite
from tests.support.studies import SEGMENTATION, changed, write_study
from wardround.aggregator.coordination import load_coordination
from wardround.aggregator.rounds.records import RoundOrder
from wardround.aggregator.rounds.state import StateFolder
from wardround.federation.protocol import Stage
from wardround.lab.processes import free_port


@pytest.fixture(autouse=True)
def _flower_is_prepared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wardround.aggregator.run.transport.prepare", lambda home, chunk: None)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


def spoil(config: Path, way: str, taken: int) -> None:
    """Make a start fail in one of many ways."""
    keys = config.parent / "keys"
    if way in ("port", "address"):
        listen = f"127.0.0.1:{taken}" if way == "port" else "203.0.113.7:9443"
        config.write_text(re.sub(r"(?m)^listen: \S+", f'listen: "{listen}"', config.read_text()))
    elif way == "health":
        rewrite(config, "# health_port: 9444", f"health_port: {taken}")
    else:
        (keys / "server.key").write_bytes(b"no key")
        (keys / "server.key").chmod(0o600)


@pytest.mark.parametrize("way", ["port", "address", "health", "certificate"])
def test_a_start_that_comes_to_nothing_binds_nobody(tmp_path: Path, taken: int, way: str) -> None:
    config = make_home(tmp_path, free_port())
    spoil(config, way, taken)
    assert aggregator("--config", config).code == 2
    assert not (tmp_path / "state" / "plan.json").exists()
    status = aggregator("status", "--config", config)
    assert (status.code, "has not been run yet" in status.err) == (2, True)


def begun(config: Path) -> StateFolder:
    """The state of a run whose first round has begun."""
    found = load_coordination(config)
    state = StateFolder(found.folders.state)
    state.pin(found.plan, found.study, found.roster)
    state.round(1).begin(
        RoundOrder(round=1, stage=Stage.TRAIN, base="0" * 64, state="0" * 64, sites=found.roster.names)
    )
    return state


CHANGES = {
    "rounds 3 -> 5": ("rounds: 3", "rounds: 5"),
    "local_steps 7 -> 9": ("local_steps: 7", "local_steps: 9"),
    "federation brains -> hearts": ('federation: "brains"', "federation: hearts"),
    "fold ": ("fold: 0 ", "fold: 1 "),
}


@pytest.mark.parametrize("said", CHANGES)
def test_a_run_that_has_begun_refuses_another_plan_and_says_what_differs(tmp_path: Path, said: str) -> None:
    config = make_home(tmp_path, free_port())
    begun(config)
    rewrite(config, *CHANGES[said])
    outcome = aggregator("--config", config)
    assert outcome.code == 2
    assert said in outcome.err


def test_it_says_who_was_added_and_what_changed_in_the_study(tmp_path: Path) -> None:
    config = make_home(tmp_path, free_port())
    state = begun(config)
    assert aggregator("enroll", "west", request(tmp_path, "west"), "--config", config).code == 0
    write_study(tmp_path / "study.yaml", changed(SEGMENTATION, seed=43))
    outcome = aggregator("--config", config)
    assert outcome.code == 2
    assert "west was added" in outcome.err
    assert "study seed 42 -> 43" in outcome.err
    assert load_coordination(config).plan.roster not in outcome.err
    # The state of release 0.1.0 has no roster, but the names in its first order.
    (state.root / "roster.json").unlink()
    assert "west was added" in aggregator("--config", config).err


def test_until_a_first_round_has_begun_another_plan_takes_the_place(tmp_path: Path) -> None:
    config = make_home(tmp_path, free_port())
    found = load_coordination(config)
    state = StateFolder(found.folders.state)
    state.pin(found.plan, found.study, found.roster)
    rewrite(config, "rounds: 3", "rounds: 5")
    other = load_coordination(config)
    state.pin(other.plan, other.study, other.roster)
    assert state.pinned() == other.plan


def test_an_address_of_ipv6_is_shown_as_one_is_written(tmp_path: Path) -> None:
    config = make_home(tmp_path, free_port())
    rewrite(config, "listen: ", 'listen: "[::]:9555"  # ')
    assert "listening on [::]:9555" in aggregator("check", "--config", config).out
