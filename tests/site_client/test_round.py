"""Courier and worker together, over the real socket and folders: rounds, repeats, faults, and what never leaves."""

from __future__ import annotations

import errno
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.site_client.asking import CANARIES, ask, ready, refusal, until
from tests.site_client.support import (
    LOCAL_STEPS,
    ROUNDS,
    FakeEngine,
    Site,
    base_model,
    build_site,
    courier_of,
    working_site,
)
from wardround.engine.basics.backoff import Backoff
from wardround.federation.endings import EndReason, ending_line
from wardround.federation.envelope import Envelope
from wardround.federation.invitation import SignedInvitation
from wardround.federation.payload import unpack
from wardround.federation.protocol import (
    Checks,
    Concluded,
    Done,
    Leaves,
    Missing,
    Ready,
    RefusalCode,
    Refused,
    Stage,
    Working,
)
from wardround.site_client.agreement.agreement import pin
from wardround.site_client.events import Event, EventLog, Role
from wardround.site_client.processes import StopRequest
from wardround.site_client.status import describe_status
from wardround.site_client.worker.process import run_worker


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return build_site(tmp_path / "site")


def test_a_hello_says_what_the_site_holds(site: Site) -> None:
    engine = FakeEngine()
    with working_site(site, engine) as courier:
        held = ready(site, courier)
    assert (held.train_cases, held.validation_cases, held.cohort) == (6, 3, engine.cohort.digest)
    assert held.plan == site.invitation.plan.digest


def test_a_site_whose_worker_is_away_is_preparing(site: Site) -> None:
    courier, base = courier_of(site), base_model()
    hello, _ = ask(site, courier, site.hello())
    assert isinstance(hello, Working)
    assert (hello.phase, hello.work_key) == ("preparing", None)
    task = site.task(Stage.TRAIN, 1, base, FakeEngine().cohort.digest)
    queued, _ = ask(site, courier, task, base)
    assert isinstance(queued, Working)
    assert queued.phase == "queued"


def test_a_round_trains_once_and_answers_with_the_same_bytes_for_ever(site: Site) -> None:
    engine, base = FakeEngine(), base_model(0.5)
    with working_site(site, engine) as courier:
        task = site.task(Stage.TRAIN, 1, base, ready(site, courier).cohort)
        assert isinstance(ask(site, courier, task)[0], Missing)
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
    assert engine.calls == ["evaluate validation", f"train 0-{LOCAL_STEPS} carried []"]


def test_events_come_in_the_order_that_keeps_replies_safe(site: Site) -> None:
    with working_site(site, FakeEngine()) as courier:
        base = base_model()
        ask(site, courier, site.task(Stage.TRAIN, 1, base, ready(site, courier).cohort), base)
    courier_events = [
        event for event in site.events(Role.COURIER) if event not in ("hello_answered", "metrics_withheld")
    ]
    assert courier_events == [Event.TASK_PULLED, Event.REPLY_SEALED, Event.OUTBOX_WRITTEN, Event.REPLY_SENT]
    worker_events = [event for event in site.events(Role.WORKER) if event != Event.CHECKPOINT_SAVED]
    assert worker_events == ["started", "cohort_opened", "task_claimed", "evaluation_done", "result_written", "stopped"]


def test_carried_state_follows_what_the_aggregator_accepted(site: Site) -> None:
    engine = FakeEngine()
    with working_site(site, engine) as courier:
        cohort, base = ready(site, courier).cohort, base_model()
        first = site.task(Stage.TRAIN, 1, base, cohort)
        ask(site, courier, first, base)
        late = site.task(Stage.TRAIN, 2, base, cohort, accepted=first.work_key)
        ask(site, courier, late, base)
        third = site.task(Stage.TRAIN, 3, base, cohort, accepted=first.work_key)
        ask(site, courier, third, base)
    assert engine.calls[1::2] == [
        "train 0-4 carried []",
        "train 4-8 carried ['optimizer']",
        "train 8-12 carried ['optimizer']",
    ]
    events = site.events(Role.WORKER)
    assert events.count(Event.STATE_COMMITTED) == 1
    assert events.count(Event.STATE_ROLLED_BACK) == 1
    assert Event.STATE_LOST not in events


