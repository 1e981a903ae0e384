"""The courier process: network and keys, no data. It believes only what is signed, and sends only what has passed."""

from __future__ import annotations

import errno
import secrets
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from wardround import __version__
from wardround.engine.basics.problems import InputError
from wardround.federation.envelope import Envelope
from wardround.federation.identities import SiteKeys
from wardround.federation.protocol import (
    FEATURES,
    NO_ASK,
    TEST_CASES,
    Digest,
    Done,
    Missing,
    Plan,
    Ready,
    RefusalCode,
    Refused,
    Reply,
    Stage,
    Task,
    Working,
    work_key,
)
from wardround.federation.sealing import SealError, open_task, seal_reply
from wardround.site_client.agreement import Agreement, Refusal, check_membership, check_policy
from wardround.site_client.channel import Ask, WorkerReport, WorkerUnreachableError, WorkReport, ask_worker, socket_path
from wardround.site_client.events import Event, EventLog
from wardround.site_client.mailbox import Outbox, Results, Tasks
from wardround.site_client.outbound import Border, Outgoing
from wardround.site_client.settings import Policy, SiteSettings, load_policy

_SLICE_SECONDS = 0.5
_ROUNDS_KEPT = 3

AskWorker = Callable[[Ask], WorkerReport]


@dataclass(frozen=True)
class Office:
    """What the courier works with."""

    settings: SiteSettings
    agreement: Agreement
    keys: SiteKeys
    log: EventLog
    stop: threading.Event

    @property
    def tasks(self) -> Tasks:
        """Accepted tasks, for the worker."""
        return Tasks(self.settings.work / "tasks")

    @property
    def results(self) -> Results:
        """What the worker has finished."""
        return Results(self.settings.work / "results")

    @property
    def outbox(self) -> Outbox:
        """Signed replies."""
        return Outbox(self.settings.work / "outbox")


