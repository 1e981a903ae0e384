"""Courier and worker together, over the real socket and folders: rounds, repeats, refusals, and what never leaves."""

from __future__ import annotations

import errno
import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.site_client.support import (
    LOCAL_STEPS,
    ROUNDS,
    FakeLaboratory,
    Site,
    base_model,
    build_site,
    courier_of,
    working_site,
)
from wardround.engine.basics.canonical import canonical_model
from wardround.federation.envelope import Envelope
from wardround.federation.identities import CoordinatorKey, SiteKeys
from wardround.federation.payload import pack, unpack
from wardround.federation.protocol import (
    Done,
    MetricValue,
    Missing,
    Ready,
    RefusalCode,
    Refused,
    Reply,
    Stage,
    Task,
    Working,
)
from wardround.federation.sealing import seal_task
from wardround.site_client.courier import Courier
from wardround.site_client.events import Event, EventLog, Role
from wardround.site_client.processes import StopRequest
from wardround.site_client.worker import run_worker

CANARIES = ("case_007", "/data/ward/patients", "Mueller")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return build_site(tmp_path / "site")


def _ask(site: Site, courier: Courier, task: Task, payload: bytes = b"") -> tuple[Reply, bytes]:
    return site.open(courier.handle(site.sealed(task, payload)))


def _until(site: Site, courier: Courier, task: Task, payload: bytes, wanted: type[Reply]) -> Reply:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        reply, _ = _ask(site, courier, task, payload)
        if isinstance(reply, wanted):
            return reply
        assert isinstance(reply, Working), reply
    raise AssertionError(f"no {wanted} came")


def _ready(site: Site, courier: Courier) -> Ready:
    reply = _until(site, courier, site.hello(), b"", Ready)
    assert isinstance(reply, Ready)
    return reply


def _refusal(site: Site, courier: Courier, envelope: Envelope) -> RefusalCode:
    reply, payload = site.open(courier.handle(envelope))
    assert isinstance(reply, Refused), reply
    assert payload == b""
    logs = site.log_text(Role.COURIER) + (
        site.log_text(Role.WORKER) if (site.settings.work / "events/worker.jsonl").exists() else ""
    )
    assert reply.correlation in logs
    return reply.code


def test_a_hello_says_what_the_site_holds(site: Site) -> None:
    laboratory = FakeLaboratory()
    with working_site(site, laboratory) as courier:
        ready = _ready(site, courier)
    assert (ready.train_cases, ready.validation_cases, ready.cohort) == (6, 3, laboratory.cohort.digest)
    assert ready.plan == site.invitation.plan.digest


def test_a_site_whose_worker_is_away_is_preparing(site: Site) -> None:
    courier, base = courier_of(site), base_model()
    hello, _ = _ask(site, courier, site.hello())
    assert isinstance(hello, Working)
    assert (hello.phase, hello.work_key) == ("preparing", None)
    task = site.task(Stage.TRAIN, 1, base, FakeLaboratory().cohort.digest)
    queued, _ = _ask(site, courier, task, base)
    assert isinstance(queued, Working)
    assert queued.phase == "queued"


def test_a_round_trains_once_and_answers_with_the_same_bytes_for_ever(site: Site) -> None:
    laboratory, base = FakeLaboratory(), base_model(0.5)
    with working_site(site, laboratory) as courier:
        task = site.task(Stage.TRAIN, 1, base, _ready(site, courier).cohort)
        assert isinstance(_ask(site, courier, task)[0], Missing)
        first = courier.handle(site.sealed(task, base))
        again = task.model_copy(update={"ask": "f" * 32})
        assert courier.handle(site.sealed(again)) == first
    assert courier_of(site).handle(site.sealed(task)) == first
    done, update = site.open(first)
    assert isinstance(done, Done)
    assert (done.train_cases, done.loss, done.work_key) == (6, 0.25, task.work_key)
    assert set(done.metrics) == {"dice", "loss"}
    expected = 0.5 + sum(1 + step for step in range(LOCAL_STEPS))
    assert unpack(update)["model/weight"].tolist() == np.full((3, 2), expected).tolist()
    assert laboratory.calls == ["evaluate validation", f"train 0-{LOCAL_STEPS} carried []"]


