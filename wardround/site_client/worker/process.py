"""The worker process: data and device, no network. It listens on a unix socket in the work folder and nowhere else."""

from __future__ import annotations

import contextlib
import random
import secrets
import threading
import time
import traceback
from collections.abc import Callable

from pydantic import JsonValue

from wardround.engine.basics.backoff import Backoff
from wardround.engine.basics.blame import faults_of
from wardround.engine.basics.grouping import in_short
from wardround.engine.basics.problems import InputError
from wardround.engine.cli.runner import ExitCode
from wardround.federation.protocol import RefusalCode
from wardround.site_client.agreement.agreement import Agreement, Refusal
from wardround.site_client.agreement.settings import SiteSettings
from wardround.site_client.between import faults
from wardround.site_client.between.folders import Results
from wardround.site_client.between.health import HealthFile
from wardround.site_client.between.socket import Fault, listening, socket_path
from wardround.site_client.events import Event, EventLog
from wardround.site_client.processes import FRESH_PROCESS, StopRequest
from wardround.site_client.worker.engine import HaltedError, SiteEngine, WarmEngine
from wardround.site_client.worker.job import TaskGoneError, WorkerTools, allowed_training_cases, perform, sweep, tidy
from wardround.site_client.worker.pinned import CohortPins, steps_note
from wardround.site_client.worker.shared_state import SharedState

OpenEngine = Callable[[SiteSettings, Agreement], SiteEngine]
_BEFORE_ANOTHER_TRY = Backoff(first=20, longest=160, spread=(1.0, 1.25))
_TIDY_EVERY = 60.0


class Worker:
    """Opens the cohort, keeps it warm, and does one piece of work after the other."""

    def __init__(self, tools: WorkerTools, open_engine: OpenEngine = WarmEngine.open) -> None:
        self._room = tools
        self._open_engine = open_engine
        self._engine: SiteEngine | None = None
        self._unusable: tuple[str, Fault] | None = None
        self._health = HealthFile(tools.settings.work)
        self._random = random.Random()
        self._in_a_row = 0
        self._shut_out = 0
        self._tidied = time.monotonic()
        self._is_spent = False

    def run(self) -> ExitCode | int:
        """Work until the shared state is closed, or until a fresh process is needed; the process's exit code.

        A cohort that cannot be used is tried again after 20 seconds, later after longer ones.
        """
        self._resume()
        while not self._room.stop.is_set():
            if self._engine is None:
                self._prepare()
            if self._is_spent:
                return FRESH_PROCESS
            if self._engine is None:
                self._pause()
                continue
            key = self._room.shared.next_work()
            if key is not None:
                self._work(key)
            elif time.monotonic() - self._tidied >= _TIDY_EVERY:
                self._tidied = time.monotonic()
                tidy(self._room, None)
        return ExitCode.OK

    def _resume(self) -> None:
        """Take up unfinished work again; not a task that a former key of the coordinator has signed: it comes anew."""
        tools, public = self._room, self._room.agreement.invitation.coordinator_key
        newest = tools.tasks.newest()
        if newest is not None and not tools.results.has(newest) and tools.tasks.is_signed(newest, public):
            tools.shared.resume(newest)

    def _prepare(self) -> None:
        """Open the cohort. Nobody else holds the former engine, so that its network is gone before a new one."""
        tools = self._room
        self._engine = None
        tools.shared.preparing()
        try:
            allowed_training_cases(tools)
            with tools.stop.interruptible():
                self._engine = self._open_engine(tools.settings, tools.agreement)
        except Exception as error:
            # Whatever keeps the cohort from being used is told to the courier as a code, and tried again.
            fault = self._note_once(error)
            tools.shared.broken(fault)
            self._count(fault)
            self._shut_out += 1
            return
        self._unusable, self._shut_out = None, 0
        cohort = self._engine.cohort
        tools.log.record_fault(Event.COHORT_OPENED, **cohort.model_dump(mode="json"))
        self._tell_of_other_steps()
        tools.shared.open_for(cohort)

    def _tell_of_other_steps(self) -> None:
        """An update amid a run may prepare the cases otherwise than before, and than other sites do."""
        tools = self._room
        pins = CohortPins.of(tools.settings.work, tools.agreement.plan.study)
        if (detail := steps_note(tools.agreement.study, pins.read())) != "":
            tools.log.record_fault(Event.STEPS_CHANGED, detail=detail)

    def _current(self) -> SiteEngine:
        """The engine of the cohort as it is now. Raises `Refusal` if that cannot be used."""
        if self._engine is None or not self._engine.is_current():
            self._prepare()
        if self._engine is None:
            raise Refusal(RefusalCode.COHORT_CHANGED, "the cohort has changed and cannot be opened")
        return self._engine

    def _pause(self) -> None:
        self._room.stop.wait(_BEFORE_ANOTHER_TRY.varied(self._shut_out, self._random))

    def _work(self, key: str) -> None:
        tools = self._room
        try:
            perform(tools, self._current(), key)
        except HaltedError:
            if not tools.shared.closed:
                tools.log.record_fault(Event.TASK_SUPERSEDED, work_key=key)
        except TaskGoneError as error:
            tools.log.record_fault(Event.DAMAGE_FOUND, work_key=key, file=error.file, remedy="it is asked for again")
        except Exception as error:
            # One piece of work fails; the worker goes on. The reason stays in this site's log.
            self._fail(error, key)
            return
        else:
            self._in_a_row = 0
            self._health.well()
        tools.shared.done()

    def _fail(self, error: Exception, key: str) -> None:
        fault = self._note(error, Event.TASK_FAILED, work_key=key)
        retry = faults.retry(fault.code, self._count(fault), self._random)
        if retry.seconds:
            self._room.log.record_fault(Event.RETRY_LATER, work_key=key, seconds=round(retry.seconds))
        self._room.shared.failed(fault, retry)

    def _count(self, fault: Fault) -> int:
        """Count a failure that a fresh process may mend; failures in a row, over all processes."""
        if not faults.is_of_the_process(fault.code):
            return 1
        self._in_a_row += 1
        if faults.needs_a_fresh_process(fault.code, self._in_a_row):
            self._room.log.record_fault(Event.FRESH_PROCESS, code=fault.code.value, failures=self._in_a_row)
            self._is_spent = True
        return self._health.failed(fault)

    def _note_once(self, error: Exception) -> Fault:
        """Note why the cohort cannot be used; the same reason again, found by another try, is the same fault."""
        if self._unusable is None or self._unusable[0] != _kind(error):
            self._unusable = _kind(error), self._note(error, Event.COHORT_UNUSABLE)
        return self._unusable[1]

    def _note(self, error: Exception, event: Event, **facts: JsonValue) -> Fault:
        fault = Fault(code=faults.code_of(error), correlation=secrets.token_hex(8))
        self._room.log.record_fault(
            event, code=fault.code.value, correlation=fault.correlation, reason=_reason(error), **facts
        )
        return fault


