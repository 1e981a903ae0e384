"""A plan that says with which model it begins: the staff is shown it, and the site takes no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.site_client.asking import ready, refusal, until
from tests.site_client.support import FakeEngine, Site, base_model, build_site, working_site
from wardround.engine.basics.canonical import sha256_hex
from wardround.engine.cli.runner import ExitCode, run
from wardround.federation.invitation import save_invitation
from wardround.federation.payload import payload_digest
from wardround.federation.protocol import Continuation, Done, RefusalCode, Stage
from wardround.site_client.cli import app
from wardround.site_client.events import Role

COHORT = FakeEngine().cohort.digest
GIVEN, OTHER = base_model(1), base_model(2)
BEFORE = sha256_hex(b"the plan before")
PLANS = {
    "given": {"initial": payload_digest(GIVEN)},
    "carried on": {"after": Continuation(plan=BEFORE, rounds=1, model=payload_digest(GIVEN))},
    "given, then carried on": {
        "initial": payload_digest(OTHER),
        "after": Continuation(plan=BEFORE, rounds=1, model=payload_digest(GIVEN)),
    },
}


@pytest.fixture(params=PLANS)
def site(request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Site:
    """A site whose staff has accepted a plan that begins with the given model."""
    first = build_site(tmp_path / "site")
    plan = first.invitation.plan.model_copy(update=PLANS[request.param])
    invitation = first.invitation.model_copy(update={"plan": plan})
    offered = first.folder / "invitation.json"
    save_invitation(offered, invitation, first.coordinator)
    assert run(app, ["accept", str(offered), "--config", str(first.config), "--yes"]) == ExitCode.OK
    said, model = capsys.readouterr().out, payload_digest(GIVEN)[:16]
    if plan.after is None:
        assert f"Begins with  the given model {model}" in said
    else:
        assert f"Carries on   after 1 round of plan {BEFORE[:16]}, from model {model}" in said
    return Site(first.folder, first.coordinator, invitation)


def test_the_first_round_begins_with_the_model_of_the_plan_and_no_other(site: Site) -> None:
    first = site.invitation.plan.first_round
    engine = FakeEngine()
    with working_site(site, engine) as courier:
        ready(site, courier)
        wrong = site.task(Stage.TRAIN, first, OTHER, COHORT)
        for payload in (b"", OTHER):
            assert refusal(site, courier, site.sealed(wrong, payload)) is RefusalCode.BEYOND_AGREEMENT
        assert "begins with another model than the plan says" in site.log_text(Role.COURIER)
        assert not engine.calls
        until(site, courier, site.task(Stage.TRAIN, first, GIVEN, COHORT), GIVEN, Done)
        later = site.task(Stage.TRAIN, first + 1, OTHER, COHORT)
        until(site, courier, later, OTHER, Done)


def test_rounds_of_the_plan_before_are_not_done_under_this_one(site: Site) -> None:
    with working_site(site, FakeEngine()) as courier:
        ready(site, courier)
        before = site.task(Stage.TRAIN, site.invitation.plan.first_round - 1, GIVEN, COHORT)
        assert refusal(site, courier, site.sealed(before, GIVEN)) is RefusalCode.HORIZON_NOT_ACCEPTED