def test_events_come_in_the_order_that_keeps_replies_safe(site: Site) -> None:
    with working_site(site, FakeLaboratory()) as courier:
        base = base_model()
        _ask(site, courier, site.task(Stage.TRAIN, 1, base, _ready(site, courier).cohort), base)
    courier_events = [
        event for event in site.events(Role.COURIER) if event not in ("hello_answered", "metrics_withheld")
    ]
    assert courier_events == [Event.TASK_PULLED, Event.REPLY_SEALED, Event.OUTBOX_WRITTEN, Event.REPLY_SENT]
    worker_events = [event for event in site.events(Role.WORKER) if event != Event.CHECKPOINT_SAVED]
    assert worker_events == ["started", "cohort_opened", "task_claimed", "evaluation_done", "result_written", "stopped"]


def test_carried_state_follows_what_the_aggregator_accepted(site: Site) -> None:
    laboratory = FakeLaboratory()
    with working_site(site, laboratory) as courier:
        cohort, base = _ready(site, courier).cohort, base_model()
        first = site.task(Stage.TRAIN, 1, base, cohort)
        _ask(site, courier, first, base)
        late = site.task(Stage.TRAIN, 2, base, cohort, accepted=first.work_key)
        _ask(site, courier, late, base)
        third = site.task(Stage.TRAIN, 3, base, cohort, accepted=first.work_key)
        _ask(site, courier, third, base)
    assert laboratory.calls[1::2] == [
        "train 0-4 carried []",
        "train 4-8 carried ['optimizer']",
        "train 8-12 carried ['optimizer']",
    ]
    events = site.events(Role.WORKER)
    assert events.count(Event.STATE_COMMITTED) == 1
    assert events.count(Event.STATE_ROLLED_BACK) == 1
    assert Event.STATE_LOST not in events


def test_replies_are_kept_until_a_later_task_accepts_them(site: Site) -> None:
    with working_site(site, FakeLaboratory()) as courier:
        cohort, outbox = _ready(site, courier).cohort, site.settings.work / "outbox"
        bases = [base_model(value) for value in (1, 2, 3)]
        first = site.task(Stage.TRAIN, 1, bases[0], cohort)
        _ask(site, courier, first, bases[0])
        second = site.task(Stage.TRAIN, 2, bases[1], cohort)
        _ask(site, courier, second, bases[1])
        assert {path.name for path in outbox.iterdir()} == {first.work_key, second.work_key}
        third = site.task(Stage.TRAIN, 3, bases[2], cohort, accepted=second.work_key)
        _ask(site, courier, third, bases[2])
    assert {path.name for path in outbox.iterdir()} == {third.work_key}
    assert {path.name for path in (site.settings.work / "tasks").iterdir()} == {third.work_key}
    assert {path.name for path in (site.settings.work / "results").iterdir()} == {third.work_key}
    assert list((site.settings.work / "scratch").iterdir()) == []


def test_a_slow_round_reports_progress_until_it_is_done(tmp_path: Path) -> None:
    site, laboratory, base = build_site(tmp_path / "site"), FakeLaboratory(), base_model()
    site.config.write_text(site.config.read_text().replace("answer_seconds: 3", "answer_seconds: 0.2"))
    laboratory.gate.clear()
    with working_site(site, laboratory) as courier:
        task = site.task(Stage.TRAIN, 1, base, _ready(site, courier).cohort)
        reply = _until(site, courier, task, base, Working)
        assert isinstance(reply, Working)
        assert (reply.work_key, reply.ask) == (task.work_key, task.ask)
        laboratory.gate.set()
        assert isinstance(_until(site, courier, task, b"", Done), Done)


