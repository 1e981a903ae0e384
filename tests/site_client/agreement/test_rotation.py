"""New keys of a site and of its coordinator in a run that has begun: plan, work keys and finished work stay."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from tests.site_client.asking import ask, ready, until
from tests.site_client.support import FakeEngine, Site, base_model, build_site, courier_of, working_site
from tests.support.commands import run_wardround
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.runner import ExitCode, run
from wardround.federation.identities import CoordinatorKey, SiteKeys, fingerprint
from wardround.federation.invitation import Invitation, save_invitation
from wardround.federation.protocol import Done, Missing, RefusalCode, Refused, Stage
from wardround.federation.succession import CoordinatorSuccession, Rotation, Rotations, read_rotation
from wardround.site_client.agreement.agreement import check_membership
from wardround.site_client.agreement.rotation import rotate_keys
from wardround.site_client.cli import app


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return build_site(tmp_path / "site")


def _check(site: Site) -> None:
    check_membership(site.settings, site.keys, site.agreement)


def test_the_present_keys_sign_the_new_ones_and_are_kept_aside(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    before = site.keys
    for _ in range(3):
        former = site.keys
        assert run(app, ["rotate-keys", "--config", str(site.config)]) == ExitCode.OK
        rotation = read_rotation(site.folder / "north-new-keys.pub")
        assert rotation is not None
        assert (rotation.former, rotation.member.signing_key) == (former.signing_public, site.keys.signing_public)
        assert rotation.member.transport_key == site.keys.transport_public != former.transport_public
        assert fingerprint(site.keys.signing_public) in capsys.readouterr().out
        _check(site)
    kept = SiteKeys.load(site.settings.keys / "former" / before.signing_public[:16])
    assert kept.signing_public == before.signing_public
    modes = {path.stat().st_mode & 0o777 for path in site.settings.keys.rglob("*.key")}
    assert modes == {0o600}


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_an_interrupted_rotation_is_finished(site: Site, monkeypatch: pytest.MonkeyPatch, moves: int) -> None:
    """Cut off after so many of the two keys were moved into place."""
    done, move = 0, Path.replace

    def cut(path: Path, target: Path) -> Path:
        nonlocal done
        if path.parent.name == "next" and path.suffix == ".key":
            if done == moves:
                raise KeyboardInterrupt
            done += 1
        return move(path, target)

    monkeypatch.setattr(Path, "replace", cut)
    if moves < 2:
        with pytest.raises(KeyboardInterrupt):
            rotate_keys(site.settings)
    else:
        monkeypatch.setattr(Path, "rmdir", lambda path: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            rotate_keys(site.settings)
    monkeypatch.undo()
    made = rotate_keys(site.settings)
    assert made.fingerprint == fingerprint(site.keys.signing_public)
    assert len(Rotations.model_validate_json((site.settings.keys / "rotations.json").read_bytes()).rotations) == 1
    _check(site)


def test_keys_that_nobody_signed_are_not_this_sites(site: Site, tmp_path: Path) -> None:
    rotate_keys(site.settings)
    path = site.settings.keys / "rotations.json"
    content = json.loads(path.read_text())
    content["rotations"][0]["proof"] = "00" * 64
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="other keys for this site"):
        _check(site)
    stranger = SiteKeys.create(tmp_path / "stranger")
    forged = Rotation.create("north", stranger, site.keys)
    path.write_text(Rotations(rotations=(forged,)).model_dump_json())
    with pytest.raises(InputError, match="other keys for this site"):
        _check(site)
    os.unlink(path)
    with pytest.raises(InputError, match="other keys for this site"):
        _check(site)


def test_finished_work_is_answered_under_the_new_key(site: Site) -> None:
    base = base_model()
    with working_site(site, FakeEngine()) as courier:
        task = site.task(Stage.TRAIN, 1, base, ready(site, courier).cohort)
        first = until(site, courier, task, base, Done)
    rotate_keys(site.settings)
    # `Site.open` checks with the site's present key.
    with working_site(site, FakeEngine()) as courier:
        ready(site, courier)
        again = until(site, courier, replaced_ask(site, task), base, Done)
    assert isinstance(first, Done)
    assert isinstance(again, Done)
    assert (again.work_key, again.update) == (first.work_key, first.update)


def replaced_ask(site: Site, task):  # type: ignore[no-untyped-def]
    return task.model_copy(update={"ask": "ab" * 16})


def _accept_new_coordinator(site: Site, folder: Path) -> Site:
    key = CoordinatorKey.create(folder)
    values = {name: getattr(site.invitation, name) for name in Invitation.model_fields}
    succession = CoordinatorSuccession.create(site.coordinator, key)
    invitation = Invitation.model_validate(values | {"coordinator_key": key.public, "succession": succession})
    save_invitation(site.folder / "invitation.json", invitation, key)
    words = ["accept", str(site.folder / "invitation.json"), "--config", str(site.config), "--yes"]
    assert run(app, words) == ExitCode.BAD_INPUT
    assert run(app, [*words, "--fingerprint", fingerprint(key.public)]) == ExitCode.OK
    return replace(site, coordinator=key, invitation=invitation)


def test_a_run_goes_on_with_the_coordinators_new_key(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, engine = base_model(), FakeEngine()
    engine.gate.clear()
    with working_site(site, engine) as courier:
        task = site.task(Stage.TRAIN, 1, base, ready(site, courier).cohort)
        ask(site, courier, task, base)
    new = _accept_new_coordinator(site, tmp_path / "new")
    assert "former key has signed the new one" in capsys.readouterr().out
    assert new.agreement.plan == site.invitation.plan
    engine = FakeEngine()
    with working_site(new, engine) as courier:
        courier.sweep()
        reply, _ = ask(site, courier, task, base)  # signed by the former key
        assert isinstance(reply, Refused)
        assert reply.code is RefusalCode.BAD_SIGNATURE
        ready(new, courier)
        missing, _ = ask(new, courier, task)
        assert isinstance(missing, Missing)  # the task of the former key was forgotten; the same work is asked for anew
        done = until(new, courier, task, base, Done)
    assert isinstance(done, Done)
    assert done.work_key == task.work_key


def test_a_key_that_the_former_one_did_not_sign_is_pointed_out(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = CoordinatorKey.create(tmp_path / "new")
    stranger = CoordinatorKey.create(tmp_path / "stranger")
    values = {name: getattr(site.invitation, name) for name in Invitation.model_fields}
    for succession in (None, CoordinatorSuccession.create(stranger, key)):
        invitation = Invitation.model_validate(values | {"coordinator_key": key.public, "succession": succession})
        save_invitation(site.folder / "invitation.json", invitation, key)
        run(app, ["accept", str(site.folder / "invitation.json"), "--config", str(site.config), "--yes"])
        assert "has NOT signed the new one" in capsys.readouterr().out
    assert courier_of(site)


def _offered(site: Site, folder: Path, changes: int, *, forgotten: int = 0) -> str:
    """What `accept` shows when the coordinator's key has changed so often, and steps in the middle are missing."""
    key, succession = site.coordinator, None
    for number in range(changes):
        new = CoordinatorKey.create(folder / f"{number}")
        key, succession = new, CoordinatorSuccession.create(key, new, succession)
    assert succession is not None
    kept = succession.earlier[: len(succession.earlier) - forgotten]
    values = {name: getattr(site.invitation, name) for name in Invitation.model_fields}
    values |= {"coordinator_key": key.public, "succession": succession.model_copy(update={"earlier": kept})}
    save_invitation(site.folder / "invitation.json", Invitation.model_validate(values), key)
    outcome = run_wardround("accept", site.folder / "invitation.json", "--config", site.config, "--yes", app=app)
    assert outcome.code == ExitCode.BAD_INPUT
    assert fingerprint(key.public) in outcome.out + outcome.err
    return outcome.out


def test_a_site_that_was_away_for_several_changes_is_told_that_one_led_to_the_other(site: Site, tmp_path: Path) -> None:
    shown = _offered(site, tmp_path / "two", 2)
    assert "changed more than once" in shown
    assert "NOT signed" not in shown
    assert "changed more than once" in _offered(site, tmp_path / "five", 5)


def test_a_gap_in_the_succession_is_none(site: Site, tmp_path: Path) -> None:
    assert "NOT signed" in _offered(site, tmp_path / "gap", 3, forgotten=1)


def test_a_long_succession_keeps_its_latest_steps(site: Site, tmp_path: Path) -> None:
    keys = [CoordinatorKey.generate() for _ in range(104)]
    succession = None
    for former, new in pairwise(keys):
        succession = CoordinatorSuccession.create(former, new, succession)
    assert succession is not None
    assert CoordinatorSuccession.model_validate_json(succession.model_dump_json()) == succession
    assert not succession.leads(keys[0].public, keys[-1].public)
    assert succession.leads(keys[-101].public, keys[-1].public)
