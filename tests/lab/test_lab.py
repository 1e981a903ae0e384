"""The lab: real processes on loopback that found a federation, run it and end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wardround.demo.demo import STUDY
from wardround.demo.hospitals import Cases, make_hospitals
from wardround.engine.basics.problems import InputError
from wardround.engine.basics.progress import Silent
from wardround.engine.experiments import load_model
from wardround.engine.study import load_study
from wardround.federation.protocol import Horizon
from wardround.lab.lab import Lab, LabSettings
from wardround.site_client.agreement.agreement import load_agreement
from wardround.site_client.agreement.settings import load_settings
from wardround.site_client.events import Role

HORIZON = Horizon(rounds=1, local_steps=1)


@pytest.fixture(scope="module")
def manifests(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Three hospitals with one case of each kind at 6 mm."""
    return dict(make_hospitals(tmp_path_factory.mktemp("hospitals"), Cases(1, 1, 1), Silent(), spacing=6))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's study on a 6 mm grid, with small patches."""
    text = STUDY.read_text().replace("[3.0, 3.0, 3.0]", "[6.0, 6.0, 6.0]").replace("[32, 32, 32]", "[16, 16, 16]")
    path = tmp_path_factory.mktemp("study") / "study.yaml"
    path.write_text(text)
    return path


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.timeout(900)
def test_a_federation_runs_from_invitation_to_model_and_leaves_no_process(
    tmp_path: Path, study: Path, manifests: dict[str, Path]
) -> None:
    two = {name: manifests[name] for name in ("harbour", "meadow")}
    with Lab(tmp_path / "lab", study, two, HORIZON, LabSettings(policy={"minimum_train_cases": 1})) as lab:
        lab.prepare()
        for name in two:
            settings = load_settings(lab.site_file(name))
            assert (settings.threads, settings.device) == (1, "cpu")
            assert load_agreement(settings.accepted).plan.horizon == HORIZON
        lab.start(watched=tmp_path / "watched.log")
        assert lab.wait_finished(800) == 0, (tmp_path / "watched.log").read_text()
        pids = [pid for name in two for pid in lab.pids(name).values()]
        assert set(lab.pids("harbour")) == set(Role)
    assert len(pids) == 6
    assert not any(_alive(pid) for pid in pids)
    assert load_model(lab.best_model).study == load_study(study)
    assert "round 1" in (tmp_path / "watched.log").read_text()


def test_what_a_command_refuses_is_told_in_its_words(tmp_path: Path, study: Path, manifests: dict[str, Path]) -> None:
    forbidding = LabSettings(policy={"maximum_rounds": 1})
    lab = Lab(tmp_path / "lab", study, {"harbour": manifests["harbour"]}, Horizon(rounds=2, local_steps=1), forbidding)
    with pytest.raises(InputError, match=r"(?s)accept failed with exit code 2.*more rounds than the policy"):
        lab.prepare()


def test_waiting_for_an_aggregator_that_was_not_started_is_a_mistake(tmp_path: Path, study: Path) -> None:
    with Lab(tmp_path, study, {}, HORIZON) as lab, pytest.raises(RuntimeError, match="not started"):
        lab.wait_finished()
