"""What a site's commands write is its user's alone, whatever the umask: nobody else reads it, nobody changes it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.site_client.support import Site, a_study, allow_few, invitation_for, quicken, write_cohort
from tests.support.certificates import write_certificates
from wardround.engine.cli.runner import ExitCode
from wardround.engine.study import load_study
from wardround.federation.identities import CoordinatorKey, EnrolmentRequest, Roster
from wardround.federation.invitation import save_invitation
from wardround.site_client import cli

FOR_ALL_TO_READ = {"site.yaml", "policy.yaml", "accepted.json", "rotations.json"}
"""Settings; beside them the requests (`.pub`), which are sent to the coordinator, and copies of what was accepted."""


def open_to_others(root: Path, made_before: frozenset[Path] = frozenset()) -> list[str]:
    """Files and folders under `root` that others can read, or, where that is no harm, change."""
    found = []
    for path in sorted(root.rglob("*")):
        if path in made_before or path.is_symlink():
            continue
        readable = path.name in FOR_ALL_TO_READ or path.suffix == ".pub" or path.parent.name == "accepted-history"
        forbidden = 0o022 if readable and path.is_file() else 0o077
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & forbidden:
            found.append(f"{path.relative_to(root)} {mode:04o}")
    return found


@contextmanager
def open_handed() -> Iterator[None]:
    """A user to whose new files everybody has access."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


def _command(*words: str) -> None:
    with open_handed(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["site-client", *words])
        assert cli.main() == ExitCode.OK, words


def _invited(folder: Path) -> Path:
    request = EnrolmentRequest.load(folder / "north.pub")
    coordinator = CoordinatorKey.create(folder.parent / "coordinator")
    authority = write_certificates(folder.parent / "tls").ca.read_text()
    invitation = invitation_for(coordinator, Roster.of((request.member,)), ca_pem=authority)
    save_invitation(folder.parent / "invitation.json", invitation, coordinator)
    return folder.parent / "invitation.json"


def test_every_command_keeps_what_it_writes_to_its_user(tmp_path: Path) -> None:
    """One after the other in one folder, as a hospital's staff uses them, until a model was trained."""
    folder = tmp_path / "north"
    _command("init", "--name", "north", "--manifest", str(folder / "data.csv"), "--later", "--folder", str(folder))
    assert open_to_others(folder) == []
    assert stat.S_IMODE(folder.stat().st_mode) & 0o077 == 0
    quicken(folder / "site.yaml")
    allow_few(folder / "policy.yaml")
    write_cohort(Site(folder, CoordinatorKey.create(tmp_path / "other"), None))  # type: ignore[arg-type]
    theirs = frozenset(folder.rglob("*")) - {folder / name for name in ("site.yaml", "policy.yaml")}
    config = ("--config", str(folder / "site.yaml"))
    for words in (
        ("accept", str(_invited(folder)), "--yes", *config),
        ("check", "--offline", *config),
        ("status", *config),
        ("log", *config),
        (*config, "--local"),
        ("rotate-keys", *config),
        ("status", *config),
    ):
        _command(*words)
        assert open_to_others(folder, theirs - set((folder / "keys").rglob("*"))) == [], words
    made = {path.suffix for path in (folder / "work").rglob("*") if path.is_file()}
    assert {".safetensors", ".npy", ".json", ".html", ".png", ".csv"} <= made, "there is something to look at"
    (model,) = (folder / "work" / "local").rglob("model.safetensors")
    assert load_study(model.parent / "study.yaml") == a_study(), "without a study file the accepted one is trained"
