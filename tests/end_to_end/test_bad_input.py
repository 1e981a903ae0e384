"""What should not be believed is refused and written down at both ends, and the run goes on when it is put right."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pydantic import JsonValue

from tests.end_to_end.federation import AGGREGATOR, PATIENCE, STUDY, Copy, Federation, Line, Template, courier, worker
from tests.end_to_end.forger import Forger, garbage, with_another_shape, with_nan
from wardround.aggregator.journal import Event as Journal
from wardround.aggregator.roster.enrolment import read_roster
from wardround.federation.envelope import Envelope
from wardround.federation.flower.link.link import Link, TlsFiles
from wardround.federation.identities import CoordinatorKey, SiteKeys
from wardround.federation.protocol import Plan, RefusalCode, Refused, Stage, Task
from wardround.federation.sealing import open_reply, seal_task
from wardround.lab.processes import module_command, run_to_end
from wardround.lab.settings_files import change_settings
from wardround.site_client.agreement.agreement import load_agreement
from wardround.site_client.events import Event

pytestmark = pytest.mark.timeout(3 * PATIENCE)


def accept_another(federation: Federation, site: str, folder: Path, changes: dict[str, JsonValue]) -> None:
    """Let a site accept an invitation of the same coordinator to another plan."""
    shutil.copytree(federation.lab.coordinator, folder)
    change_settings(folder / "federation.yaml", changes)
    machine, offer = federation.lab.settings.machine, folder / "offer.json"
    invite = module_command("wardround.aggregator", "invite", "--out", offer, "--config", folder / "federation.yaml")
    run_to_end(invite, machine, "invite")
    config = federation.lab.site_file(site)
    accept = module_command("wardround.site_client", "accept", offer, "--config", config, "--yes")
    run_to_end(accept, machine, "accept")


def reaccept(federation: Federation, site: str) -> None:
    """Let a site accept the federation's own invitation, as its staff would once the misunderstanding is cleared up."""
    invitation, config = federation.lab.coordinator / "invitation.json", federation.lab.site_file(site)
    accept = module_command("wardround.site_client", "accept", invitation, "--config", config, "--yes")
    run_to_end(accept, federation.lab.settings.machine, "accept")


def declined(federation: Federation, site: str, code: RefusalCode) -> Line:
    """Wait until the aggregator has noted a refusal, which the site's own log must have under the same number."""
    line = federation.wait_for(AGGREGATOR, Journal.SITE_DECLINED, site=site, code=code.value)
    here = federation.said(courier(site), Event.TASK_REFUSED, code=code.value)
    assert line.facts["correlation"] in {refused.facts["correlation"] for refused in here}
    return line


@pytest.mark.slow
def test_other_plans_and_other_keys_are_refused_by_name_until_they_are_put_right(
    federation: Federation, undisturbed: str, tmp_path: Path
) -> None:
    """North has accepted another horizon and south another study; west comes with keys that are not enrolled."""
    study = tmp_path / "other.yaml"
    study.write_text(STUDY.replace("seed: 5", "seed: 6"))
    longer: dict[str, JsonValue] = {"horizon": {"rounds": 5, "local_steps": 24}}
    accept_another(federation, "north", tmp_path / "longer", longer)
    accept_another(federation, "south", tmp_path / "other", {"study": str(study)})
    keys = federation.lab.site_folder("west") / "keys"
    keys.rename(tmp_path / "enrolled")
    SiteKeys.create(keys)

    federation.start()
    declined(federation, "north", RefusalCode.HORIZON_NOT_ACCEPTED)
    declined(federation, "south", RefusalCode.STUDY_NOT_ACCEPTED)
    said = federation.lab.log("west")
    words = "the roster has other keys for this site"
    federation.wait_until(lambda: words in said.read_text(), "west says why it ends")
    assert not federation.said(AGGREGATOR, Journal.SITE_ONLINE, site="west")
    assert not any(federation.said(worker(name), Event.TASK_CLAIMED) for name in federation.names)

    federation.lab.stop_site("west")
    shutil.rmtree(keys)
    (tmp_path / "enrolled").rename(keys)
    federation.lab.start_site("west")
    reaccept(federation, "north")
    reaccept(federation, "south")
    assert federation.finish() == undisturbed


@pytest.mark.slow
def test_a_coordinator_with_another_key_is_refused_until_it_has_its_own_again(
    lone_template: Template, federation_of: Copy, lone_undisturbed: str, tmp_path: Path
) -> None:
    """Beside the invitation it would refuse to start; so this is whoever has all but the key and the invitation."""
    federation = federation_of(lone_template)
    key = federation.lab.coordinator / "keys" / "coordinator.key"
    key.rename(tmp_path / "own.key")
    CoordinatorKey.create(key.parent)
    (federation.lab.coordinator / "invitation.json").rename(tmp_path / "invitation.json")
    federation.start()
    declined(federation, "north", RefusalCode.BAD_SIGNATURE)
    federation.lab.stop_aggregator()
    key.unlink()
    (tmp_path / "own.key").rename(key)
    (tmp_path / "invitation.json").rename(federation.lab.coordinator / "invitation.json")
    federation.start_aggregator()
    assert federation.finish() == lone_undisturbed


