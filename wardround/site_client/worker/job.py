"""One piece of work from task to result. Each finished part is kept on disk and never done twice."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.files import DamagedError, discard, read_checked, sweep_left_overs, write_checked
from wardround.engine.preprocessing.fitted import EMPTY
from wardround.engine.preprocessing.requests import Request
from wardround.federation.declared import TEST_PREFIX, UndeclaredError
from wardround.federation.envelope import Payload
from wardround.federation.payload import payload_digest
from wardround.federation.protocol import MetricName, MetricValue, RefusalCode, Stage, Task, WireModel, task_key
from wardround.federation.sealing import SealError, open_task
from wardround.federation.stages import TERMS, Needed
from wardround.federation.strategies.protocol import Sent
from wardround.federation.surveyed import check_request, request_from_bytes
from wardround.site_client.agreement.agreement import Agreement, Refusal, policy_in_force, strategy_in_force
from wardround.site_client.agreement.settings import SiteSettings
from wardround.site_client.between.folders import Results, Tasks, WorkResult, entries
from wardround.site_client.between.folders import sweep as sweep_entries
from wardround.site_client.events import Event, EventLog
from wardround.site_client.processes import StopRequest
from wardround.site_client.worker.carried import CarriedState
from wardround.site_client.worker.engine import SiteEngine, Trained, TrainingJob, Watch
from wardround.site_client.worker.joining import opened, packed
from wardround.site_client.worker.shared_state import Pace, SharedState

_SPOKEN_EVERY = 10.0


class _Scores(WireModel):
    metrics: dict[MetricName, MetricValue]
    seconds: float


@dataclass(frozen=True)
class WorkerTools:
    """What the worker works with: files, log, shared state, and the request to end."""

    settings: SiteSettings
    agreement: Agreement
    log: EventLog
    shared: SharedState
    stop: StopRequest

    @property
    def tasks(self) -> Tasks:
        """What the courier has brought."""
        return Tasks.under(self.settings.work)

    @property
    def results(self) -> Results:
        """What the courier fetches."""
        return Results.under(self.settings.work)

    @property
    def state(self) -> CarriedState:
        """What is carried from round to round."""
        return CarriedState(self.settings.work / "state")

    @property
    def scratch(self) -> Path:
        """Checkpoints and finished evaluations of unfinished work."""
        return self.settings.work / "scratch"


@dataclass(frozen=True)
class _Order:
    """A task that has passed every check, with its model's arrays by name without group, or the request of a survey.

    `shared` are the arrays of other groups. `carried` is the state to begin with, or None when it was lost.
    """

    key: str
    task: Task
    model: Mapping[str, np.ndarray]
    shared: Mapping[str, np.ndarray] = field(default_factory=dict)
    request: Request | None = None
    carried: Mapping[str, bytes] | None = None


@dataclass(frozen=True)
class _Finished:
    """What a piece of work has given: result, packed update, and the seconds that validation took."""

    result: WorkResult
    update: bytes
    validating: float


class TaskGoneError(Exception):
    """The task is not here any more, or damaged; the courier will ask the aggregator for it again."""

    def __init__(self, file: str) -> None:
        super().__init__(file)
        self.file = file


def perform(tools: WorkerTools, engine: SiteEngine, key: str) -> None:
    """Do the work of a task and keep its result.

    Raises:
        Refusal: the task, its model or the cohort is not what this site works with.
        HaltedError: the process stops or newer work has come; what was done is kept.
        TaskGoneError: the task is not here, or was damaged on the disk and has been removed.
    """
    began = time.monotonic()
    order = _open(tools, engine, key)
    tools.log.record(Event.TASK_CLAIMED, work_key=key, stage=order.task.stage.value, round=order.task.round)
    change = engine.pin()
    if change is not None:
        tools.log.record(Event.COHORT_CHANGED, round=order.task.round, **change.model_dump())
    order = replace(order, carried=_settle(tools, order))
    finished = JOBS[order.task.stage](tools, engine, order, began)
    tools.shared.progress("packing")
    tools.results.put(key, finished.result, finished.update)
    tools.log.record(
        Event.RESULT_WRITTEN,
        work_key=key,
        stage=order.task.stage.value,
        round=order.task.round,
        seconds=round(finished.result.seconds, 1),
        validating=round(finished.validating, 1),
    )
    tidy(tools, key)


def tidy(tools: WorkerTools, key: str | None) -> None:
    """Remove the scratch of work that is finished or was given up for the work `key`, and results no longer asked for.

    The courier keeps what it has signed, and removes tasks; a result whose task is gone will not be asked for again.
    """
    for other in entries(tools.scratch):
        is_wanted = other == key or (key is None and tools.tasks.has(other))
        if not is_wanted or tools.results.has(other):
            shutil.rmtree(tools.scratch / other, ignore_errors=True)
    for other in entries(tools.results.root):
        if other != key and not tools.tasks.has(other):
            shutil.rmtree(tools.results.root / other, ignore_errors=True)


def sweep(tools: WorkerTools) -> None:
    """Remove what a killed worker left half-written. For the worker, before it begins."""
    left = sweep_entries(tools.results.root) + tools.state.sweep() + len(sweep_left_overs(tools.scratch))
    if left:
        tools.log.record_fault(Event.SWEPT, count=left)
    tidy(tools, None)


def _open(tools: WorkerTools, engine: SiteEngine, key: str) -> _Order:
    """The worker trusts the coordinator's signature, not the courier."""
    try:
        envelope = tools.tasks.get(key)
        task = open_task(envelope, tools.agreement.invitation.coordinator_key)
    except FileNotFoundError as error:
        raise TaskGoneError(str(error.filename)) from error
    except DamagedError as error:
        tools.tasks.remove(key)
        raise TaskGoneError(str(error.path)) from error
    except SealError as error:
        # The courier takes no model whose digest is not the task's: one that has another now was damaged here.
        if error.code is RefusalCode.BAD_MODEL or tools.tasks.has_changed(key):
            tools.tasks.remove(key)
            raise TaskGoneError(str(tools.tasks.root / key)) from error
        raise Refusal(error.code, error.detail) from error
    _check_task(tools, engine, key, task)
    return _OPENED[TERMS[task.stage].needs](tools, engine, _Order(key, task, {}), envelope.payload)


