"""The courier process: network and keys, no data. It believes only what is signed, and sends only what has passed."""

from __future__ import annotations

import contextlib
import secrets
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import ValidationError

from wardround import __version__
from wardround.engine.basics.files import DamagedError
from wardround.engine.basics.problems import InputError
from wardround.federation.envelope import Envelope
from wardround.federation.protocol import (
    FEATURES,
    TEST_CASES,
    Concluded,
    Digest,
    Done,
    Missing,
    Ready,
    RefusalCode,
    Refused,
    Reply,
    Stage,
    Task,
    Working,
    task_key,
)
from wardround.federation.sealing import SealError, open_task, seal_reply
from wardround.federation.stages import TERMS
from wardround.site_client.agreement.account import Account
from wardround.site_client.agreement.agreement import Refusal, check_membership, policy_in_force, strategy_in_force
from wardround.site_client.agreement.settings import Policy
from wardround.site_client.between.folders import WorkResult
from wardround.site_client.between.health import HealthFile
from wardround.site_client.between.socket import Ask, AskWorker, Fault, Phase, WorkerReport, WorkerUnreachableError
from wardround.site_client.courier.answers import (
    check_length,
    check_place,
    code_for,
    megabytes,
    named_work,
    other_plan,
    refused,
    state_of,
    working,
)
from wardround.site_client.courier.farewell import Farewell
from wardround.site_client.courier.guard import Outgoing, ReplyGuard
from wardround.site_client.courier.keeping import Keeping
from wardround.site_client.courier.own_report import is_complete
from wardround.site_client.courier.peer import PeerFile
from wardround.site_client.courier.tools import CourierTools
from wardround.site_client.events import Event

_SLICE_SECONDS = 0.5
_REFUSED_FOR_GOOD = frozenset(
    {
        RefusalCode.BAD_MODEL,
        RefusalCode.BAD_SIGNATURE,
        RefusalCode.COHORT_CHANGED,
        RefusalCode.MALFORMED,
        RefusalCode.PLAN_NOT_ACCEPTED,
        RefusalCode.PROTOCOL,
    }
)
"""The worker's refusals of a task itself: it is not kept."""
_LONGEST_ABSENCE = 120.0


