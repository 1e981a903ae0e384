"""What the courier does for its own hospital: a note of each piece of work, the model that stays, and a report."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from wardround.engine.basics.files import DamagedError
from wardround.engine.basics.problems import InputError
from wardround.engine.preprocessing.fitted import EMPTY
from wardround.federation.endings import EndReason, ending_line
from wardround.federation.envelope import Envelope
from wardround.federation.payload import PayloadError
from wardround.federation.protocol import Digest, Task
from wardround.federation.sealing import SealError, open_task
from wardround.federation.stages import TERMS, Needed
from wardround.site_client.agreement.agreement import Agreement
from wardround.site_client.agreement.settings import SiteSettings
from wardround.site_client.between.folders import Tasks, WorkResult
from wardround.site_client.courier.contribution import Contribution
from wardround.site_client.courier.guard import Outgoing
from wardround.site_client.courier.keeping import Keeping
from wardround.site_client.courier.kept_model import KeptModel
from wardround.site_client.courier.own_report import write_own_report
from wardround.site_client.events import Event, EventLog


@dataclass(frozen=True)
class Farewell:
    """Neither a full disk nor a damaged file stands in the way of the end itself: it is said, and tried again."""

    settings: SiteSettings
    agreement: Agreement
    keeping: Keeping
    log: EventLog

    @property
    def _tasks(self) -> Tasks:
        return self.keeping.tasks

    def note(self, task: Task, result: WorkResult, outgoing: Outgoing, sealed: Envelope) -> None:
        """Note a finished piece of work; the final model is kept as soon as it is scored, whatever becomes of the end.

        A full disk must not keep a finished reply from being sent, so it costs no more than the note.
        """
        contribution = Contribution(self.settings.work, self.agreement.plan.digest)
        with contextlib.suppress(OSError):
            contribution.add(task, result, outgoing, sealed, self._tasks.size(outgoing.reply.work_key))
        if TERMS[task.stage].scores_tests:
            self._keep_model()

    def say(self, task: Task) -> None:
        """Say that the run has ended, and why."""
        event = Event.RUN_COMPLETE if task.end is EndReason.COMPLETE else Event.RUN_ENDED
        self.log.record(event, round=task.round, detail=ending_line(task.end))

    def wind_up(self, *, complete: bool) -> None:
        """The run has ended: the newest model stays, and a report. Of a complete run nothing else that came is kept."""
        spared = self._keep_model()
        if complete:
            self.keeping.conclude(spared)
        try:
            page = write_own_report(self.settings, self.agreement)
        except (OSError, InputError) as error:
            self.log.record_fault(Event.REPORT_FAILED, reason=str(error))
        else:
            if page is not None:
                self.log.record_fault(Event.REPORT_WRITTEN, file=str(page))

    def _keep_model(self) -> Digest | None:
        """Keep the newest model that came for this plan; its task, where that failed and the task has to stay."""
        kept = KeptModel(self.settings.work)
        for key, task, base in self._newest_first(kept):
            try:
                envelope = self._tasks.get(key)
                open_task(envelope, self.agreement.invitation.coordinator_key)
                if kept.keep(self.agreement, base, task.round - 1, envelope.payload, task.fitted or EMPTY):
                    self.log.record(Event.MODEL_KEPT, round=task.round - 1, folder=str(kept.folder), model=base)
            except (DamagedError, FileNotFoundError, PayloadError, SealError):
                continue  # one that is damaged, or signed with a former key: the one before it is tried
            except OSError as error:
                reason = error.strerror or str(error)
                self.log.record_fault(Event.MODEL_NOT_KEPT, folder=str(kept.folder), reason=reason)
                return key
            return None
        return None

    def _newest_first(self, kept: KeptModel) -> Iterator[tuple[Digest, Task, Digest]]:
        """Tasks of the plan with their models that came after the one that is kept, the latest first.

        The time of arrival counts, not the number of the round: rounds that were undone have higher ones.
        """
        plan = self.agreement.plan.digest
        since = kept.moment(plan)
        found = [(self._tasks.arrived(key), key, task) for key, task in self._tasks.all() if task.plan == plan]
        for arrived, key, task in sorted(found, key=lambda each: -each[0]):
            if arrived > since and task.base is not None and TERMS[task.stage].needs is Needed.MODEL:
                yield key, task, task.base