def _check_task(tools: WorkerTools, engine: SiteEngine, key: str, task: Task) -> None:
    if task.plan != tools.agreement.plan.digest:
        raise Refusal(RefusalCode.PLAN_NOT_ACCEPTED, "the task belongs to another plan")
    if task.work_key != key or task.base is None:
        raise Refusal(RefusalCode.MALFORMED, "the task names other work than its place says")
    cohort = engine.cohort
    if task_key(task, cohort.digest) != key:
        raise Refusal(RefusalCode.COHORT_CHANGED, "the work key is not that of the cohort that is here now")
    minimum = allowed_training_cases(tools)
    if cohort.train_cases < minimum:
        raise Refusal(RefusalCode.COHORT_TOO_SMALL, f"{cohort.train_cases} training cases, the policy wants {minimum}")


def allowed_training_cases(tools: WorkerTools) -> int:
    """The policy's minimum of training cases. Raises `Refusal` where it cannot be read or forbids the study."""
    return policy_in_force(tools.settings.policy, tools.agreement).minimum_train_cases


def _with_model(tools: WorkerTools, engine: SiteEngine, order: _Order, payload: Payload) -> _Order:
    tools.shared.progress("preparing")
    with tools.stop.interruptible():
        engine.prepare(order.task.fitted or EMPTY)
    model, shared = opened(payload, engine.schema, strategy_in_force(tools.agreement).sharing)
    return replace(order, model=model, shared=shared)


def _with_request(tools: WorkerTools, engine: SiteEngine, order: _Order, payload: Payload) -> _Order:
    try:
        request = request_from_bytes(bytes(payload))
        check_request(tools.agreement.study, request, order.task.exchange)
    except UndeclaredError as error:
        raise Refusal(RefusalCode.BEYOND_AGREEMENT, str(error)) from error
    return replace(order, request=request)


