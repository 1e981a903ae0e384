"""A site whose installed package fails: found before it accepts or starts, named in its log, and one word outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.site_client import support
from tests.site_client.asking import CANARIES, ready
from tests.site_client.support import FakeEngine, Site, base_model, build_site, working_site, write_cohort
from tests.support.failing_parts import PACKAGE
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.runner import ExitCode, run
from wardround.engine.parts import Owner
from wardround.federation.protocol import RefusalCode, Refused, Stage
from wardround.site_client.cli import app
from wardround.site_client.events import Role
from wardround.site_client.setup.acceptance import open_offer

NAMED = f"study blobs, training.loss: the loss 'bad_loss', of the package {PACKAGE}, does not give what it must"


@pytest.fixture
def site(tmp_path: Path, package: None) -> Site:
    """A site whose study names a loss that fails."""
    study = support.STUDY.replace("loss: dice_ce", "loss: {bad_loss: {how: scalar}}")
    site = build_site(tmp_path / "site", study=study)
    write_cohort(site)
    return site


def _check(site: Site, *more: str) -> int:
    return run(app, ["check", "--config", str(site.config), "--offline", *more])


def test_a_check_names_the_package(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert _check(site) == ExitCode.BAD_INPUT
    told = capsys.readouterr()
    assert NAMED in told.err
    assert "BAD  parts: the loss 'bad_loss'" in told.out
    assert "Traceback" not in told.err
    assert _check(site, "--json") == ExitCode.BAD_INPUT
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert problems[0]["where"] == "study blobs, training.loss"
    assert "traceback" not in problems[0]


def test_a_sound_site_says_that_its_parts_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = build_site(tmp_path / "site")
    write_cohort(site)
    _check(site)
    assert "ok   parts: each part of the study worked once" in capsys.readouterr().out


def test_an_invitation_is_not_accepted_whose_parts_fail_here(site: Site) -> None:
    with pytest.raises(InputError) as raised:
        open_offer(site.folder / "invitation.json", site.config)
    assert NAMED in str(raised.value)


def test_the_log_names_the_package_and_the_aggregator_hears_one_word(tmp_path: Path) -> None:
    site, owner = build_site(tmp_path / "site"), Owner("the loss 'bad_loss'", PACKAGE, "training.loss")
    try:
        raise KeyError(CANARIES[1])
    except KeyError as error:
        fault = owner.fault(error)
    engine, base = FakeEngine(error=InputError([fault])), base_model()
    with working_site(site, engine) as courier:
        task = site.task(Stage.TRAIN, 1, base, ready(site, courier).cohort)
        reply = _refused(site, courier, task, base)
    assert reply.code is RefusalCode.PART_FAILED
    sent = reply.model_dump_json()
    assert not [word for word in (*CANARIES, "my-parts", "KeyError", "bad_loss") if word in sent]
    logged = site.log_text(Role.WORKER)
    assert PACKAGE in logged
    assert "KeyError" in logged
    assert "test_failing_parts.py" in logged, "where it failed, for the package's author"


def _refused(site: Site, courier: support.Courier, task: support.Task, base: bytes) -> Refused:
    for _ in range(200):
        reply, payload = site.open(courier.handle(site.sealed(task, base)))
        if isinstance(reply, Refused):
            assert payload == b""
            return reply
    raise AssertionError("nothing was refused")
