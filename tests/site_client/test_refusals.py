"""What a site refuses, by which code, and what stays inside when it does."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.site_client.asking import CANARIES, ask, ready, refusal
from tests.site_client.support import (
    ROUNDS,
    FakeEngine,
    Site,
    base_model,
    build_site,
    courier_of,
    working_site,
)
from wardround.engine.basics.canonical import canonical_model
from wardround.federation.identities import CoordinatorKey, SiteKeys
from wardround.federation.payload import pack
from wardround.federation.protocol import (
    Done,
    MetricValue,
    RefusalCode,
    Refused,
    Stage,
    Working,
)
from wardround.federation.sealing import seal_task
from wardround.site_client.events import Event, Role


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return build_site(tmp_path / "site")


def test_messages_that_are_not_for_this_site_are_refused(site: Site, tmp_path: Path) -> None:
    courier, base = courier_of(site), base_model()
    task = site.task(Stage.TRAIN, 1, base, "c" * 64)
    stranger = CoordinatorKey.create(tmp_path / "stranger")
    refused = {
        RefusalCode.BAD_SIGNATURE: seal_task(task, base, stranger),
        RefusalCode.NOT_FOR_THIS_SITE: site.sealed(task.model_copy(update={"site": "south"}), base),
        RefusalCode.PLAN_NOT_ACCEPTED: site.sealed(task.model_copy(update={"plan": "d" * 64}), base),
        RefusalCode.HORIZON_NOT_ACCEPTED: site.sealed(site.task(Stage.TRAIN, ROUNDS + 1, base, "c" * 64), base),
        RefusalCode.BAD_MODEL: site.sealed(task, base_model(9)),
        RefusalCode.MALFORMED: site.sealed(task.model_copy(update={"work_key": None}), base),
        RefusalCode.PROTOCOL: site.sealed(task.model_copy(update={"protocol": 2}), base),
    }
    assert {code: refusal(site, courier, envelope) for code, envelope in refused.items()} == {
        code: code for code in refused
    }
    assert not (site.settings.work / "tasks").exists()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"study": "e" * 64}, RefusalCode.STUDY_NOT_ACCEPTED),
        ({"horizon": {"rounds": 9, "local_steps": 4}}, RefusalCode.HORIZON_NOT_ACCEPTED),
        ({"roster": "e" * 64}, RefusalCode.ROSTER_NOT_ACCEPTED),
        ({"strategy": "other"}, RefusalCode.PLAN_NOT_ACCEPTED),
    ],
)
def test_an_offered_plan_is_refused_for_what_differs(site: Site, changes: dict[str, object], code: RefusalCode) -> None:
    offer = type(site.invitation.plan).model_validate(site.invitation.plan.model_dump() | changes)
    hello = site.hello().model_copy(update={"plan": offer.digest, "offer": offer})
    refused, _ = site.open(courier_of(site).handle(site.sealed(hello)))
    assert isinstance(refused, Refused)
    assert (refused.code, refused.ask) == (code, hello.ask), "the aggregator must know to which question this belongs"


def test_a_site_with_other_keys_than_the_rosters_refuses(site: Site, tmp_path: Path) -> None:
    SiteKeys.create(tmp_path / "new")
    courier = courier_of(site)
    courier._tools = replace(courier._tools, keys=SiteKeys.load(tmp_path / "new"))
    reply = courier.handle(site.sealed(site.hello()))
    assert json.loads(reply.body)["code"] == RefusalCode.ROSTER_NOT_ACCEPTED


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("maximum_rounds: 1", RefusalCode.POLICY),
        ("maximum_steps: 11", RefusalCode.POLICY),
        ("tasks: [classification]", RefusalCode.POLICY),
        ("nonsense: 1", RefusalCode.POLICY_UNREADABLE),
        ("[", RefusalCode.POLICY_UNREADABLE),
        ("minimum_train_cases: 7", RefusalCode.COHORT_TOO_SMALL),
    ],
)
def test_the_policy_holds_from_the_moment_it_is_saved(site: Site, line: str, code: RefusalCode) -> None:
    with working_site(site, FakeEngine()) as courier:
        cohort, base = ready(site, courier).cohort, base_model()
        site.settings.policy.write_text(f"schema: 1\n{line}\n")
        assert refusal(site, courier, site.sealed(site.hello())) is code
        assert refusal(site, courier, site.sealed(site.task(Stage.TRAIN, 1, base, cohort), base)) is code


def test_a_changed_cohort_is_refused_by_courier_and_worker(site: Site) -> None:
    engine, base = FakeEngine(), base_model()
    task = site.task(Stage.TRAIN, 1, base, "c" * 64)
    site_tasks = courier_of(site)
    assert isinstance(ask(site, site_tasks, task, base)[0], Working)
    with working_site(site, engine) as courier:
        ready(site, courier)
        assert refusal(site, courier, site.sealed(task, base)) is RefusalCode.COHORT_CHANGED
    assert Event.TASK_FAILED in site.events(Role.WORKER)
    assert engine.calls == []


@pytest.mark.parametrize(
    "model",
    [
        {"model/weight": np.full((3, 2), np.nan, np.float32), "model/count": np.array(7)},
        {"model/weight": np.zeros((2, 3), np.float32), "model/count": np.array(7)},
        {"model/weight": np.zeros((3, 2), np.float32)},
        {"model/weight": np.zeros((3, 2), np.float32), "other/count": np.array(7)},
    ],
)
def test_a_model_that_does_not_fit_is_refused(site: Site, model: dict[str, np.ndarray]) -> None:
    engine, base = FakeEngine(), pack(model)
    with working_site(site, engine) as courier:
        task = site.task(Stage.TRAIN, 1, base, ready(site, courier).cohort)
        assert refusal(site, courier, site.sealed(task, base)) is RefusalCode.BAD_MODEL
    assert engine.calls == []


def test_the_worker_does_not_take_the_couriers_word(site: Site) -> None:
    """A task that the coordinator has not signed is refused by the worker, even when a courier lets it in."""
    base = base_model()
    engine = FakeEngine()
    task = site.task(Stage.TRAIN, 1, base, engine.cohort.digest)
    folder = site.settings.work / "tasks" / str(task.work_key)
    folder.mkdir(parents=True)
    for name, content in (("base.safetensors", base), ("signature", b"0" * 64), ("body.json", canonical_model(task))):
        (folder / name).write_bytes(content)
    with working_site(site, engine) as courier:
        ready(site, courier)
        assert refusal(site, courier, site.sealed(task)) is RefusalCode.BAD_SIGNATURE
    assert engine.calls == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: FakeEngine(spoil={"weight": np.full((3, 2), np.inf, np.float32), "count": np.array(8)}),
        lambda: FakeEngine(spoil={"weight": np.zeros((3, 2), np.float32), "case_007": np.array(8)}),
        lambda: FakeEngine(metrics={"dice.case_007": MetricValue(value=1, count=9)}),
    ],
)
def test_a_result_that_is_not_as_declared_does_not_leave(site: Site, spoil: Callable[[], FakeEngine]) -> None:
    base = base_model()
    with working_site(site, spoil()) as courier:
        task = site.task(Stage.TRAIN, 1, base, ready(site, courier).cohort)
        assert refusal(site, courier, site.sealed(task, base)) is RefusalCode.REPLY_BLOCKED
    assert not (site.settings.work / "outbox").exists()
    with working_site(site, FakeEngine()) as courier:
        ready(site, courier)
        reply, _ = site.open(courier.handle(site.sealed(task)))
    assert isinstance(reply, Done), "a worker that has been put right does the work anew"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError(" ".join(CANARIES)), RefusalCode.INTERNAL),
        (OSError(errno.ENOSPC, "no space", CANARIES[1]), RefusalCode.DISK_FULL),
    ],
)
def test_an_error_leaves_as_a_code_and_stays_as_text(site: Site, error: Exception, code: RefusalCode) -> None:
    engine, base = FakeEngine(error=error), base_model()
    with working_site(site, engine) as courier:
        task = site.task(Stage.TRAIN, 1, base, ready(site, courier).cohort)
        envelope = courier.handle(site.sealed(task, base))
        assert json.loads(envelope.body)["code"] == code
        assert not any(canary.encode() in envelope.body + envelope.payload for canary in CANARIES)
        assert CANARIES[1] in site.log_text(Role.WORKER)
