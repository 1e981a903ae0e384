"""A real training is carried on with more rounds and other sites, and another begins with its model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.end_to_end.federation import AGGREGATOR, PATIENCE, SITES, Copy, Federation, Template, courier, worker
from tests.end_to_end.test_bad_input import false_aggregator
from tests.end_to_end.typed import accept_all, await_end, coordinator, done, hospital, invite_all, last_model, run_on
from tests.support.images import write_segmentation_cohort
from wardround.aggregator.journal import Event as Journal
from wardround.federation.identities import CoordinatorKey, SiteKeys
from wardround.federation.payload import pack, payload_digest
from wardround.federation.protocol import Horizon, RefusalCode, Refused, Stage, Task, work_key
from wardround.federation.sealing import open_reply, seal_task
from wardround.site_client.agreement.agreement import load_agreement
from wardround.site_client.events import Event

pytestmark = [pytest.mark.slow, pytest.mark.timeout(4 * PATIENCE)]


@pytest.fixture(scope="module")
def two_rounds(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """Two sites that have accepted two rounds of eight steps."""
    return Template.prepare(tmp_path_factory.mktemp("two") / "federation", SITES[:2], Horizon(rounds=2, local_steps=8))


def history(federation: Federation) -> list[tuple[int, str]]:
    """Rounds and global models in the run's history."""
    rows = (federation.lab.results / "history.jsonl").read_text().splitlines()
    return [(row["round"], row["model"]) for row in map(json.loads, rows)]


def comes(federation: Federation, site: str, folder: Path) -> Path:
    """A site is set up; its request to the coordinator."""
    manifest = write_segmentation_cohort(folder, cases=9, shape=(24, 28), seed=SITES.index(site))
    request = federation.lab.add_site(site, manifest)
    federation.reach_by(federation.port, [site])
    return request


def test_a_training_goes_on_with_more_rounds_a_site_that_joins_one_that_left_and_one_with_a_new_machine(
    two_rounds: Template, federation_of: Copy, tmp_path: Path
) -> None:
    federation = federation_of(two_rounds)
    federation.start()
    await_end(federation)
    before = history(federation)
    learned = last_model(federation)

    federation.lab.stop_site("north")
    shutil.move(federation.lab.site_folder("north"), tmp_path / "broken-machine")
    done(coordinator(federation, "replace", "north", comes(federation, "north", tmp_path / "north")))
    done(coordinator(federation, "enroll", "west", comes(federation, "west", tmp_path / "west")))
    done(coordinator(federation, "remove", "south"))
    invitation = federation.lab.coordinator / "invitation.json"
    said = done(coordinator(federation, "continue", "--rounds", "4", "--out", invitation))
    for line in ("rounds 2 -> 4", "west was added", "south was removed", "north has another signing key"):
        assert line in said

    del federation.lab.sites["south"]
    carries_on = f"Carries on   after 2 rounds of plan {before_plan(federation)}, from model {learned[:16]}"
    for site, shown in accept_all(federation).items():
        assert carries_on in shown, site
        federation.lab.start_site(site)
    run_on(federation)
    after = history(federation)
    assert after[: len(before)] == before, "nothing that was learned is lost"
    assert after[-1][0] == 4
    assert federation.said(AGGREGATOR, Journal.ROUND_STARTED, round=3)[-1].facts["base"] == learned
    assert [line.facts["round"] for line in federation.said(worker("west"), Event.TASK_CLAIMED)] == [3, 4, 5]
    for site in ("north", "west"):
        assert "the run is complete" in done(hospital(federation, site, "status"))
    federation.wait_for(courier("south"), Event.TURNED_AWAY, detail="key not enrolled")
    assert "4 of 4 rounds" in done(coordinator(federation, "status"))


def before_plan(federation: Federation) -> str:
    """The digest, as it is shown, of the plan under which the run was started."""
    return str(federation.said(AGGREGATOR, Journal.RUN_STARTED)[0].facts["plan"])[:16]


def test_another_training_begins_with_the_given_model_and_a_site_takes_no_other(
    two_rounds: Template, federation_of: Copy, tmp_path: Path
) -> None:
    first = federation_of(two_rounds)
    first.start()
    await_end(first)
    learned = last_model(first)
    shutil.copytree(first.lab.last_model, tmp_path / "given")

    second = federation_of(two_rounds, {"initial": str(tmp_path / "given")})
    for shown in invite_all(second).values():
        assert f"Begins with  the given model {learned[:16]}" in shown
    for site in second.names:
        second.lab.start_site(site)
    with false_aggregator(second) as link:
        other = pack({})
        answer = link.exchange("north", seal_task(first_task(second, other), other, key_of(second)), PATIENCE)
    assert answer is not None
    reply, _ = open_reply(answer, SiteKeys.load(second.lab.site_folder("north") / "keys").signing_public)
    assert isinstance(reply, Refused)
    assert reply.code is RefusalCode.BEYOND_AGREEMENT
    refused = second.said(courier("north"), Event.TASK_REFUSED, correlation=reply.correlation)[0]
    assert "another model than the plan says" in refused.facts["reason"]
    assert not second.said(worker("north"), Event.TASK_CLAIMED)
    run_on(second)
    assert second.said(AGGREGATOR, Journal.ROUND_STARTED, round=1)[0].facts["base"] == learned


def key_of(federation: Federation) -> CoordinatorKey:
    """The coordinator's key."""
    return CoordinatorKey.load(federation.lab.coordinator / "keys")


def first_task(federation: Federation, model: bytes) -> Task:
    """The first round of the accepted plan, with a model of somebody's choice, for north."""
    plan = load_agreement(federation.lab.site_folder("north") / "accepted.json").plan
    base = payload_digest(model)
    return Task(
        site="north",
        plan=plan.digest,
        stage=Stage.TRAIN,
        round=1,
        base=base,
        work_key=work_key(plan.digest, Stage.TRAIN, 1, base, "ab" * 32),
        ask="1" * 32,
    )
