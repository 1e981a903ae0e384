"""What the courier keeps on the site's disk, how much of it, and for how long."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from wardround.engine.basics.files import DamagedError
from wardround.engine.basics.sizes import shown_size
from wardround.federation.envelope import Envelope
from wardround.federation.protocol import Digest, Done, RefusalCode, Task
from wardround.federation.sealing import SealError, open_reply
from wardround.site_client.agreement.agreement import Refusal
from wardround.site_client.between.folders import Outbox, Results, Tasks, entries, sweep
from wardround.site_client.events import Event, EventLog

_ROUNDS_KEPT = 3


@dataclass(frozen=True)
class Keeping:
    """Tasks and signed replies of one site: looked at when they are read, and removed when nobody will ask for them."""

    tasks: Tasks
    results: Results
    outbox: Outbox
    log: EventLog

    def sweep(self) -> None:
        """Remove what a killed courier left half-written. For the courier, before it begins."""
        left = sweep(self.tasks.root) + sweep(self.outbox.root)
        if left:
            self.log.record_fault(Event.SWEPT, count=left)

    def reply(self, key: Digest, signing_public: str) -> Envelope | None:
        """The signed reply to a work key, if it is here as it was signed. A damaged one is said and removed."""
        with contextlib.suppress(DamagedError):  # which is said below
            kept = self.outbox.get(key)
            if kept is None or _is_as_signed(kept, key, signing_public):
                return kept
        self._say(key, self.outbox.root / key, "the reply is made again from the work's result, or the work done again")
        self.outbox.remove(key)
        return None

    def damaged(self, key: Digest, file: Path, remedy: str) -> None:
        """Say that a file was found damaged, and remove the entry that it belongs to."""
        self._say(key, file, remedy)
        if self.results.root in file.parents:
            self.results.remove(key)
        else:
            self.tasks.remove(key)

    def forget(self, key: Digest) -> None:
        """Remove a task that is of no use, such as one whose model does not fit."""
        if self.tasks.remove(key):
            self.log.record(Event.OUTBOX_PRUNED, work_key=key)

    def forget_those_of_a_former_key(self, public: str) -> None:
        """Remove the tasks that are whole and not signed by the coordinator's key `public`: they are sent again."""
        for key in entries(self.tasks.root):
            if self.tasks.has(key) and not self.tasks.has_changed(key) and not self.tasks.is_signed(key, public):
                self.forget(key)

    def make_way(self, task: Task, key: Digest) -> None:
        """Forget what a new task replaces, and what no task will ask for again.

        That is the accepted round and those before it, what is long past, other work of the same round, work of other
        plans, and what has lost its task.
        """
        past = task.round if task.accepted is not None else task.round - _ROUNDS_KEPT
        known = dict(self.tasks.all())
        for other in {*entries(self.tasks.root), *entries(self.outbox.root)} - {key}:
            held = known.get(other)
            if held is None or held.plan != task.plan or held.round < past or held.round == task.round:
                self._remove(other)

    def make_room(self, key: Digest, needed: int, budget: int) -> None:
        """Keep tasks within `budget` bytes, the oldest going first. Raises `Refusal` for one that is larger itself."""
        if needed > budget:
            raise Refusal(
                RefusalCode.DISK_FULL,
                f"the task's model has {shown_size(needed)}, and policy.yaml lets tasks take {shown_size(budget)} "
                "(`task_megabytes`)",
            )
        others = sorted((self.tasks.arrived(other), other) for other in entries(self.tasks.root) if other != key)
        taken = sum(self.tasks.size(other) for _, other in others)
        for _, other in others:
            if taken + needed <= budget:
                return
            taken -= self.tasks.size(other)
            self._remove(other)

    def conclude(self, spared: Digest | None = None) -> None:
        """After a complete run: no task and no reply is asked for again. `spared` is a task that is needed yet."""
        for key in {*entries(self.tasks.root), *entries(self.outbox.root)}:
            if key == spared:
                self.outbox.remove(key)
            else:
                self._remove(key)

    def _remove(self, key: Digest) -> None:
        self.outbox.remove(key)
        self.tasks.remove(key)
        self.log.record(Event.OUTBOX_PRUNED, work_key=key)

    def _say(self, key: Digest, file: Path, remedy: str) -> None:
        self.log.record(Event.DAMAGE_FOUND, work_key=key, file=str(file), remedy=remedy)


def _is_as_signed(kept: Envelope, key: Digest, signing_public: str) -> bool:
    try:
        reply, _ = open_reply(kept, signing_public)
    except SealError:
        return False
    return isinstance(reply, Done) and reply.work_key == key
