"""A file of TensorBoard's, written in the calling thread: what the disk does not take is told where it was written.

TensorBoard's own writer hands everything to a thread, which dies of a full disk with a traceback and stays dead.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from pathlib import Path
from typing import Any


class EventFile:
    """A new file of scalars in `folder`. TensorBoard forgets what older files there say of step `forget` and later.

    Every method raises OSError for what cannot be written; the file is then of no more use.
    """

    def __init__(self, folder: Path, forget: int) -> None:
        from tensorboard.compat.proto.event_pb2 import SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads files in the order of their names.
        name = f"events.out.tfevents.{time.time():020.9f}.{socket.gethostname()}.{secrets.token_hex(6)}"
        self._handle = (folder / name).open("xb")
        self._records = RecordWriter(self._handle)
        self._put(file_version="brain.Event:2")
        self._put(step=forget, session_log=SessionLog(status=SessionLog.START))

    def add(self, tag: str, value: float, step: int) -> None:
        """One point of a curve."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._put(step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)]))

    def flush(self) -> None:
        """Have everything on disk."""
        self._handle.flush()
        os.fsync(self._handle.fileno())

    def close(self) -> None:
        """Close the file."""
        self._handle.close()

    def _put(self, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._records.write(Event(wall_time=time.time(), **content).SerializeToString())