def _kind(error: Exception) -> str:
    """By what an error is the same as an earlier one: how much of a disk is free changes from one try to the next."""
    if isinstance(error, InputError):
        return "\n".join(f"{problem.where}: {problem.what}" for problem in error.problems)
    return str(error)


def _reason(error: Exception) -> str:
    if isinstance(error, InputError):
        where = "".join(
            dict.fromkeys(problem.traceback for problem in faults_of(error))
        )  # a package's author needs to know
        return "\n".join([in_short(error.problems, "; `site-client check` lists all"), *([where] if where else [])])
    return error.reason if isinstance(error, Refusal) else "".join(traceback.format_exception(error))


def run_worker(
    settings: SiteSettings,
    agreement: Agreement,
    log: EventLog,
    stop: StopRequest,
    open_engine: OpenEngine = WarmEngine.open,
) -> int:
    """Serve the courier until `stop` is set, or until a fresh process is needed; the process's exit code.

    The unfinished task of an earlier process is resumed by itself.
    """
    shared = SharedState(Results.under(settings.work).has)
    tools = WorkerTools(settings, agreement, log, shared, stop)
    health = HealthFile(settings.work)
    health.started()
    with listening(socket_path(settings.work), shared.answer) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        threading.Thread(target=_close_after, args=(stop, shared), daemon=True).start()
        log.record_fault(Event.STARTED)
        sweep(tools)
        code: int = ExitCode.OK
        with contextlib.suppress(KeyboardInterrupt):
            code = Worker(tools, open_engine).run()
        server.shutdown()
    if code == ExitCode.OK:
        health.well()
    log.record_fault(Event.STOPPED)
    return code


def _close_after(stop: StopRequest, shared: SharedState) -> None:
    stop.wait()
    shared.close()