class Courier:
    """Answers the aggregator's messages, one at a time, each within the settings' `answer_seconds` or little more."""

    def __init__(self, tools: CourierTools, ask: AskWorker) -> None:
        self._tools = tools
        self._ask = ask
        self._account = Account(tools.settings.work / "account", tools.agreement.plan, self._say_mended)
        self._keeping = Keeping(tools.tasks, tools.results, tools.outbox, tools.log)
        self._peer = PeerFile(tools.settings.work)
        self._farewell = Farewell(tools.settings, tools.agreement, self._keeping, tools.log)
        self._away_since: float | None = None
        self._told = ""
        self._at_once: Mapping[Stage, Callable[[Task, Policy], Reply]] = {
            Stage.HELLO: self._hello,
            Stage.CONCLUDE: self._conclude,
        }

    def sweep(self) -> None:
        """Remove what a killed courier left half-written, and tasks of a former key. Once, before the first message."""
        self._keeping.sweep()
        self._look_for_the_account()
        with contextlib.suppress(Refusal):  # an account that is damaged is told when a task comes
            if self._account.tally().concluded is not None:
                self._wind_up()  # what a kill or a full disk has kept from being done
        self._keeping.forget_those_of_a_former_key(self._tools.agreement.invitation.coordinator_key)

    def _look_for_the_account(self) -> None:
        """Say so where work was done for the accepted plan and nothing is written down about it any more."""
        plan = self._tools.agreement.plan.digest
        with contextlib.suppress(Refusal):  # one that is damaged is told when a task comes
            known = any(task.plan == plan for _, task in self._tools.tasks.all())
            if known and self._account.tally().works == 0:
                self._tools.log.record_fault(Event.ACCOUNT_LOST, file=str(self._tools.settings.work / "account"))

    def is_over(self) -> bool:
        """Whether the run has ended, as far as this site was told."""
        with contextlib.suppress(Refusal):
            return self._account.tally().concluded is not None
        return False

    def handle(self, envelope: Envelope) -> Envelope:
        """The signed answer to one message. Never raises: what fails is refused by code, and logged with its reason."""
        task: Task | None = None
        try:
            task = open_task(envelope, self._tools.agreement.invitation.coordinator_key)
            self._check(task)
            return self._answer(task, envelope)
        except Exception as error:
            # An exception must not end the courier, and its text must not leave the site.
            return self._refuse(task, error)

    def _check(self, task: Task) -> None:
        if task.site != self._tools.settings.name:
            raise Refusal(RefusalCode.NOT_FOR_THIS_SITE, "the task names another site")
        plan = self._tools.agreement.plan
        if task.plan != plan.digest:
            raise other_plan(self._tools.agreement, task)
        check_place(plan, self._tools.agreement.study, task)

    def _policy(self) -> Policy:
        tools = self._tools
        policy = policy_in_force(tools.settings.policy, tools.agreement)
        try:
            check_membership(tools.settings, tools.keys, tools.agreement)
        except InputError as error:
            raise Refusal(RefusalCode.ROSTER_NOT_ACCEPTED, str(error)) from error
        return policy

    def _answer(self, task: Task, envelope: Envelope) -> Envelope:
        policy, agreement = self._policy(), self._tools.agreement
        if not TERMS[task.stage].is_work:
            return self._seal(self._at_once[task.stage](task, policy))
        strategy, key = strategy_in_force(agreement), named_work(task)
        kept = self._keeping.reply(key, self._tools.keys.signing_public)
        if kept is not None:
            return self._send(task, key, kept)
        self._check_cohort(task, key)
        if not self._tools.tasks.has(key) and not self._take(task, key, envelope, policy):
            return self._seal(Missing(site=task.site, ask=task.ask, work_key=key))
        self._tools.arriving.clear()
        leaves, understood = agreement.plan.outgoing, self._peer.features()
        guard = ReplyGuard(agreement.study, policy, self._tools.settings.name, leaves, understood, strategy.sharing)
        return self._work(task, key, guard)

    def _conclude(self, task: Task, policy: Policy) -> Concluded:
        """The run has ended, whatever the policy says now: say so once.

        If it is complete, keep nothing that only a next round would have needed.
        """
        if self._account.conclude(task):
            self._farewell.say(task)
        self._wind_up()
        return Concluded(site=task.site, ask=task.ask, plan=task.plan)

    def _wind_up(self) -> None:
        complete = is_complete(self._account.tally())
        self._farewell.wind_up(complete=complete)
        if complete:
            self._tools.arriving.clear()

    def _hello(self, task: Task, policy: Policy) -> Reply:
        self._peer.note(task.features)
        strategy_in_force(self._tools.agreement)
        report = self._reach(Ask(do="status"))
        if report is None:
            return self._without_worker(task)
        if report.readiness == "preparing":
            return Working(site=task.site, ask=task.ask, phase="preparing")
        if report.cohort is None:
            return self._passed_on(task, report)
        ReplyGuard(self._tools.agreement.study, policy, self._tools.settings.name).admit(report.cohort)
        counts = {
            "train_cases": report.cohort.train_cases,
            "validation_cases": report.cohort.validation_cases,
        }
        self._tools.log.record(Event.HELLO_ANSWERED, **counts)
        return Ready(
            site=task.site,
            ask=task.ask,
            plan=task.plan,
            cohort=report.cohort.digest,
            version=__version__,
            features=FEATURES if task.features else (),
            test_cases=report.cohort.test_cases if TEST_CASES in task.features else None,
            **counts,
        )

    def _take(self, task: Task, key: Digest, envelope: Envelope, policy: Policy) -> bool:
        """Keep a new task for the worker; False when its model has not come with it.

        Nothing is written before it is known that the work is agreed to, not refused before, and that it has room.
        """
        log = self._tools.log
        self._account.check(task, policy.allowance)
        if not envelope.payload:
            log.record(Event.MODEL_MISSING, work_key=key, round=task.round)
            return False
        check_length(task, envelope.payload)
        self._check_not_refused(key)
        try:
            self._keeping.make_way(task, key)
            self._keeping.make_room(key, len(envelope.payload), 10**6 * policy.task_megabytes)
            self._account.take(task, policy.allowance)
            self._tools.tasks.put(key, envelope)
        except InputError as error:
            raise Refusal(RefusalCode.DISK_FULL, str(error)) from error
        log.record(
            Event.TASK_PULLED,
            work_key=key,
            stage=task.stage.value,
            round=task.round,
            megabytes=megabytes(envelope.payload),
        )
        return True

    def _check_not_refused(self, key: Digest) -> None:
        """Refuse again what the worker has refused for good, before its model fills the disk once more."""
        report = self._reach(Ask(do="wait", work_key=key))
        fault = report.work.fault if report is not None and report.work is not None else None
        if fault is not None and fault.code in _REFUSED_FOR_GOOD:
            raise Refusal(fault.code, f"the worker has refused this task, see its log under {fault.correlation}")

    def _work(self, task: Task, key: Digest, guard: ReplyGuard) -> Envelope:
        """Have the worker do it; wait for a while; seal the result if there is one by then."""
        self._reach(Ask(do="start", work_key=key))
        report = self._wait(key)
        if self._tools.results.has(key):
            return self._finish(task, key, guard)
        if not self._tools.tasks.has(key):
            return self._seal(Missing(site=task.site, ask=task.ask, work_key=key))
        self._tools.arriving.clear()
        if report is None or report.work is None:
            return self._seal(self._without_worker(task))
        if report.readiness == "broken" or report.work.state == "refused":
            return self._seal(self._passed_on(task, report))
        return self._seal(working(task, key, report))

    def _without_worker(self, task: Task) -> Reply:
        """The answer while nobody answers on the worker's socket: it starts, or it keeps ending."""
        self._away_since = self._away_since or time.monotonic()
        trouble = HealthFile(self._tools.settings.work).trouble()
        if trouble is None and time.monotonic() - self._away_since >= _LONGEST_ABSENCE:
            trouble = RefusalCode.WORKER_FAILED
        if isinstance(trouble, Fault):
            return self._say_fault(task, trouble)
        if trouble is not None:
            raise Refusal(trouble, "the worker does not run: see its log, and the supervisor's or systemd's")
        phase: Phase = "preparing" if task.work_key is None else "queued"
        return Working(site=task.site, ask=task.ask, work_key=task.work_key, phase=phase)

    def _check_cohort(self, task: Task, key: Digest) -> None:
        """Refuse at once what the worker would refuse, if it is ready to say what its cohort is."""
        report = self._reach(Ask(do="status"))
        if report is None or report.cohort is None or task.base is None:
            return
        if task_key(task, report.cohort.digest) != key:
            raise Refusal(RefusalCode.COHORT_CHANGED, "the work key is not that of the cohort that is here now")

    def _wait(self, key: Digest) -> WorkerReport | None:
        deadline = time.monotonic() + self._tools.settings.answer_seconds
        report = self._reach(Ask(do="wait", work_key=key))
        while not self._tools.results.has(key) and time.monotonic() < deadline and not self._tools.stop.is_set():
            if report is None:
                self._tools.stop.wait(_SLICE_SECONDS)
            elif report.readiness == "broken" or state_of(report) == "refused" or not self._tools.tasks.has(key):
                break
            report = self._reach(Ask(do="wait", work_key=key, seconds=_SLICE_SECONDS))
            if state_of(report) == "unknown":
                self._reach(Ask(do="start", work_key=key))
        return report

    def _finish(self, task: Task, key: Digest, guard: ReplyGuard) -> Envelope:
        """Pass a result through the guard, sign it, and keep it: from now on these bytes are the answer."""
        tools = self._tools
        try:
            result, outgoing = self._release(task, key, guard)
        except DamagedError as error:
            return self._seal(self._mend(task, key, error))
        except Refusal:
            # What may not leave is of no use: when it is asked for again, the worker does it anew.
            tools.results.remove(key)
            raise
        if outgoing.withheld:
            tools.log.record(Event.METRICS_WITHHELD, work_key=key, names=", ".join(outgoing.withheld))
        sealed = seal_reply(outgoing.reply, outgoing.update, tools.keys.signing)
        tools.log.record(Event.REPLY_SEALED, work_key=key, round=task.round)
        self._account.release(task, outgoing.reply.update, guard.policy.allowance)
        tools.outbox.put(key, sealed)
        tools.log.record(Event.OUTBOX_WRITTEN, work_key=key, round=task.round, digest=outgoing.reply.update)
        self._farewell.note(task, result, outgoing, sealed)
        return self._send(task, key, sealed)

    def _release(self, task: Task, key: Digest, guard: ReplyGuard) -> tuple[WorkResult, Outgoing]:
        tools = self._tools
        try:
            result = tools.results.get(key)
        except ValidationError as error:
            raise Refusal(RefusalCode.REPLY_BLOCKED, "the worker's result is not of the declared form") from error
        update = tools.results.update(key, result.update)
        return result, guard.release(task, result, update, tools.tasks.base(key, task.base))

    def _mend(self, task: Task, key: Digest, error: DamagedError) -> Reply:
        """A damaged result is made again, a damaged model asked for again."""
        if self._tools.results.root in error.path.parents:
            self._keeping.damaged(key, error.path, "the work is done again")
            self._reach(Ask(do="start", work_key=key))
            return Working(site=task.site, ask=task.ask, work_key=key, phase="queued")
        self._keeping.damaged(key, error.path, "the model is asked for again")
        return Missing(site=task.site, ask=task.ask, work_key=key)

    def _send(self, task: Task, key: Digest, sealed: Envelope) -> Envelope:
        self._tools.log.record(Event.REPLY_SENT, work_key=key, round=task.round, megabytes=megabytes(sealed.payload))
        return sealed

    def _passed_on(self, task: Task, report: WorkerReport) -> Refused:
        """A refusal of the worker, whose reason stands in the worker's log under the same correlation."""
        fault = report.work.fault if report.work is not None and report.work.fault is not None else report.fault
        if fault is None:
            raise RuntimeError("the worker refuses without saying why")
        if task.work_key is not None and fault.code in _REFUSED_FOR_GOOD:
            self._keeping.forget(task.work_key)
        return self._say_fault(task, fault)

    def _say_mended(self, file: Path) -> None:
        self._tools.log.record(Event.DAMAGE_FOUND, file=str(file), remedy="it was made again from its copy")

    def _say_fault(self, task: Task, fault: Fault) -> Refused:
        # The aggregator asks again while a fault lasts, such as a full disk: one line tells of it.
        if fault.correlation != self._told:
            self._told, facts = fault.correlation, fault.model_dump(mode="json")
            self._tools.log.record(Event.TASK_REFUSED, **facts, reason="see the worker's log")
        return Refused(
            site=task.site, ask=task.ask, work_key=task.work_key, code=fault.code, correlation=fault.correlation
        )

    def _refuse(self, task: Task | None, error: Exception) -> Envelope:
        correlation, code = secrets.token_hex(8), code_for(error)
        known = isinstance(error, Refusal | SealError)
        reason = str(error) if known else "".join(traceback.format_exception(error))
        self._tools.log.record_fault(Event.TASK_REFUSED, code=code.value, correlation=correlation, reason=reason)
        return self._seal(refused(self._tools.settings.name, self._tools.agreement, task, code, correlation))

    def _reach(self, ask: Ask) -> WorkerReport | None:
        try:
            report = self._ask(ask)
        except WorkerUnreachableError:
            return None
        self._away_since = None
        return report

    def _seal(self, reply: Reply) -> Envelope:
        if isinstance(reply, Done):
            raise TypeError("a finished reply is sealed once, by _finish")
        return seal_reply(reply, b"", self._tools.keys.signing)