def test_newer_work_replaces_older(tmp_path: Path) -> None:
    site, laboratory, base = build_site(tmp_path / "site"), FakeLaboratory(), base_model()
    site.config.write_text(site.config.read_text().replace("answer_seconds: 3", "answer_seconds: 0.2"))
    laboratory.gate.clear()
    with working_site(site, laboratory) as courier:
        cohort = _ready(site, courier).cohort
        _ask(site, courier, site.task(Stage.TRAIN, 1, base, cohort), base)
        newer = site.task(Stage.TRAIN, 2, base, cohort)
        _ask(site, courier, newer, base)
        laboratory.gate.set()
        done = _until(site, courier, newer, b"", Done)
        assert isinstance(done, Done)
        assert done.work_key == newer.work_key
    assert Event.TASK_SUPERSEDED in site.events(Role.WORKER)


def test_the_final_round_scores_test_cases_and_sends_no_update(site: Site) -> None:
    laboratory, base = FakeLaboratory(), base_model()
    with working_site(site, laboratory) as courier:
        task = site.task(Stage.EVALUATE, ROUNDS + 1, base, _ready(site, courier).cohort)
        done, update = _ask(site, courier, task, base)
    assert isinstance(done, Done)
    assert (done.update, update, done.loss) == (None, b"", None)
    assert set(done.metrics) == {"dice", "loss", "test.dice", "test.loss"}
    assert laboratory.calls == ["evaluate validation", "evaluate test"]


def test_an_evaluation_before_the_end_leaves_test_cases_alone(site: Site) -> None:
    laboratory, base = FakeLaboratory(), base_model()
    with working_site(site, laboratory) as courier:
        _ask(site, courier, site.task(Stage.EVALUATE, 2, base, _ready(site, courier).cohort), base)
    assert laboratory.calls == ["evaluate validation"]


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
    assert {code: _refusal(site, courier, envelope) for code, envelope in refused.items()} == {
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
    courier._office = replace(courier._office, keys=SiteKeys.load(tmp_path / "new"))
    reply = courier.handle(site.sealed(site.hello()))
    assert json.loads(reply.body)["code"] == RefusalCode.ROSTER_NOT_ACCEPTED


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("maximum_rounds: 1", RefusalCode.POLICY),
        ("maximum_steps: 11", RefusalCode.POLICY),
        ("tasks: [classification]", RefusalCode.POLICY),
        ("nonsense: 1", RefusalCode.POLICY),
        ("minimum_train_cases: 7", RefusalCode.COHORT_TOO_SMALL),
    ],
)
def test_the_policy_holds_from_the_moment_it_is_saved(site: Site, line: str, code: RefusalCode) -> None:
    with working_site(site, FakeLaboratory()) as courier:
        cohort, base = _ready(site, courier).cohort, base_model()
        site.settings.policy.write_text(f"schema: 1\n{line}\n")
        assert _refusal(site, courier, site.sealed(site.hello())) is code
        assert _refusal(site, courier, site.sealed(site.task(Stage.TRAIN, 1, base, cohort), base)) is code


def test_a_changed_cohort_is_refused_by_courier_and_worker(site: Site) -> None:
    laboratory, base = FakeLaboratory(), base_model()
    task = site.task(Stage.TRAIN, 1, base, "c" * 64)
    site_tasks = courier_of(site)
    assert isinstance(_ask(site, site_tasks, task, base)[0], Working)
    with working_site(site, laboratory) as courier:
        _ready(site, courier)
        assert _refusal(site, courier, site.sealed(task, base)) is RefusalCode.COHORT_CHANGED
    assert Event.TASK_FAILED in site.events(Role.WORKER)
    assert laboratory.calls == []


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
    laboratory, base = FakeLaboratory(), pack(model)
    with working_site(site, laboratory) as courier:
        task = site.task(Stage.TRAIN, 1, base, _ready(site, courier).cohort)
        assert _refusal(site, courier, site.sealed(task, base)) is RefusalCode.BAD_MODEL
    assert laboratory.calls == []