class Courier:
    """Answers the aggregator's messages, one at a time, each within the settings' `answer_seconds` or little more."""

    def __init__(self, office: Office, ask: AskWorker) -> None:
        self._office = office
        self._ask = ask

    def handle(self, envelope: Envelope) -> Envelope:
        """The signed answer to one message. Never raises: what fails is refused by code, and logged with its reason."""
        task: Task | None = None
        try:
            task = open_task(envelope, self._office.agreement.invitation.coordinator_key)
            self._check(task)
            return self._answer(task, envelope)
        except Exception as error:
            # An exception must not end the courier, and its text must not leave the site.
            return self._refuse(task, error)

    def _check(self, task: Task) -> None:
        if task.site != self._office.settings.name:
            raise Refusal(RefusalCode.NOT_FOR_THIS_SITE, "the task names another site")
        plan = self._office.agreement.plan
        if task.plan != plan.digest:
            raise _other_plan(plan, task)
        if task.stage is Stage.HELLO:
            return
        if not 1 <= task.round <= plan.horizon.rounds + (task.stage is Stage.EVALUATE):
            raise Refusal(RefusalCode.HORIZON_NOT_ACCEPTED, f"round {task.round} is beyond the accepted horizon")
        if task.work_key is None or task.base is None:
            raise Refusal(RefusalCode.MALFORMED, "the task names no work or no model")

    def _policy(self) -> Policy:
        office = self._office
        try:
            policy = load_policy(office.settings.policy)
            check_policy(policy, office.agreement)
        except InputError as error:
            raise Refusal(RefusalCode.POLICY, str(error)) from error
        try:
            check_membership(office.settings, office.keys, office.agreement)
        except InputError as error:
            raise Refusal(RefusalCode.ROSTER_NOT_ACCEPTED, str(error)) from error
        return policy

    def _answer(self, task: Task, envelope: Envelope) -> Envelope:
        border = Border(self._office.agreement.study, self._policy(), self._office.settings.name)
        if task.stage is Stage.HELLO or task.work_key is None:
            return self._seal(self._hello(task, border))
        kept = self._office.outbox.get(task.work_key)
        if kept is not None:
            return self._send(task, task.work_key, kept)
        self._prune(task)
        self._check_cohort(task, task.work_key)
        if not self._office.tasks.has(task.work_key) and not self._take(task, task.work_key, envelope):
            return self._seal(Missing(site=task.site, ask=task.ask, work_key=task.work_key))
        return self._work(task, task.work_key, border)

    def _hello(self, task: Task, border: Border) -> Reply:
        report = self._reach(Ask(do="status"))
        if report is None or report.readiness == "preparing":
            return Working(site=task.site, ask=task.ask, phase="preparing")
        if report.cohort is None:
            return self._passed_on(task, report)
        border.admit(report.cohort)
        counts = {
            "train_cases": report.cohort.train_cases,
            "validation_cases": report.cohort.validation_cases,
        }
        self._office.log.record(Event.HELLO_ANSWERED, **counts)
        return Ready(
            site=task.site,
            ask=task.ask,
            plan=task.plan,
            cohort=report.cohort.digest,
            version=__version__,
            features=FEATURES,
            test_cases=report.cohort.test_cases if TEST_CASES in task.features else None,
            **counts,
        )

    def _take(self, task: Task, key: Digest, envelope: Envelope) -> bool:
        """Keep a new task for the worker; False when its model has not come with it."""
        log = self._office.log
        if not envelope.payload:
            log.record(Event.MODEL_MISSING, work_key=key, round=task.round)
            return False
        try:
            self._office.tasks.put(key, envelope)
        except InputError as error:
            raise Refusal(RefusalCode.DISK_FULL, str(error)) from error
        log.record(
            Event.TASK_PULLED,
            work_key=key,
            stage=task.stage.value,
            round=task.round,
            megabytes=_megabytes(envelope.payload),
        )
        return True

    def _work(self, task: Task, key: Digest, border: Border) -> Envelope:
        """Have the worker do it; wait for a while; seal the result if there is one by then."""
        self._reach(Ask(do="start", work_key=key))
        report = self._wait(key)
        if self._office.results.has(key):
            return self._finish(task, key, border)
        if report is None or report.work is None:
            return self._seal(Working(site=task.site, ask=task.ask, work_key=key, phase="queued"))
        if report.readiness == "broken" or report.work.state == "refused":
            return self._seal(self._passed_on(task, report))
        return self._seal(_working(task, key, report))

    def _check_cohort(self, task: Task, key: Digest) -> None:
        """Refuse at once what the worker would refuse, if it is ready to say what its cohort is."""
        report = self._reach(Ask(do="status"))
        if report is None or report.cohort is None or task.base is None:
            return
        if work_key(task.plan, task.stage, task.round, task.base, report.cohort.digest) != key:
            raise Refusal(RefusalCode.COHORT_CHANGED, "the work key is not that of the cohort that is here now")

    def _wait(self, key: Digest) -> WorkerReport | None:
        deadline = time.monotonic() + self._office.settings.answer_seconds
        report = self._reach(Ask(do="wait", work_key=key))
        while not self._office.results.has(key) and time.monotonic() < deadline and not self._office.stop.is_set():
            if report is None:
                self._office.stop.wait(_SLICE_SECONDS)
            elif report.readiness == "broken" or _state(report) == "refused":
                break
            report = self._reach(Ask(do="wait", work_key=key, seconds=_SLICE_SECONDS))
            if _state(report) == "unknown":
                self._reach(Ask(do="start", work_key=key))
        return report

    def _finish(self, task: Task, key: Digest, border: Border) -> Envelope:
        """Pass a result through the guard, sign it, and keep it: from now on these bytes are the answer."""
        office = self._office
        try:
            outgoing = self._release(task, key, border)
        except Refusal:
            # What may not leave is of no use: when it is asked for again, the worker does it anew.
            office.results.remove(key)
            raise
        if outgoing.withheld:
            office.log.record(Event.METRICS_WITHHELD, work_key=key, names=", ".join(outgoing.withheld))
        sealed = seal_reply(outgoing.reply, outgoing.update, office.keys.signing)
        office.log.record(Event.REPLY_SEALED, work_key=key, round=task.round)
        office.outbox.put(key, sealed)
        office.log.record(Event.OUTBOX_WRITTEN, work_key=key, round=task.round, digest=outgoing.reply.update)
        return self._send(task, key, sealed)

    def _release(self, task: Task, key: Digest, border: Border) -> Outgoing:
        office = self._office
        try:
            result = office.results.get(key)
            update = office.results.update(key) if result.update is not None else b""
        except ValidationError as error:
            raise Refusal(RefusalCode.REPLY_BLOCKED, "the worker's result is not of the declared form") from error
        return border.release(task, result, update, office.tasks.base(key))

    def _send(self, task: Task, key: Digest, sealed: Envelope) -> Envelope:
        self._office.log.record(Event.REPLY_SENT, work_key=key, round=task.round, megabytes=_megabytes(sealed.payload))
        return sealed

    def _prune(self, task: Task) -> None:
        """Forget what no task will ask for again: the accepted round and those before it, and what is long past."""
        office = self._office
        if task.work_key is None or office.tasks.has(task.work_key):
            return
        past = task.round if task.accepted is not None else task.round - _ROUNDS_KEPT
        for key in office.tasks.outdated(task, past):
            office.outbox.remove(key)
            office.tasks.remove(key)
            office.log.record(Event.OUTBOX_PRUNED, work_key=key)

    def _passed_on(self, task: Task, report: WorkerReport) -> Refused:
        """A refusal of the worker, whose reason stands in the worker's log under the same correlation."""
        fault = report.work.fault if report.work is not None and report.work.fault is not None else report.fault
        if fault is None:
            raise RuntimeError("the worker refuses without saying why")
        self._office.log.record(
            Event.TASK_REFUSED, code=fault.code.value, correlation=fault.correlation, reason="see the worker's log"
        )
        return Refused(
            site=task.site, ask=task.ask, work_key=task.work_key, code=fault.code, correlation=fault.correlation
        )

    def _refuse(self, task: Task | None, error: Exception) -> Envelope:
        correlation, code = secrets.token_hex(8), _code(error)
        known = isinstance(error, Refusal | SealError)
        reason = str(error) if known else "".join(traceback.format_exception(error))
        self._office.log.record_fault(Event.TASK_REFUSED, code=code.value, correlation=correlation, reason=reason)
        refused = Refused(
            site=self._office.settings.name,
            ask=task.ask if task is not None else NO_ASK,
            work_key=task.work_key if task is not None else None,
            code=code,
            correlation=correlation,
        )
        return self._seal(refused)

    def _reach(self, ask: Ask) -> WorkerReport | None:
        try:
            return self._ask(ask)
        except WorkerUnreachableError:
            return None

    def _seal(self, reply: Reply) -> Envelope:
        if isinstance(reply, Done):
            raise TypeError("a finished reply is sealed once, by _finish")
        return seal_reply(reply, b"", self._office.keys.signing)


