"""A new coordinator's key: what a killed change leaves, and several changes in a row."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.aggregator.home import aggregator, make_home
from wardround.aggregator.coordination import load_coordination
from wardround.aggregator.invite import rotate_coordinator
from wardround.federation.invitation import Invitation, load_invitation

KILLED = 9
WRITES = 3
"""The former key aside, its word for the new one, the new key."""


def _killed_at(config: Path, write: int) -> None:
    """Change the key in a process of its own, which dies as it is about to put a file in place."""
    coordination = load_coordination(config)
    child = os.fork()
    if child == 0:
        done, move = 0, Path.replace

        def cut(path: Path, target: Path) -> Path:
            nonlocal done
            if done == write:
                os._exit(KILLED)
            done += 1
            return move(path, target)

        Path.replace = cut  # type: ignore[method-assign, assignment]
        try:
            rotate_coordinator(coordination)
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED


def _invitation(config: Path) -> Invitation:
    path = config.parent / "invitation.json"
    assert aggregator("invite", "--out", path, "--config", config).code == 0
    return load_invitation(path)


def _public(config: Path) -> str:
    return load_coordination(config).key.public


def _strays(config: Path) -> list[str]:
    """What lies among the keys, and is no file that a change which was not disturbed leaves."""
    keys = config.parent / "keys"
    usual = {"ca.key", "ca.pem", "coordinator.key", "server.key", "server.pem", "succession.json", "former"}
    former = set((keys / "former").glob("coordinator-*.key"))
    return [str(path) for path in keys.rglob("*") if path not in former and path.name not in usual]


@pytest.mark.parametrize("write", range(WRITES))
def test_a_killed_change_leaves_the_key_that_was_and_nothing_after_the_next(tmp_path: Path, write: int) -> None:
    config = make_home(tmp_path, 9443)
    before = _public(config)
    _killed_at(config, write)
    assert _public(config) == before
    assert all(Path(stray).name.endswith(".tmp") for stray in _strays(config))
    assert aggregator("rotate-coordinator-key", "--config", config).code == 0
    assert not _strays(config)
    succession = _invitation(config).succession
    assert succession is not None
    assert succession.leads(before, _public(config))


def test_every_key_that_the_sites_may_have_accepted_leads_to_the_present_one(tmp_path: Path) -> None:
    config, known = make_home(tmp_path, 9443), []
    for killed in (False, True, False):
        known.append(_public(config))
        if killed:
            _killed_at(config, WRITES - 1)  # with its word written, and the key not
            interrupted = _invitation(config).succession
            assert interrupted is not None
            assert interrupted.leads(known[0], known[1])
        assert aggregator("rotate-coordinator-key", "--config", config).code == 0
    succession, present = _invitation(config).succession, _public(config)
    assert succession is not None
    assert [succession.leads(key, present) for key in (*known, present)] == [True, True, True, False]