def test_the_worker_does_not_take_the_couriers_word(site: Site) -> None:
    """A task that the coordinator has not signed is refused by the worker, even when a courier lets it in."""
    base = base_model()
    laboratory = FakeLaboratory()
    task = site.task(Stage.TRAIN, 1, base, laboratory.cohort.digest)
    folder = site.settings.work / "tasks" / str(task.work_key)
    folder.mkdir(parents=True)
    for name, content in (("base.safetensors", base), ("signature", b"0" * 64), ("body.json", canonical_model(task))):
        (folder / name).write_bytes(content)
    with working_site(site, laboratory) as courier:
        _ready(site, courier)
        assert _refusal(site, courier, site.sealed(task)) is RefusalCode.BAD_SIGNATURE
    assert laboratory.calls == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: FakeLaboratory(spoil={"weight": np.full((3, 2), np.inf, np.float32), "count": np.array(8)}),
        lambda: FakeLaboratory(spoil={"weight": np.zeros((3, 2), np.float32), "case_007": np.array(8)}),
        lambda: FakeLaboratory(metrics={"dice.case_007": MetricValue(value=1, count=9)}),
    ],
)
def test_a_result_that_is_not_as_declared_does_not_leave(site: Site, spoil: Callable[[], FakeLaboratory]) -> None:
    base = base_model()
    with working_site(site, spoil()) as courier:
        task = site.task(Stage.TRAIN, 1, base, _ready(site, courier).cohort)
        assert _refusal(site, courier, site.sealed(task, base)) is RefusalCode.REPLY_BLOCKED
    assert not (site.settings.work / "outbox").exists()
    with working_site(site, FakeLaboratory()) as courier:
        _ready(site, courier)
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
    laboratory, base = FakeLaboratory(error=error), base_model()
    with working_site(site, laboratory) as courier:
        task = site.task(Stage.TRAIN, 1, base, _ready(site, courier).cohort)
        envelope = courier.handle(site.sealed(task, base))
        assert json.loads(envelope.body)["code"] == code
        assert not any(canary.encode() in envelope.body + envelope.payload for canary in CANARIES)
        assert CANARIES[1] in site.log_text(Role.WORKER)


def test_a_fault_that_may_pass_is_tried_again_when_asked_again(site: Site) -> None:
    laboratory, base = FakeLaboratory(error=OSError(errno.ENOSPC, "no space")), base_model()
    with working_site(site, laboratory) as courier:
        task = site.task(Stage.TRAIN, 1, base, _ready(site, courier).cohort)
        assert _refusal(site, courier, site.sealed(task, base)) is RefusalCode.DISK_FULL
        laboratory.error = None
        assert isinstance(_until(site, courier, task, b"", Done), Done)
    assert laboratory.calls.count("evaluate validation") == 1


def test_a_lasting_fault_is_tried_again_after_a_restart_only(site: Site) -> None:
    laboratory, base = FakeLaboratory(error=RuntimeError("bug")), base_model()
    with working_site(site, laboratory) as courier:
        task = site.task(Stage.TRAIN, 1, base, _ready(site, courier).cohort)
        first, _ = _ask(site, courier, task, base)
        second, _ = _ask(site, courier, task)
        assert isinstance(first, Refused)
        assert isinstance(second, Refused)
        assert first.correlation == second.correlation
    laboratory.error = None
    with working_site(site, laboratory) as courier:
        assert isinstance(_until(site, courier, task, b"", Done), Done)


def test_a_cohort_that_cannot_be_opened_refuses_and_is_tried_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []
    monkeypatch.setattr("wardround.site_client.worker._SECONDS_BEFORE_ANOTHER_TRY", 0.1)

    def fail_twice(*_: object) -> FakeLaboratory:
        tries.append(1)
        if len(tries) <= 2:
            raise RuntimeError(f"cannot read {CANARIES[1]}")
        return FakeLaboratory()

    stop = StopRequest()
    log = EventLog(site.settings.work, Role.WORKER)
    thread = threading.Thread(target=run_worker, args=(site.settings, site.agreement, log, stop, fail_twice))
    thread.start()
    try:
        courier = courier_of(site)
        deadline = time.monotonic() + 30
        while not isinstance(_ask(site, courier, site.hello())[0], Ready):
            assert time.monotonic() < deadline
    finally:
        stop.set()
        thread.join(20)
    assert site.events(Role.WORKER).count(Event.COHORT_UNUSABLE) == 1
    assert CANARIES[1] in site.log_text(Role.WORKER)


