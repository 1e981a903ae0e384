"""What a plan takes of a site is said before anybody says yes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.site_client.support import ROUNDS, Site, build_site, write_cohort
from wardround.engine.cli.runner import ExitCode, run
from wardround.engine.networks import build_network
from wardround.engine.study import Study
from wardround.federation.protocol import Checks, Leaves
from wardround.site_client.between.two_users import FOR_TWO
from wardround.site_client.cli import app
from wardround.site_client.setup.costs import Costs, measure


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = build_site(tmp_path / "site")
    site.settings.accepted.unlink()
    return site


def _accept(site: Site, *more: str) -> int:
    return run(app, ["accept", str(site.folder / "invitation.json"), "--config", str(site.config), *more])


def test_hours_line_and_disk_stand_before_the_question(
    site: Site, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_cohort(site)
    asked: list[str] = []

    def confirm(question: str) -> bool:
        asked.append(capsys.readouterr().out)
        return False

    monkeypatch.setattr("typer.confirm", confirm)
    assert _accept(site) == ExitCode.INCOMPLETE
    for part in ("Time         about", "cases", "Network      about", "Disk         about", "Privacy", "coordinator"):
        assert part in asked[0]
    assert not site.settings.accepted.exists()


def test_for_programs_nothing_is_accepted_without_yes(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    write_cohort(site)
    assert _accept(site, "--json") == ExitCode.INCOMPLETE
    found = json.loads(capsys.readouterr().out)
    model = sum(each.numel() * each.element_size() for each in build_network(site_study(site)).state_dict().values())
    costs = found["costs"]
    assert (costs["bytes_up_per_round"], costs["bytes_in_all"]) == (model, (2 * ROUNDS + 1) * model)
    assert sum(costs["cases"].values()) == 9
    assert costs["hours"] >= 0
    assert costs["disk_bytes"] > model
    assert (found["accepted"], found["test_cases_scored"], found["differential_privacy"]) == (None, True, None)
    assert not site.settings.accepted.exists()
    assert _accept(site, "--json", "--yes") == ExitCode.OK
    assert json.loads(capsys.readouterr().out)["accepted"] == str(site.settings.accepted)
    assert site.settings.accepted.exists()


def test_cases_that_cannot_be_used_leave_the_line_known(site: Site) -> None:
    costs = measure(site.settings, site_study(site), site.invitation.plan)
    assert costs.down is not None
    assert costs.seconds is None
    assert "Time         cannot be told: there is no such table" in "\n".join(costs.lines())


def test_what_a_strategy_sends_beside_the_weights_is_counted(tmp_path: Path) -> None:
    plain, other = (build_site(tmp_path / name, strategy=name) for name in ("fedavg", "scaffold"))
    weights, more = (measure(each.settings, site_study(each), each.invitation.plan) for each in (plain, other))
    plan = other.invitation.plan
    assert (weights.down, weights.up) == (weights.up, weights.down)
    assert weights.down is not None
    assert more.down is not None
    assert more.up is not None
    assert 1.5 * weights.down < more.down <= 2 * weights.down
    assert more.moved == plan.rounds * (more.down + more.up) + more.down


def test_test_cases_and_rounds_without_scores_take_less_time(site: Site) -> None:
    """What is measured is the same up to the noise of a few steps; the sums are what differs."""
    write_cohort(site)
    plan = site.invitation.plan
    quiet = plan.model_copy(update={"validation": Checks(every=ROUNDS, max_cases=1), "leaves": Leaves(test=False)})
    full, less = (measure(site.settings, site_study(site), each) for each in (plan, quiet))
    assert (full.cases, full.disk) == (less.cases, less.disk)
    assert full.seconds is not None
    assert less.seconds is not None


def test_the_words_are_honest() -> None:
    costs = Costs(10**9, 10**9, 7 * 10**9, 5 * 10**9, 3.2 * 3600, (80, 10, 10))
    time, line, disk = costs.lines()
    assert "about 3.2 h" in time
    assert "as measured just now" in time
    assert line == "Network      about 1 GB down and 1 GB up in each round, 7 GB in all"
    assert "about 5 GB" in disk
    assert "about 3 s of" in replace(costs, seconds=3.0).lines()[0]


def site_study(site: Site) -> Study:
    """The invitation's study."""
    return site.invitation.open_study()


def test_where_two_users_work_nothing_is_left_that_the_worker_cannot_use(site: Site) -> None:
    write_cohort(site)
    work = site.settings.work
    work.mkdir(exist_ok=True)
    work.chmod(FOR_TWO)
    before = sorted(work.rglob("*"))
    assert measure(site.settings, site_study(site), site.invitation.plan).seconds is not None
    assert sorted(work.rglob("*")) == before