@contextmanager
def false_aggregator(federation: Federation) -> Iterator[Link]:
    """Somebody who has got hold of the aggregator's address and certificate, but not of the coordinator's key."""
    keys = federation.lab.coordinator / "keys"
    with Link(
        host="127.0.0.1",
        port=federation.port,
        tls=TlsFiles(keys / "ca.pem", keys / "server.pem", keys / "server.key"),
        sites=read_roster(federation.lab.coordinator / "roster.json").transport_keys(),
    ) as link:
        yield link


def hello(plan: Plan, site: str = "north") -> Task:
    return Task(site=site, plan=plan.digest, stage=Stage.HELLO, round=0, ask="1" * 32)


def test_a_courier_believes_no_task_that_its_coordinator_has_not_signed_for_it(
    lone_template: Template, federation_of: Copy, tmp_path: Path
) -> None:
    federation = federation_of(lone_template)
    public = SiteKeys.load(federation.lab.site_folder("north") / "keys").signing_public
    plan = load_agreement(federation.lab.site_folder("north") / "accepted.json").plan
    own = CoordinatorKey.load(federation.lab.coordinator / "keys")
    stranger = CoordinatorKey.create(tmp_path / "stranger")
    sealed = seal_task(hello(plan), b"", own)
    cases = {
        RefusalCode.BAD_SIGNATURE: (Envelope(sealed.body, b"", b""), seal_task(hello(plan), b"", stranger)),
        RefusalCode.NOT_FOR_THIS_SITE: (seal_task(hello(plan, "south"), b"", own),),
        RefusalCode.MALFORMED: (seal_task(hello(plan).model_copy(update={"round": -1}), b"", own),),
    }
    config = federation.lab.site_file("north")
    federation.run_beside("courier", "wardround.site_client", "courier", "--config", config)
    with false_aggregator(federation) as link:
        for code, envelopes in cases.items():
            for envelope in envelopes:
                answer = link.exchange("north", envelope, PATIENCE)
                assert answer is not None
                reply, _ = open_reply(answer, public)
                assert isinstance(reply, Refused)
                assert reply.code is code
                assert federation.said(courier("north"), Event.TASK_REFUSED, correlation=reply.correlation)


def test_a_courier_takes_nothing_from_a_run_with_a_foreign_bundle(
    lone_template: Template, federation_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    federation = federation_of(lone_template)
    own = CoordinatorKey.load(federation.lab.coordinator / "keys")
    plan = load_agreement(federation.lab.site_folder("north") / "accepted.json").plan
    monkeypatch.setattr("wardround.federation.flower.link.link_state.stub_bundle", lambda: b"PK\x03\x04 anything else")
    config = federation.lab.site_file("north")
    federation.run_beside("courier", "wardround.site_client", "courier", "--config", config)
    with false_aggregator(federation) as link:
        federation.wait_until(lambda: link.seconds_since_seen("north") is not None, "the courier is there")
        assert link.exchange("north", seal_task(hello(plan), b"", own), 3) is None
    assert federation.said(courier("north"), Event.FOREIGN_BUNDLE)
    assert not federation.said(courier("north"), Event.MESSAGE_PULLED)


@pytest.mark.slow
def test_updates_that_are_none_are_refused_and_their_sites_named(federation: Federation, undisturbed: str) -> None:
    """Three sites answer with their own valid signatures: a NaN, another shape, no tensors. Then honest ones come."""
    forgeries = {"north": with_nan, "south": with_another_shape, "west": garbage}
    federation.start_aggregator()
    with ExitStack() as stack:
        for site, forge in forgeries.items():
            stack.enter_context(Forger(federation, site, forge).at_work())
        details = {
            site: federation.wait_for(AGGREGATOR, Journal.UPDATE_REFUSED, site=site).facts["detail"]
            for site in forgeries
        }
        assert "not_finite" in details["north"] or "finite" in details["north"]
        assert "shape" in details["south"]
        assert "malformed" in details["west"]
        for site in forgeries:
            federation.wait_for(AGGREGATOR, Journal.SITE_DECLINED, site=site)
    assert not federation.said(AGGREGATOR, Journal.REPLY_STORED)
    for site in federation.names:
        federation.lab.start_site(site)
    assert federation.finish() == undisturbed


@pytest.mark.slow
def test_a_worker_that_gives_nan_is_stopped_at_its_own_site(federation: Federation, undisturbed: str) -> None:
    config = federation.lab.site_file("north")
    federation.start(without=["north"])
    beside = (
        federation.run_beside("courier", "wardround.site_client", "courier", "--config", config),
        federation.run_beside("worker", "tests.end_to_end.spoiled_worker", config),
    )
    declined(federation, "north", RefusalCode.REPLY_BLOCKED)
    assert "finite" in federation.said(worker("north"), Event.TASK_FAILED)[0].facts["reason"]
    assert not federation.said(courier("north"), Event.OUTBOX_WRITTEN)
    for program in beside:
        program.stop()
    federation.lab.start_site("north")
    assert federation.finish() == undisturbed