def _other_plan(accepted: Plan, task: Task) -> Refusal:
    """Why a plan is not the accepted one, as far as the task says."""
    offered = task.offer
    if offered is None or offered.digest != task.plan:
        return Refusal(RefusalCode.PLAN_NOT_ACCEPTED, "the task names a plan that was not accepted")
    if offered.study != accepted.study:
        return Refusal(RefusalCode.STUDY_NOT_ACCEPTED, "the task names a study that was not accepted")
    if offered.horizon != accepted.horizon:
        return Refusal(RefusalCode.HORIZON_NOT_ACCEPTED, f"another horizon was offered: {offered.horizon}")
    if offered.roster != accepted.roster:
        return Refusal(RefusalCode.ROSTER_NOT_ACCEPTED, "the task names a roster that was not accepted")
    return Refusal(RefusalCode.PLAN_NOT_ACCEPTED, "federation, strategy or fold differ from the accepted plan")


def _state(report: WorkerReport | None) -> str | None:
    return report.work.state if report is not None and report.work is not None else None


def _working(task: Task, key: Digest, report: WorkerReport) -> Working:
    work = report.work or WorkReport(state="running")
    return Working(
        site=task.site,
        ask=task.ask,
        work_key=key,
        phase="preparing" if report.readiness == "preparing" else work.phase,
        step=work.step,
        steps=work.steps,
        seconds_left=work.seconds_left,
    )


def _code(error: Exception) -> RefusalCode:
    if isinstance(error, Refusal | SealError):
        return error.code
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RefusalCode.DISK_FULL
    return RefusalCode.INTERNAL


def _megabytes(payload: bytes) -> float:
    return round(len(payload) / 1e6, 1)


def worker_at(settings: SiteSettings) -> AskWorker:
    """Asks the worker of this work folder."""
    path = socket_path(settings.work)
    return lambda ask: ask_worker(path, ask)
