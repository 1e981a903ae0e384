"""The folders through which courier and worker hand each other work. What is listed in them is complete and durable.

`tasks/<work key>` and `outbox/<work key>` are written by the courier, `results/<work key>` by the worker. In each the
file that makes an entry count is written last, atomically. What is read is compared with a digest or a signature.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, ValidationError

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.closed import Added
from wardround.engine.basics.files import (
    DamagedError,
    discard,
    fsync_folder,
    read_checked,
    read_whole,
    require_space,
    sweep_left_overs,
    write_atomic,
)
from wardround.engine.preprocessing.requests import CohortSummary
from wardround.federation.envelope import Envelope
from wardround.federation.payload import payload_digest
from wardround.federation.protocol import Count, Digest, MetricName, MetricValue, NumberName, Task, WireModel
from wardround.federation.sealing import is_signed_task
from wardround.site_client.between.two_users import handed_folder, write_handed, write_handed_checked

_KEY = re.compile(r"[0-9a-f]{64}")
_HEADROOM = 3
_BODY, _SIGNATURE, _ARRIVED, _BASE, _UPDATE, _RESULT = (
    "body.json",
    "signature",
    "arrived.sha256",
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
        state_lost: the carried state of the accepted round was lost or damaged: a fresh optimiser was used.
        summary: of the training cases, after a survey.
        numbers: those that the plan's strategy declares.
    """

    update: Digest | None
    train_cases: Count
    loss: float | None
    metrics: dict[MetricName, MetricValue]
    seconds: Annotated[float, Field(ge=0)]
    state_lost: Annotated[bool, Added("0.2.0")] = False
    summary: Annotated[CohortSummary | None, Added("0.3.0")] = None
    numbers: Annotated[dict[NumberName, float], Added("0.3.0")] = Field(default_factory=dict)


@dataclass(frozen=True)
class Tasks:
    """Signed tasks with their base models."""

    root: Path

    @classmethod
    def under(cls, work: Path) -> Self:
        """Those of a site, in its work folder."""
        return cls(work / "tasks")

    def put(self, task_key: str, envelope: Envelope) -> None:
        """Keep a task. Raises `InputError` when the disk has no room for it and its results, OSError when it fails."""
        require_space(self.root, _HEADROOM * len(envelope.payload), "a task and its result")
        remove_entry(self.root, task_key)
        folder = handed_folder(handed_folder(self.root) / task_key)
        write_handed(folder / _BASE, envelope.payload)
        write_handed(folder / _SIGNATURE, envelope.signature)
        write_handed(folder / _ARRIVED, _seal_of(envelope.body, envelope.signature))
        write_handed(folder / _BODY, envelope.body)
        fsync_folder(self.root)

    def has(self, task_key: str) -> bool:
        """Whether the task is here with its model."""
        return (self.root / task_key / _BODY).exists()

    def is_signed(self, task_key: str, coordinator_public: str) -> bool:
        """Whether the task is here with a signature of this coordinator's key."""
        folder = self.root / task_key
        try:
            body, signature = read_whole(folder / _BODY), read_whole(folder / _SIGNATURE)
        except (FileNotFoundError, DamagedError):
            return False
        return is_signed_task(body, signature, coordinator_public)

    def has_changed(self, task_key: str) -> bool:
        """Whether body or signature are no longer what the courier wrote."""
        folder = self.root / task_key
        try:
            sealed = _seal_of(read_whole(folder / _BODY), read_whole(folder / _SIGNATURE))
            return read_whole(folder / _ARRIVED) != sealed
        except FileNotFoundError:
            return False  # a task of release 0.1.0, or one that has just gone
        except DamagedError:
            return True

    def get(self, task_key: str) -> Envelope:
        """The task as it came. Raises FileNotFoundError when it is not here, `DamagedError` where it is unreadable."""
        folder = self.root / task_key
        return Envelope(read_whole(folder / _BODY), read_whole(folder / _SIGNATURE), read_whole(folder / _BASE))

    def base(self, task_key: str, digest: str | None) -> bytes:
        """The packed base model of a task. Raises `DamagedError` when it is not the one of that digest."""
        path = self.root / task_key / _BASE
        content = read_whole(path) if path.exists() else b""
        if payload_digest(content) != digest:
            raise DamagedError(path)
        return content

    def newest(self) -> str | None:
        """Work key of the task that came last; None when there is no task."""
        found = [(self.arrived(key), task.round, key) for key, task in self.all()]
        return max(found)[2] if found else None

    def all(self) -> list[tuple[str, Task]]:
        """Every task that is here and can be read, by work key."""
        found = []
        for key in entries(self.root):
            with contextlib.suppress(FileNotFoundError, DamagedError, ValidationError):
                found.append((key, Task.model_validate_json(read_whole(self.root / key / _BODY))))
        return found

    def arrived(self, task_key: str) -> int:
        """When a task came, in nanoseconds; 0 where it did not come whole."""
        path = self.root / task_key / _BODY
        return path.stat().st_mtime_ns if path.exists() else 0

    def size(self, task_key: str) -> int:
        """Bytes of a task's model."""
        path = self.root / task_key / _BASE
        return path.stat().st_size if path.exists() else 0

    def remove(self, task_key: str) -> bool:
        """Forget a task; whether there was one."""
        return remove_entry(self.root, task_key)