def test_a_hello_to_a_site_without_a_usable_cohort_is_refused(site: Site) -> None:
    def fail(*_: object) -> FakeLaboratory:
        raise RuntimeError(f"cannot read {CANARIES[1]}")

    stop = StopRequest()
    log = EventLog(site.settings.work, Role.WORKER)
    thread = threading.Thread(target=run_worker, args=(site.settings, site.agreement, log, stop, fail))
    thread.start()
    try:
        reply = _until(site, courier_of(site), site.hello(), b"", Refused)
    finally:
        stop.set()
        thread.join(20)
    assert isinstance(reply, Refused)
    assert reply.code is RefusalCode.INTERNAL


def test_no_reply_contains_names_of_cases_or_paths(site: Site) -> None:
    bodies = []
    laboratory, base = FakeLaboratory(), base_model()
    with working_site(site, laboratory) as courier:
        cohort = _ready(site, courier).cohort
        bad = site.task(Stage.TRAIN, 1, base, cohort).model_copy(update={"plan": "d" * 64})
        for task, payload in (
            (site.hello(), b""),
            (site.task(Stage.TRAIN, 1, base, cohort), b""),
            (site.task(Stage.TRAIN, 1, base, cohort), base),
            (bad, base),
        ):
            envelope = courier.handle(site.sealed(task, payload))
            bodies.append(envelope.body + envelope.payload)
    for canary in (*CANARIES, str(site.folder), "site.yaml", "data.csv"):
        assert not any(canary.encode() in body for body in bodies)


def test_a_handler_never_raises(site: Site) -> None:
    reply, _ = site.open(courier_of(site).handle(Envelope(b"", b"", b"")))
    assert isinstance(reply, Refused)
    assert reply.code is RefusalCode.BAD_SIGNATURE


def test_a_full_disk_is_said_even_when_the_log_cannot_be_written(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("wardround.site_client.events.append_durably", full)
    base = base_model()
    task = site.task(Stage.TRAIN, 1, base, "c" * 64)
    reply, _ = _ask(site, courier_of(site), task, base)
    assert isinstance(reply, Refused)
    assert reply.code is RefusalCode.DISK_FULL


def test_a_task_that_would_fill_the_disk_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wardround.site_client.mailbox._HEADROOM", 2**60)
    base = base_model()
    task = site.task(Stage.TRAIN, 1, base, "c" * 64)
    assert _refusal(site, courier_of(site), site.sealed(task, base)) is RefusalCode.DISK_FULL
    assert not (site.settings.work / "tasks" / str(task.work_key)).exists()


def test_a_result_is_signed_and_sent_while_the_worker_is_away(site: Site) -> None:
    """The courier may die before the outbox is written, and the worker afterwards: nothing finished is lost."""
    laboratory, base = FakeLaboratory(), base_model()
    with working_site(site, laboratory) as courier:
        task = site.task(Stage.TRAIN, 1, base, _ready(site, courier).cohort)
        first = courier.handle(site.sealed(task, base))
    (site.settings.work / "outbox" / str(task.work_key) / "body.json").unlink()
    assert courier_of(site).handle(site.sealed(task)) == first


def test_a_new_plan_clears_away_the_work_of_the_former_one(site: Site) -> None:
    base = base_model()
    former = site.task(Stage.TRAIN, 3, base, "c" * 64).model_copy(update={"plan": "d" * 64})
    courier = courier_of(site)
    courier._office.tasks.put(str(former.work_key), site.sealed(former, base))
    task = site.task(Stage.TRAIN, 1, base, "c" * 64)
    _ask(site, courier, task, base)
    assert [path.name for path in (site.settings.work / "tasks").iterdir()] == [task.work_key]