_OPENED: Mapping[Needed | None, Callable[[WorkerTools, SiteEngine, _Order, Payload], _Order]] = {
    Needed.MODEL: _with_model,
    Needed.REQUEST: _with_request,
}
"""How what came with a task is opened."""


def _settle(tools: WorkerTools, order: _Order) -> Mapping[str, bytes] | None:
    """Commit what was accepted and roll back the rest; the state to begin with, or None when it was lost."""
    settled = tools.state.settle(order.task.accepted, order.key, tools.tasks.has)
    if settled.committed is not None:
        tools.log.record(Event.STATE_COMMITTED, work_key=settled.committed)
    for key in settled.rolled_back:
        tools.log.record(Event.STATE_ROLLED_BACK, work_key=key)
    if not TERMS[order.task.stage].trains or order.task.accepted is None:
        return {}
    if settled.lost:
        tools.log.record(Event.STATE_LOST, work_key=order.task.accepted)
        return None
    try:
        return tools.state.committed(order.task.accepted)
    except DamagedError as error:
        # A fresh optimiser gives an honest update, flipped bits in its moments do not. The aggregator is told.
        aside = tools.state.set_aside(order.task.accepted)
        tools.log.record(Event.STATE_DAMAGED, work_key=order.task.accepted, file=str(aside / error.path.name))
        return None


def _evaluate(tools: WorkerTools, engine: SiteEngine, order: _Order) -> _Scores:
    path = tools.scratch / order.key / "evaluation.json"
    try:
        return _Scores.model_validate_json(read_checked(path))
    except FileNotFoundError:
        began = time.monotonic()
    except (DamagedError, ValidationError):
        tools.log.record(Event.DAMAGE_FOUND, work_key=order.key, file=str(path), remedy="the model is scored again")
        discard(path)
        began = time.monotonic()
    tools.shared.progress("evaluating")
    with tools.stop.interruptible():
        metrics, cases = _score(tools, engine, order)
    scores = _Scores(metrics=metrics, seconds=time.monotonic() - began)
    write_checked(path, canonical_model(scores))
    tools.log.record(Event.EVALUATION_DONE, work_key=order.key, cases=cases, seconds=round(scores.seconds, 1))
    return scores


def _score(tools: WorkerTools, engine: SiteEngine, order: _Order) -> tuple[dict[str, MetricValue], int]:
    """The incoming model's metrics, and over how many cases."""
    cohort = engine.cohort
    validation = tools.agreement.plan.checks
    metrics: dict[str, MetricValue] = {}
    cases = 0
    if not TERMS[order.task.stage].trains or tools.agreement.plan.scores_in(order.task.round):
        metrics = engine.evaluate(order.model, "validation", validation.max_cases)
        cases = min(cohort.validation_cases, validation.max_cases or cohort.validation_cases)
    if not _is_final(tools, order.task) or not tools.agreement.plan.outgoing.test:
        return metrics, cases
    found = engine.evaluate(order.model, "test")
    tested = {TEST_PREFIX + name: value for name, value in found.items()}
    return metrics | tested, cases + cohort.test_cases


def _is_final(tools: WorkerTools, task: Task) -> bool:
    """Test cases are used once: to score the model that the last round has made."""
    return TERMS[task.stage].scores_tests and task.round == tools.agreement.plan.horizon.rounds + 1


def _evaluate_only(tools: WorkerTools, engine: SiteEngine, order: _Order, began: float) -> _Finished:
    scores = _evaluate(tools, engine, order)
    result = WorkResult(
        update=None,
        train_cases=engine.cohort.train_cases,
        metrics=scores.metrics,
        loss=None,
        seconds=time.monotonic() - began,
    )
    return _Finished(result, b"", scores.seconds)


