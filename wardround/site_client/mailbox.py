"""The folders through which courier and worker hand each other work. What is listed in them is complete and durable.

`tasks/<work key>` and `outbox/<work key>` are written by the courier, `results/<work key>` by the worker. In each the
file that makes an entry count is written last, atomically.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.files import fsync_folder, require_space, write_atomic
from wardround.federation.envelope import Envelope
from wardround.federation.protocol import Count, Digest, MetricName, MetricValue, Task, WireModel

_KEY = re.compile(r"[0-9a-f]{64}")
_HEADROOM = 3
_BODY, _SIGNATURE, _BASE, _UPDATE, _RESULT = (
    "body.json",
    "signature",
    "base.safetensors",
    "update.safetensors",
    "result.json",
)


class WorkResult(WireModel):
    """What the worker found, before the courier's guard has looked at it.

    Attributes:
        update: SHA-256 of the packed update, or None after an evaluation.
        train_cases: cases that it was trained on.
        loss: mean training loss of the round, or None.
        metrics: of the incoming model.
        seconds: time spent computing.
    """

    update: Digest | None
    train_cases: Count
    loss: float | None
    metrics: dict[MetricName, MetricValue]
    seconds: Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class Tasks:
    """Signed tasks with their base models."""

    root: Path

    def put(self, task_key: str, envelope: Envelope) -> None:
        """Keep a task. Raises `InputError` when the disk has no room for it and its results, OSError when it fails."""
        require_space(self.root, _HEADROOM * len(envelope.payload), "a task and its result")
        folder = self.root / task_key
        write_atomic(folder / _BASE, envelope.payload)
        write_atomic(folder / _SIGNATURE, envelope.signature)
        write_atomic(folder / _BODY, envelope.body)
        fsync_folder(self.root)

    def has(self, task_key: str) -> bool:
        """Whether the task is here with its model."""
        return (self.root / task_key / _BODY).exists()

    def get(self, task_key: str) -> Envelope:
        """The task as it came. Raises FileNotFoundError when it is not here."""
        folder = self.root / task_key
        return Envelope(
            (folder / _BODY).read_bytes(), (folder / _SIGNATURE).read_bytes(), (folder / _BASE).read_bytes()
        )

    def base(self, task_key: str) -> bytes:
        """The packed base model of a task."""
        return (self.root / task_key / _BASE).read_bytes()

    def newest(self) -> str | None:
        """Work key of the task with the highest round, the last to come among equals; None when there is no task."""
        found = [(task.round, (self.root / key / _BODY).stat().st_mtime_ns, key) for key, task in self._tasks()]
        return max(found)[2] if found else None

    def outdated(self, current: Task, before_round: int) -> tuple[str, ...]:
        """Work keys of the tasks of earlier rounds than `before_round`, and of other plans than that of `current`."""
        return tuple(key for key, task in self._tasks() if task.round < before_round or task.plan != current.plan)

    def remove(self, task_key: str) -> bool:
        """Forget a task; whether there was one."""
        return remove_entry(self.root, task_key)

    def _tasks(self) -> list[tuple[str, Task]]:
        found = []
        for key in entries(self.root):
            with contextlib.suppress(FileNotFoundError, ValidationError):
                found.append((key, Task.model_validate_json((self.root / key / _BODY).read_bytes())))
        return found


@dataclass(frozen=True)
class Results:
    """Finished work of the worker, not yet checked, signed or sent."""

    root: Path

    def put(self, task_key: str, result: WorkResult, update: bytes) -> None:
        """Keep a result and its packed update."""
        folder = self.root / task_key
        if result.update is not None:
            write_atomic(folder / _UPDATE, update)
        write_atomic(folder / _RESULT, canonical_model(result))
        fsync_folder(self.root)

    def has(self, task_key: str) -> bool:
        """Whether the work is finished."""
        return (self.root / task_key / _RESULT).exists()

    def get(self, task_key: str) -> WorkResult:
        """The result. Raises FileNotFoundError when there is none, ValidationError when it is not one."""
        return WorkResult.model_validate_json((self.root / task_key / _RESULT).read_bytes())

    def update(self, task_key: str) -> bytes:
        """The packed update."""
        return (self.root / task_key / _UPDATE).read_bytes()

    def remove(self, task_key: str) -> bool:
        """Forget a result; whether there was one."""
        return remove_entry(self.root, task_key)


@dataclass(frozen=True)
class Outbox:
    """Signed replies, kept until a later task says that the aggregator has accepted them."""

    root: Path

    def put(self, task_key: str, envelope: Envelope) -> None:
        """Keep a signed reply: from now on these bytes are the answer to this work key."""
        folder = self.root / task_key
        if envelope.payload:
            write_atomic(folder / _UPDATE, envelope.payload)
        write_atomic(folder / _SIGNATURE, envelope.signature)
        write_atomic(folder / _BODY, envelope.body)
        fsync_folder(self.root)

    def get(self, task_key: str) -> Envelope | None:
        """The signed reply, or None when there is none yet."""
        folder = self.root / task_key
        if not (folder / _BODY).exists():
            return None
        update = folder / _UPDATE
        payload = update.read_bytes() if update.exists() else b""
        return Envelope((folder / _BODY).read_bytes(), (folder / _SIGNATURE).read_bytes(), payload)

    def remove(self, task_key: str) -> bool:
        """Forget a reply; whether there was one."""
        return remove_entry(self.root, task_key)


def entries(root: Path) -> tuple[str, ...]:
    """Work keys of the entries of a folder, complete or not."""
    if not root.exists():
        return ()
    return tuple(sorted(name for name in os.listdir(root) if _KEY.fullmatch(name)))


def remove_entry(root: Path, task_key: str) -> bool:
    """Remove an entry if there is one; whether there was. The marker goes first, so that no half entry counts."""
    folder = root / task_key
    if not folder.exists():
        return False
    for marker in (_BODY, _RESULT):
        (folder / marker).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    return True
