"""The worker process: data and device, no network. It listens on a unix socket in the work folder and nowhere else."""

from __future__ import annotations

import contextlib
import errno
import secrets
import threading
import traceback
from collections.abc import Callable

from pydantic import JsonValue

from wardround.engine.basics.problems import InputError
from wardround.federation.protocol import RefusalCode
from wardround.site_client.agreement import Agreement, Refusal
from wardround.site_client.channel import Fault, listening, socket_path
from wardround.site_client.desk import Desk
from wardround.site_client.events import Event, EventLog
from wardround.site_client.laboratory import EngineLaboratory, HaltedError, Laboratory
from wardround.site_client.mailbox import Results
from wardround.site_client.processes import StopRequest
from wardround.site_client.settings import SiteSettings
from wardround.site_client.work import Workroom, allowed_training_cases, perform

OpenLaboratory = Callable[[SiteSettings, Agreement], Laboratory]
_SECONDS_BEFORE_ANOTHER_TRY = 20


class Worker:
    """Opens the cohort, keeps it warm, and does one piece of work after the other."""

    def __init__(self, room: Workroom, open_laboratory: OpenLaboratory = EngineLaboratory.open) -> None:
        self._room = room
        self._open_laboratory = open_laboratory
        self._laboratory: Laboratory | None = None
        self._unusable: tuple[str, Fault] | None = None

    def run(self) -> None:
        """Work until the desk is closed. A cohort that cannot be used is tried again every 20 seconds."""
        self._resume()
        while not self._room.stop.is_set():
            laboratory = self._laboratory or self._prepare()
            if laboratory is None:
                self._pause()
                continue
            key = self._room.desk.next_work()
            if key is not None:
                self._work(laboratory, key)

    def _resume(self) -> None:
        newest = self._room.tasks.newest()
        if newest is not None and not self._room.results.has(newest):
            self._room.desk.resume(newest)

    def _prepare(self) -> Laboratory | None:
        room = self._room
        self._laboratory = None
        room.desk.preparing()
        try:
            allowed_training_cases(room)
            with room.stop.interruptible():
                self._laboratory = self._open_laboratory(room.settings, room.agreement)
        except Exception as error:
            # Whatever keeps the cohort from being used is told to the courier as a code, and tried again.
            room.desk.broken(self._note_once(error))
            return None
        self._unusable = None
        cohort = self._laboratory.cohort
        room.log.record(Event.COHORT_OPENED, **cohort.model_dump(mode="json"))
        room.desk.open_for(cohort)
        return self._laboratory

    def _pause(self) -> None:
        self._room.stop.wait(_SECONDS_BEFORE_ANOTHER_TRY)

    def _work(self, laboratory: Laboratory, key: str) -> None:
        room, fault = self._room, None
        try:
            current = laboratory if laboratory.is_current() else self._prepare()
            if current is None:
                raise Refusal(RefusalCode.COHORT_CHANGED, "the cohort has changed and cannot be opened")
            perform(room, current, key)
        except HaltedError:
            if not room.desk.closed:
                room.log.record(Event.TASK_SUPERSEDED, work_key=key)
        except Exception as error:
            # One piece of work fails; the worker goes on. The reason stays in this site's log.
            fault = self._note(error, Event.TASK_FAILED, work_key=key)
        room.desk.done(fault)

    def _note_once(self, error: Exception) -> Fault:
        """Note why the cohort cannot be used; the same reason again, found by another try, is the same fault."""
        if self._unusable is None or self._unusable[0] != str(error):
            self._unusable = str(error), self._note(error, Event.COHORT_UNUSABLE)
        return self._unusable[1]

    def _note(self, error: Exception, event: Event, **facts: JsonValue) -> Fault:
        fault = Fault(code=_code(error), correlation=secrets.token_hex(8))
        known = isinstance(error, Refusal | InputError)
        reason = getattr(error, "reason", str(error)) if known else "".join(traceback.format_exception(error))
        self._room.log.record_fault(event, code=fault.code.value, correlation=fault.correlation, reason=reason, **facts)
        return fault


def _code(error: Exception) -> RefusalCode:
    if isinstance(error, Refusal):
        return error.code
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RefusalCode.DISK_FULL
    return RefusalCode.INTERNAL


def run_worker(
    settings: SiteSettings,
    agreement: Agreement,
    log: EventLog,
    stop: StopRequest,
    open_laboratory: OpenLaboratory = EngineLaboratory.open,
) -> None:
    """Serve the courier until `stop` is set. The unfinished task of an earlier process is resumed by itself."""
    desk = Desk(Results(settings.work / "results").has)
    room = Workroom(settings, agreement, log, desk, stop)
    with listening(socket_path(settings.work), desk.answer) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        threading.Thread(target=_close_after, args=(stop, desk), daemon=True).start()
        log.record(Event.STARTED)
        with contextlib.suppress(KeyboardInterrupt):
            Worker(room, open_laboratory).run()
        server.shutdown()
    log.record(Event.STOPPED)


def _close_after(stop: StopRequest, desk: Desk) -> None:
    stop.wait()
    desk.close()