def test_replies_are_kept_until_a_later_task_accepts_them(site: Site) -> None:
    with working_site(site, FakeEngine()) as courier:
        cohort, outbox = ready(site, courier).cohort, site.settings.work / "outbox"
        bases = [base_model(value) for value in (1, 2, 3)]
        first = site.task(Stage.TRAIN, 1, bases[0], cohort)
        ask(site, courier, first, bases[0])
        second = site.task(Stage.TRAIN, 2, bases[1], cohort)
        ask(site, courier, second, bases[1])
        assert {path.name for path in outbox.iterdir()} == {first.work_key, second.work_key}
        third = site.task(Stage.TRAIN, 3, bases[2], cohort, accepted=second.work_key)
        ask(site, courier, third, bases[2])
    assert {path.name for path in outbox.iterdir()} == {third.work_key}
    assert {path.name for path in (site.settings.work / "tasks").iterdir()} == {third.work_key}
    assert {path.name for path in (site.settings.work / "results").iterdir()} == {third.work_key}
    assert list((site.settings.work / "scratch").iterdir()) == []


def test_a_slow_round_reports_progress_until_it_is_done(tmp_path: Path) -> None:
    site, engine, base = build_site(tmp_path / "site"), FakeEngine(), base_model()
    site.config.write_text(site.config.read_text().replace("answer_seconds: 3", "answer_seconds: 0.2"))
    engine.gate.clear()
    with working_site(site, engine) as courier:
        task = site.task(Stage.TRAIN, 1, base, ready(site, courier).cohort)
        reply = until(site, courier, task, base, Working)
        assert isinstance(reply, Working)
        assert (reply.work_key, reply.ask) == (task.work_key, task.ask)
        engine.gate.set()
        assert isinstance(until(site, courier, task, b"", Done), Done)


def test_newer_work_replaces_older(tmp_path: Path) -> None:
    site, engine, base = build_site(tmp_path / "site"), FakeEngine(), base_model()
    site.config.write_text(site.config.read_text().replace("answer_seconds: 3", "answer_seconds: 0.2"))
    engine.gate.clear()
    with working_site(site, engine) as courier:
        cohort = ready(site, courier).cohort
        ask(site, courier, site.task(Stage.TRAIN, 1, base, cohort), base)
        newer = site.task(Stage.TRAIN, 2, base, cohort)
        ask(site, courier, newer, base)
        engine.gate.set()
        done = until(site, courier, newer, b"", Done)
        assert isinstance(done, Done)
        assert done.work_key == newer.work_key
    assert Event.TASK_SUPERSEDED in site.events(Role.WORKER)


def test_the_final_round_scores_test_cases_and_sends_no_update(site: Site) -> None:
    engine, base = FakeEngine(), base_model()
    with working_site(site, engine) as courier:
        cohort = ready(site, courier).cohort
        ask(site, courier, site.task(Stage.TRAIN, ROUNDS, base, cohort), base)
        engine.calls.clear()
        task = site.task(Stage.EVALUATE, ROUNDS + 1, base, cohort)
        done, update = ask(site, courier, task, base)
    assert isinstance(done, Done)
    assert (done.update, update, done.loss) == (None, b"", None)
    assert set(done.metrics) == {"dice", "loss", "test.dice", "test.loss"}
    assert engine.calls == ["evaluate validation", "evaluate test"]


def test_an_evaluation_before_the_end_leaves_test_cases_alone(site: Site) -> None:
    engine, base = FakeEngine(), base_model()
    with working_site(site, engine) as courier:
        ask(site, courier, site.task(Stage.EVALUATE, 2, base, ready(site, courier).cohort), base)
    assert engine.calls == ["evaluate validation"]


def test_a_fault_that_may_pass_is_tried_again_when_asked_again(site: Site) -> None:
    engine, base = FakeEngine(error=OSError(errno.ENOSPC, "no space")), base_model()
    with working_site(site, engine) as courier:
        task = site.task(Stage.TRAIN, 1, base, ready(site, courier).cohort)
        assert refusal(site, courier, site.sealed(task, base)) is RefusalCode.DISK_FULL
        engine.error = None
        assert isinstance(until(site, courier, task, b"", Done), Done)
    assert engine.calls.count("evaluate validation") == 1


def test_a_lasting_fault_is_tried_again_after_a_restart_only(site: Site) -> None:
    engine, base = FakeEngine(error=RuntimeError("bug")), base_model()
    with working_site(site, engine) as courier:
        task = site.task(Stage.TRAIN, 1, base, ready(site, courier).cohort)
        first, _ = ask(site, courier, task, base)
        second, _ = ask(site, courier, task)
        assert isinstance(first, Refused)
        assert isinstance(second, Refused)
        assert first.correlation == second.correlation
    engine.error = None
    with working_site(site, engine) as courier:
        assert isinstance(until(site, courier, task, b"", Done), Done)


