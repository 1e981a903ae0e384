"""What the aggregator did, by name: one line of JSON each, on disk before the work goes on. It holds no secret."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from pydantic import JsonValue

from wardround.federation.event_log import DurableLog, Entry, time_now


class Event(StrEnum):
    """Everything that is recorded."""

    RUN_STARTED = "run_started"
    RUN_RESUMED = "run_resumed"
    RUN_FINISHED = "run_finished"
    RUN_STOPPED = "run_stopped"
    RUN_ENDED = "run_ended"
    RUN_REOPENED = "run_reopened"
    SITE_TOLD = "site_told"
    RUN_CARRIED_ON = "run_carried_on"
    RUN_INTERRUPTED = "run_interrupted"
    LISTENING = "listening"
    KEY_REVOKED = "key_revoked"
    KEY_REPLACED = "key_replaced"
    KEYS_UNREADABLE = "keys_unreadable"
    SITE_ONLINE = "site_online"
    SITE_OFFLINE = "site_offline"
    SITE_DOUBLED = "site_doubled"
    CERTIFICATE = "certificate"
    SITE_ALONE = "site_alone"
    TURNED_AWAY = "turned_away"
    LIMIT_HIT = "limit_hit"
    SURVEY_STARTED = "survey_started"
    SURVEY_ANSWERED = "survey_answered"
    SITE_APART = "site_apart"
    SURVEY_COMMITTED = "survey_committed"
    FITTED = "fitted"
    ROUND_STARTED = "round_started"
    SITE_READY = "site_ready"
    COHORT_CHANGED = "cohort_changed"
    TASK_SENT = "task_sent"
    SITE_STATE = "site_state"
    SITE_TROUBLE = "site_trouble"
    SITE_DECLINED = "site_declined"
    ANSWER_REFUSED = "answer_refused"
    UPDATE_REFUSED = "update_refused"
    REPLY_STORED = "reply_stored"
    RECORD_MENDED = "record_mended"
    OUTPUTS_FAILED = "outputs_failed"
    ROUNDS_UNDONE = "rounds_undone"
    HEAVY_SITE = "heavy_site"
    REPLY_DAMAGED = "reply_damaged"
    WAITING = "waiting"
    ROUND_DECIDED = "round_decided"
    MODEL_WRITTEN = "model_written"
    ROUND_COMMITTED = "round_committed"
    BEST_MODEL = "best_model"


class Journal:
    """Writes events durably and then tells a listener. Thread-safe."""

    def __init__(self, path: Path, listener: Callable[[Entry], None]) -> None:
        self.path = path
        self._file = DurableLog(path)
        self._listener = listener
        self._lock = threading.Lock()

    def record(self, event: Event, **facts: JsonValue) -> None:
        """Write one event, then tell the listener, whose terminal or pipe may be gone: what counts is on disk."""
        with self._lock:  # the listener hears events in the order in which they stand in the file
            entry = Entry(time_now(), event.value, facts)
            self._file.append(entry)
            with contextlib.suppress(OSError):
                self._listener(entry)