def _evaluate_and_train(tools: WorkerTools, engine: SiteEngine, order: _Order, began: float) -> _Finished:
    scores = _evaluate(tools, engine, order)
    trained = _train(tools, engine, order)
    sent, sharing = Sent(trained.shared, trained.numbers), strategy_in_force(tools.agreement).sharing
    update = packed(trained.model, sent, engine.schema, sharing)
    tools.state.put_pending(order.key, trained.carried)
    seconds = max(time.monotonic() - began, scores.seconds)
    result = WorkResult(
        update=payload_digest(update),
        train_cases=engine.cohort.train_cases,
        metrics=scores.metrics,
        loss=trained.loss,
        seconds=seconds,
        state_lost=order.carried is None,
        numbers=dict(trained.numbers),
    )
    return _Finished(result, update, scores.seconds)


def _survey(tools: WorkerTools, engine: SiteEngine, order: _Order, began: float) -> _Finished:
    """Answer a request over the training cases."""
    if order.request is None:
        raise Refusal(RefusalCode.MALFORMED, "the task has no request")
    tools.shared.progress("evaluating")
    with tools.stop.interruptible():
        summary = engine.summarise(order.request)
    asked = order.request.ask.words
    tools.log.record(Event.CASES_SURVEYED, work_key=order.key, cases=summary.cases, asked=asked)
    result = WorkResult(
        update=None,
        train_cases=engine.cohort.train_cases,
        metrics={},
        loss=None,
        seconds=time.monotonic() - began,
        summary=summary,
    )
    return _Finished(result, b"", 0.0)


JOBS: Mapping[Stage, Callable[[WorkerTools, SiteEngine, _Order, float], _Finished]] = {
    Stage.EVALUATE: _evaluate_only,
    Stage.SURVEY: _survey,
    Stage.TRAIN: _evaluate_and_train,
}
"""What the worker does at each stage of work; the last argument is when it began."""


def _train(tools: WorkerTools, engine: SiteEngine, order: _Order) -> Trained:
    steps = tools.agreement.plan.horizon.local_steps
    start = (order.task.round - 1) * steps
    job = TrainingJob(
        model=order.model,
        shared=order.shared,
        carried=order.carried or {},
        start=start,
        stop=start + steps,
        checkpoint=tools.scratch / order.key / "checkpoint.safetensors",
        identity=order.key,
        every_seconds=tools.settings.checkpoint_seconds,
        at_most_seconds=tools.settings.stated_loss,
    )
    tools.shared.progress("training", 0, steps)
    try:
        return engine.train(job, _watch(tools, order.key, start, steps))
    finally:
        _tell_of_damaged_checkpoints(tools, order, job.checkpoint)


def _tell_of_damaged_checkpoints(tools: WorkerTools, order: _Order, checkpoint: Path) -> None:
    """The engine sets a damaged checkpoint aside, and goes on from the one before it, or from the incoming model."""
    for path in checkpoint.parent.glob("*.damaged"):
        remedy = "the one before it was used, or the round begun again"
        tools.log.record(Event.DAMAGE_FOUND, work_key=order.key, file=str(path), remedy=remedy)
        discard(path)


def _watch(tools: WorkerTools, key: str, start: int, steps: int) -> Watch:
    pace, said, began = Pace(), time.monotonic(), False

    def on_step(step: int, loss: float) -> None:
        nonlocal said, began
        done = step - start
        if not began and done > 1:
            tools.log.record(Event.RESUMED, work_key=key, step=done - 1, steps=steps, round=start // steps + 1)
        began = True
        tools.shared.progress("training", done, steps, pace.seconds_left(done, steps))
        if time.monotonic() - said >= _SPOKEN_EVERY:
            said = time.monotonic()
            tools.log.record(Event.TRAINING_PROGRESS, work_key=key, step=done, steps=steps, loss=round(loss, 4))

    def on_checkpoint(step: int) -> None:
        tools.log.record(Event.CHECKPOINT_SAVED, work_key=key, step=step - start)

    return Watch(on_step, on_checkpoint, tools.shared.must_halt)