def test_a_cohort_that_cannot_be_opened_refuses_and_is_tried_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []
    monkeypatch.setattr("wardround.site_client.worker.process._BEFORE_ANOTHER_TRY", Backoff(0.1, 0.1))

    def fail_twice(*_: object) -> FakeEngine:
        tries.append(1)
        if len(tries) <= 2:
            raise RuntimeError(f"cannot read {CANARIES[1]}")
        return FakeEngine()

    stop = StopRequest()
    log = EventLog(site.settings.work, Role.WORKER)
    thread = threading.Thread(target=run_worker, args=(site.settings, site.agreement, log, stop, fail_twice))
    thread.start()
    try:
        courier = courier_of(site)
        deadline = time.monotonic() + 30
        while not isinstance(ask(site, courier, site.hello())[0], Ready):
            assert time.monotonic() < deadline
    finally:
        stop.set()
        thread.join(20)
    assert site.events(Role.WORKER).count(Event.COHORT_UNUSABLE) == 1
    assert CANARIES[1] in site.log_text(Role.WORKER)


def test_a_hello_to_a_site_without_a_usable_cohort_is_refused(site: Site) -> None:
    def fail(*_: object) -> FakeEngine:
        raise RuntimeError(f"cannot read {CANARIES[1]}")

    stop = StopRequest()
    log = EventLog(site.settings.work, Role.WORKER)
    thread = threading.Thread(target=run_worker, args=(site.settings, site.agreement, log, stop, fail))
    thread.start()
    try:
        reply = until(site, courier_of(site), site.hello(), b"", Refused)
    finally:
        stop.set()
        thread.join(20)
    assert isinstance(reply, Refused)
    assert reply.code is RefusalCode.INTERNAL


def test_no_reply_contains_names_of_cases_or_paths(site: Site) -> None:
    bodies = []
    engine, base = FakeEngine(), base_model()
    with working_site(site, engine) as courier:
        cohort = ready(site, courier).cohort
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

    monkeypatch.setattr("wardround.federation.event_log.append_durably", full)
    base = base_model()
    task = site.task(Stage.TRAIN, 1, base, "c" * 64)
    reply, _ = ask(site, courier_of(site), task, base)
    assert isinstance(reply, Refused)
    assert reply.code is RefusalCode.DISK_FULL


def test_a_task_that_would_fill_the_disk_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wardround.site_client.between.folders._HEADROOM", 2**60)
    base = base_model()
    task = site.task(Stage.TRAIN, 1, base, "c" * 64)
    assert refusal(site, courier_of(site), site.sealed(task, base)) is RefusalCode.DISK_FULL
    assert not (site.settings.work / "tasks" / str(task.work_key)).exists()


def test_a_result_is_signed_and_sent_while_the_worker_is_away(site: Site) -> None:
    """The courier may die before the outbox is written, and the worker afterwards: nothing finished is lost."""
    engine, base = FakeEngine(), base_model()
    with working_site(site, engine) as courier:
        task = site.task(Stage.TRAIN, 1, base, ready(site, courier).cohort)
        first = courier.handle(site.sealed(task, base))
    (site.settings.work / "outbox" / str(task.work_key) / "body.json").unlink()
    assert courier_of(site).handle(site.sealed(task)) == first


def test_a_new_plan_clears_away_the_work_of_the_former_one(site: Site) -> None:
    base = base_model()
    former = site.task(Stage.TRAIN, 3, base, "c" * 64).model_copy(update={"plan": "d" * 64})
    courier = courier_of(site)
    courier._tools.tasks.put(str(former.work_key), site.sealed(former, base))
    task = site.task(Stage.TRAIN, 1, base, "c" * 64)
    ask(site, courier, task, base)
    assert [path.name for path in (site.settings.work / "tasks").iterdir()] == [task.work_key]


def test_the_end_of_a_run_is_told_and_what_it_needed_no_more_goes(site: Site) -> None:
    base, model = base_model(), base_model(2)
    with working_site(site, FakeEngine()) as courier:
        cohort = ready(site, courier).cohort
        task = site.task(Stage.TRAIN, ROUNDS, base, cohort)
        until(site, courier, task, base, Done)
        final = site.task(Stage.EVALUATE, ROUNDS + 1, model, cohort, accepted=task.work_key)
        until(site, courier, final, model, Done)
        scored = ask(site, courier, final)[0]
        assert isinstance(scored, Done)
        end = site.hello().model_copy(update={"stage": Stage.CONCLUDE, "round": ROUNDS, "accepted": task.work_key})
        for _ in range(2):
            answer, _update = ask(site, courier, end)
            assert answer == Concluded(site="north", ask=end.ask, plan=end.plan)
        assert site.events(Role.COURIER).count(Event.RUN_COMPLETE) == 1
        assert f"complete (after {ROUNDS} rounds)" in "\n".join(describe_status(site.settings))
        work = site.settings.work
        assert list((work / "tasks").iterdir()) == []
        assert list((work / "outbox").iterdir()) == []
        again = until(site, courier, final, model, Done)
        assert isinstance(again, Done)
        assert again.metrics == scored.metrics, "one who lost the reply after the end may have it again"
        assert ask(site, courier, end.model_copy(update={"round": ROUNDS + 1}))[0].type == "refused"
        assert isinstance(until(site, courier, site.task(Stage.TRAIN, ROUNDS, model, cohort), model, Done), Done)
        assert "complete" not in "\n".join(describe_status(site.settings)), "the aggregator was set back"