@dataclass(frozen=True)
class Results:
    """Finished work of the worker, not yet checked, signed or sent."""

    root: Path

    @classmethod
    def under(cls, work: Path) -> Self:
        """Those of a site, in its work folder."""
        return cls(work / "results")

    def put(self, task_key: str, result: WorkResult, update: bytes) -> None:
        """Keep a result and its packed update."""
        remove_entry(self.root, task_key)
        folder = handed_folder(handed_folder(self.root) / task_key)
        if result.update is not None:
            write_handed(folder / _UPDATE, update)
        write_handed_checked(folder / _RESULT, canonical_model(result))
        fsync_folder(self.root)

    def has(self, task_key: str) -> bool:
        """Whether the work is finished."""
        return (self.root / task_key / _RESULT).exists()

    def get(self, task_key: str) -> WorkResult:
        """The result. Raises `DamagedError` when it has changed, ValidationError when it is none."""
        return WorkResult.model_validate_json(read_checked(self.root / task_key / _RESULT))

    def update(self, task_key: str, digest: str | None) -> bytes:
        """The packed update, if there is one. Raises `DamagedError` when it is not the one of that digest."""
        path = self.root / task_key / _UPDATE
        if digest is None:
            return b""
        content = read_whole(path) if path.exists() else b""
        if payload_digest(content) != digest:
            raise DamagedError(path)
        return content

    def remove(self, task_key: str) -> bool:
        """Forget a result; whether there was one."""
        return remove_entry(self.root, task_key)


@dataclass(frozen=True)
class Outbox:
    """Signed replies, kept until a later task says that the aggregator has accepted them."""

    root: Path

    @classmethod
    def under(cls, work: Path) -> Self:
        """Those of a site, in its work folder."""
        return cls(work / "outbox")

    def put(self, task_key: str, envelope: Envelope) -> None:
        """Keep a signed reply: from now on these bytes are the answer to this work key."""
        remove_entry(self.root, task_key)
        folder = self.root / task_key
        if envelope.payload:
            write_atomic(folder / _UPDATE, envelope.payload)
        write_atomic(folder / _SIGNATURE, envelope.signature)
        write_atomic(folder / _BODY, envelope.body)
        fsync_folder(self.root)

    def has(self, task_key: str) -> bool:
        """Whether the reply is here."""
        return (self.root / task_key / _BODY).exists()

    def get(self, task_key: str) -> Envelope | None:
        """The signed reply as it lies here, or None when there is none yet. Raises `DamagedError`."""
        folder = self.root / task_key
        if not self.has(task_key):
            return None
        signature, update = folder / _SIGNATURE, folder / _UPDATE
        payload = read_whole(update) if update.exists() else b""
        return Envelope(read_whole(folder / _BODY), read_whole(signature) if signature.exists() else b"", payload)

    def remove(self, task_key: str) -> bool:
        """Forget a reply; whether there was one."""
        return remove_entry(self.root, task_key)


def entries(root: Path) -> tuple[str, ...]:
    """Work keys of the entries of a folder, complete or not."""
    if not root.exists():
        return ()
    return tuple(sorted(name for name in os.listdir(root) if _KEY.fullmatch(name)))


def sweep(root: Path) -> int:
    """Remove what a kill left half-written under the folder of entries; how many files and folders that were.

    For the one process that writes there, before it begins.
    """
    left = len(sweep_left_overs(root))
    for key in entries(root):
        if not any((root / key / marker).exists() for marker in (_BODY, _RESULT)):
            shutil.rmtree(root / key, ignore_errors=True)
            left += 1
    return left


def _seal_of(body: bytes, signature: bytes) -> bytes:
    return hashlib.sha256(body + b"\n" + signature).hexdigest().encode()


def remove_entry(root: Path, task_key: str) -> bool:
    """Remove an entry if there is one; whether there was. The marker goes first, so that no half entry counts."""
    folder = root / task_key
    if not folder.exists():
        return False
    if not folder.is_dir():
        discard(folder)
        return True
    for marker in (_BODY, _RESULT):
        discard(folder / marker)
    shutil.rmtree(folder, ignore_errors=True)
    return True
