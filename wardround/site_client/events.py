"""What a site's processes did, by name: one line of JSON each, on disk before the work goes on. It holds no secret.

The same lines are the site's audit log. Reasons and tracebacks stand here and nowhere else: what leaves the site is a
code and the `correlation` that the line repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from pydantic import JsonValue

from wardround.engine.basics.loudness import is_quiet
from wardround.engine.basics.printable import complain, printable, say
from wardround.federation.event_log import DurableLog, Entry, Sentences, time_now
from wardround.site_client.between.two_users import common_folder


class Role(StrEnum):
    """Which process of the site writes."""

    COURIER = "courier"
    WORKER = "worker"
    SUPERVISOR = "supervisor"


class Event(StrEnum):
    """Everything that is recorded."""

    STARTED = "started"
    STOPPED = "stopped"
    STANDING = "standing"
    CHILD_STARTED = "child_started"
    CHILD_DIED = "child_died"
    SETTINGS_CHANGED = "settings_changed"
    SETTINGS_REJECTED = "settings_rejected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    RESTING = "resting"
    CLOCK_SKEW = "clock_skew"
    TURNED_AWAY = "turned_away"
    FOREIGN_BUNDLE = "foreign_bundle"
    SECOND_MACHINE = "second_machine"
    ALONE_AGAIN = "alone_again"
    MESSAGE_PULLED = "message_pulled"
    MESSAGE_SENT = "message_sent"
    HELLO_ANSWERED = "hello_answered"
    TASK_PULLED = "task_pulled"
    TASK_REFUSED = "task_refused"
    MODEL_MISSING = "model_missing"
    REPLY_SEALED = "reply_sealed"
    METRICS_WITHHELD = "metrics_withheld"
    OUTBOX_WRITTEN = "outbox_written"
    REPLY_SENT = "reply_sent"
    OUTBOX_PRUNED = "outbox_pruned"
    COHORT_OPENED = "cohort_opened"
    COHORT_UNUSABLE = "cohort_unusable"
    COHORT_CHANGED = "cohort_changed"
    STEPS_CHANGED = "steps_changed"
    TASK_CLAIMED = "task_claimed"
    TASK_SUPERSEDED = "task_superseded"
    TASK_FAILED = "task_failed"
    STATE_COMMITTED = "state_committed"
    STATE_ROLLED_BACK = "state_rolled_back"
    STATE_LOST = "state_lost"
    STATE_DAMAGED = "state_damaged"
    DAMAGE_FOUND = "damage_found"
    SWEPT = "swept"
    RESUMED = "resumed"
    RETRY_LATER = "retry_later"
    FRESH_PROCESS = "fresh_process"
    ACCOUNT_LOST = "account_lost"
    RUN_COMPLETE = "run_complete"
    RUN_ENDED = "run_ended"
    MODEL_KEPT = "model_kept"
    MODEL_NOT_KEPT = "model_not_kept"
    REPORT_WRITTEN = "report_written"
    REPORT_FAILED = "report_failed"
    EVALUATION_DONE = "evaluation_done"
    CASES_SURVEYED = "cases_surveyed"
    TRAINING_PROGRESS = "training_progress"
    CHECKPOINT_SAVED = "checkpoint_saved"
    RESULT_WRITTEN = "result_written"


class EventLog:
    """The log of one process: `events/<role>.jsonl` under the work folder, and a plain line on the terminal.

    A full file is set aside as `<role>.jsonl.1`, and so on.
    """

    def __init__(self, work: Path, role: Role) -> None:
        self.path = log_path(work, role)
        self.role = role
        self._file = DurableLog(self.path)

    def record(self, event: Event, **facts: JsonValue) -> None:
        """Write one event durably, then say it on the terminal if people want to know. Raises OSError."""
        entry = self._entry(event, facts)
        common_folder(self.path.parent.parent, self.path.parent.name)
        self._file.append(entry)
        _say(entry)

    def record_fault(self, event: Event, **facts: JsonValue) -> None:
        """Record what went wrong. Where even that cannot be written, as on a full disk, the terminal has to do."""
        try:
            self.record(event, **facts)
        except OSError as error:
            _say(self._entry(event, facts))
            complain(f"this could not be written to {self.path}: {error.strerror}")

    def _entry(self, event: Event, facts: Mapping[str, JsonValue]) -> Entry:
        return Entry(time_now(), event.value, facts, self.role.value)


def _say(entry: Entry) -> None:
    said = describe(entry)
    if said and not is_quiet():
        say(said)


def log_path(work: Path, role: Role) -> Path:
    """Where the log of a role lies."""
    return work / "events" / f"{role.value}.jsonl"


_TEMPLATES: Mapping[str, str] = {
    Event.STARTED: "started",
    Event.STOPPED: "stopped",
    Event.STANDING: "{detail}",
    Event.CHILD_DIED: "{name} ended with exit code {code}; it starts again in {pause} s",
    Event.SETTINGS_CHANGED: "settings changed: starting again",
    Event.SETTINGS_REJECTED: "the changed settings cannot be used, the former ones stay: {reason}",
    Event.CONNECTING: "connecting to {address}",
    Event.CONNECTED: "connected to {address}",
    Event.DISCONNECTED: "connection lost: {detail}",
    Event.RESTING: "the aggregator has gone, as is to be expected at the end of a run; this site goes on looking "
    "whether something comes next, and may be stopped",
    Event.CLOCK_SKEW: "the aggregator refuses this clock: {detail}. Let this machine set its clock (NTP); then "
    "this site connects by itself",
    Event.TURNED_AWAY: "the aggregator turned this site away: {detail}",
    Event.FOREIGN_BUNDLE: "refused code from the aggregator: {detail}",
    Event.SECOND_MACHINE: "another machine, at {address}, asks with this site's keys; the aggregator refuses it. If it "
    "is none of yours, the keys were copied: tell the coordinator, and make new ones with `site-client rotate-keys`",
    Event.ALONE_AGAIN: "no other machine asks with this site's keys any more",
    Event.HELLO_ANSWERED: "said hello: {train_cases} training and {validation_cases} validation cases",
    Event.TASK_PULLED: "task: {stage} round {round} ({megabytes} MB)",
    Event.TASK_REFUSED: "refused {code}: {reason} (id {correlation})",
    Event.METRICS_WITHHELD: "withheld by policy: {names}",
    Event.REPLY_SENT: "sent the result of round {round}, {megabytes} MB",
    Event.COHORT_OPENED: "ready: {train_cases} training, {validation_cases} validation, {test_cases} test cases",
    Event.COHORT_CHANGED: "the cases have changed, from round {round} on: {added} rows added, {removed} removed, "
    "{changed} with other files or values; known patients keep their sets",
    Event.STEPS_CHANGED: "{detail}",
    Event.COHORT_UNUSABLE: "the cases cannot be used: {reason}",
    Event.TASK_CLAIMED: "working on {stage} round {round}",
    Event.TASK_SUPERSEDED: "stopped work on an older round: a newer one has come",
    Event.TASK_FAILED: "failed {code}: {reason} (id {correlation})",
    Event.STATE_LOST: "the optimiser's state of the accepted round is not here: it starts afresh",
    Event.STATE_DAMAGED: "the optimiser's state of the accepted round is damaged and was moved to {file}: the round "
    "begins with a fresh one, and the aggregator is told",
    Event.DAMAGE_FOUND: "{file} was damaged: {remedy}",
    Event.RESUMED: "goes on after step {step} of {steps} of round {round}, where its last checkpoint was written",
    Event.RETRY_LATER: "the work is tried again after {seconds} s",
    Event.FRESH_PROCESS: "a fresh process is needed after {failures} failures in a row, the last of them {code}",
    Event.ACCOUNT_LOST: "{file} says nothing of the accepted plan, for which work was done here: a new account begins, "
    "and the allowance with it. If you did not remove it, restore it from a backup",
    Event.RUN_COMPLETE: "the run is complete after {round} rounds; waiting for the next one",
    Event.RUN_ENDED: "{detail} (after {round} rounds); waiting for what comes next",
    Event.MODEL_KEPT: "the federation's model after round {round} is kept in {folder}",
    Event.MODEL_NOT_KEPT: "the federation's model cannot be kept in {folder} ({reason}); it is tried again at the next "
    "start of the site client",
    Event.REPORT_WRITTEN: "what this site took part in: {file}",
    Event.REPORT_FAILED: "the report of what this site took part in cannot be written: {reason}",
    Event.CASES_SURVEYED: "summarised {cases} training cases for the fitting of preprocessing: {asked}",
    Event.EVALUATION_DONE: "evaluated the incoming model on {cases} cases",
    Event.TRAINING_PROGRESS: "training {step}/{steps}, loss {loss}",
    Event.RESULT_WRITTEN: "finished {stage} round {round} in {seconds} s",
}
_SENTENCES = Sentences(_TEMPLATES)


def describe(entry: Entry) -> str:
    """An entry as a printable line for people, or an empty text for those that only programs want."""
    said = _SENTENCES.of(entry)
    return printable(f"{entry.time[11:19]} {entry.role}: {said}") if said else ""