def test_an_aggregator_of_the_first_release_hears_of_no_feature(site: Site) -> None:
    with working_site(site, FakeEngine()) as courier:
        assert ready(site, courier).features == ()
        newer = site.hello().model_copy(update={"features": ("conclude",)})
        answer, _ = ask(site, courier, newer)
        assert isinstance(answer, Ready)
        assert "conclude" in answer.features


@pytest.mark.parametrize(
    ("leaves", "names"),
    [
        (Leaves(test=False), {"dice", "loss"}),
        (Leaves(metrics=("dice",)), {"dice", "test.dice"}),
        (Leaves(metrics=("loss",), test=False), {"loss"}),
        (Leaves(metrics=()), set()),
    ],
)
def test_only_what_the_plan_speaks_of_leaves(tmp_path: Path, leaves: Leaves, names: set[str]) -> None:
    site = build_site(tmp_path / "site")
    plan = site.invitation.plan.model_copy(update={"leaves": leaves})
    site = replace(site, invitation=site.invitation.model_copy(update={"plan": plan}))
    pin(site.settings.accepted, SignedInvitation.by(site.invitation, site.coordinator))
    engine, base = FakeEngine(), base_model()
    with working_site(site, engine) as courier:
        cohort = ready(site, courier).cohort
        trained = until(site, courier, site.task(Stage.TRAIN, ROUNDS, base, cohort), base, Done)
        scored = until(site, courier, site.task(Stage.EVALUATE, ROUNDS + 1, base, cohort), base, Done)
    assert isinstance(trained, Done)
    assert isinstance(scored, Done)
    assert set(scored.metrics) == names
    assert (trained.loss is not None) is ("loss" in names)
    assert ("evaluate test" in engine.calls) is leaves.test


def test_the_model_is_scored_when_the_plan_says_so(tmp_path: Path) -> None:
    site = build_site(tmp_path / "site")
    plan = site.invitation.plan.model_copy(update={"validation": Checks(every=ROUNDS + 1, max_cases=3)})
    site = replace(site, invitation=site.invitation.model_copy(update={"plan": plan}))
    pin(site.settings.accepted, SignedInvitation.by(site.invitation, site.coordinator))
    engine, base = FakeEngine(), base_model()
    with working_site(site, engine) as courier:
        cohort = ready(site, courier).cohort
        first = until(site, courier, site.task(Stage.TRAIN, 1, base, cohort), base, Done)
        second = until(site, courier, site.task(Stage.TRAIN, 2, base, cohort), base, Done)
        last = until(site, courier, site.task(Stage.EVALUATE, ROUNDS + 1, base, cohort), base, Done)
    assert isinstance(first, Done)
    assert isinstance(second, Done)
    assert isinstance(last, Done)
    assert set(first.metrics) == {"dice", "loss"}
    assert second.metrics == {}
    assert {"dice", "test.dice"} <= set(last.metrics)
    assert [call for call in engine.calls if call.startswith("evaluate")] == [
        "evaluate validation, at most 3",
        "evaluate validation, at most 3",
        "evaluate test",
    ]


@pytest.mark.parametrize("reason", [reason for reason in EndReason if reason is not EndReason.COMPLETE])
def test_a_run_that_was_stopped_keeps_what_going_on_would_need(site: Site, reason: EndReason) -> None:
    base, model = base_model(), base_model(2)
    with working_site(site, FakeEngine()) as courier:
        cohort = ready(site, courier).cohort
        task = site.task(Stage.TRAIN, 1, base, cohort)
        until(site, courier, task, base, Done)
        kept = courier.handle(site.sealed(task))
        end = site.hello().model_copy(update={"stage": Stage.CONCLUDE, "round": 1, "end": reason})
        for _ in range(2):
            answer, _update = ask(site, courier, end)
            assert answer == Concluded(site="north", ask=end.ask, plan=end.plan)
        assert site.events(Role.COURIER).count(Event.RUN_ENDED) == 1
        assert Event.RUN_COMPLETE not in site.events(Role.COURIER)
        assert ending_line(reason) in "\n".join(describe_status(site.settings))
        assert courier.handle(site.sealed(task)) == kept
        onwards = site.task(Stage.TRAIN, 2, model, cohort, accepted=task.work_key)
        until(site, courier, onwards, model, Done)
        assert "has ended" not in "\n".join(describe_status(site.settings))
