"""Flower's link state, narrowed to what a roster of known sites needs.

It lives in the aggregator's memory and starts empty: everything durable is the aggregator's own. Compared with the
stock state, a site may only answer what it was asked, nobody but the aggregator can store an instruction, and a courier
that comes back replaces its old session at once.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum

from flwr.app import Message
from flwr.proto.message_pb2 import ObjectTree
from flwr.server.superlink.linkstate.in_memory_linkstate import InMemoryLinkState
from flwr.supercore.constant import NOOP_FEDERATION_ID
from flwr.supercore.fab import Fab
from flwr.superlink.federation.noop_federation_manager import NoOpFederationManager

from wardround.federation.envelope import Envelope
from wardround.federation.flower.link.arrival import Arrival, UnfitReplyError
from wardround.federation.flower.link.objects import SharedObjectStore
from wardround.federation.flower.link.progress import Progress
from wardround.federation.flower.shelf import Shelf
from wardround.federation.flower.stub import stub_bundle
from wardround.federation.flower.wire import MalformedMessageError, Parcel, is_piece

_OWNER = "<id:none>"
_HEARTBEAT_SECONDS = 10.0
_TASK_TYPE = "flwr-serverapp"


class Outcome(Enum):
    """How one attempt to get an answer stands."""

    WAITING = "waiting"
    ANSWERED = "answered"
    LOST = "lost"
    CLOSED = "closed"


@dataclass
class Attempt:
    """One message that was posted for a site, and the reply as far as it has arrived.

    `progress` hears of every piece that crosses the line, in either direction.
    """

    message: Message
    progress: Progress
    pieces: frozenset[str]
    outcome: Outcome = Outcome.WAITING
    settled: threading.Event = field(default_factory=threading.Event)
    arrival: Arrival | None = None
    session_id: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def settle(self, outcome: Outcome) -> None:
        """Fix the outcome, once, and wake whoever waits."""
        with self._lock:
            if self.outcome is Outcome.WAITING:
                self.outcome = outcome
                self.settled.set()


class SiteLinkState(InMemoryLinkState):
    """The link's state for a fixed roster. Methods named as Flower's are called by its fleet handlers.

    Args:
        sites: names and public keys, in Flower's form. Exactly these nodes exist.
        caller: names the authenticated site on whose behalf a fleet handler runs.
        left: called with a site's name when its courier signs off.
        reply_limit: most bytes that one reply may have.
        shelf: gives the place of the pieces of a site's reply.
    """

    def __init__(
        self,
        sites: Mapping[str, bytes],
        caller: ContextVar[str | None],
        left: Callable[[str], None],
        reply_limit: int,
        shelf: Callable[[str], Shelf],
    ) -> None:
        self._objects = SharedObjectStore()
        super().__init__(NoOpFederationManager(), self._objects)
        self._caller = caller
        self._left = left
        self._reply_limit = reply_limit
        self._shelf = shelf
        self._attempts_lock = threading.Lock()
        self._attempts: dict[str, Attempt] = {}
        self._sessions: dict[str, Attempt] = {}
        self._node_ids: dict[str, int] = {}
        self._names: dict[int, str] = {}
        for name, key in sites.items():
            self.enrol(name, key)
        self.run_id = self._open_run()

    # -- the aggregator's side

    def node_id(self, site: str) -> int:
        """Flower's id of a site in the roster. Raises KeyError for other names."""
        return self._node_ids[site]

    def enrol(self, site: str, key: bytes) -> None:
        """Let a site take part with this key. One that did so with another key keeps its id; its session ends."""
        node_id = self._node_ids.get(site)
        if node_id is None:
            node_id = self._enrol(key)
            self._node_ids[site], self._names[node_id] = node_id, site
            return
        with self.lock:
            known = {pem: other for pem, other in self.node_public_key_to_node_id.items() if other != node_id}
            self.node_public_key_to_node_id = {**known, key: node_id}
            self.nodes[node_id].public_key = key
        self.end_session(site, Outcome.LOST)

    def end_session(self, site: str, outcome: Outcome) -> None:
        """End a site's session; what it was asked and has not answered settles as `outcome`."""
        node_id = self._node_ids[site]
        super().deactivate_node(node_id)
        with self._attempts_lock:
            asked = [one for one in self._attempts.values() if one.message.metadata.dst_node_id == node_id]
        for attempt in asked:
            attempt.settle(outcome)

    def post(self, parcel: Parcel, progress: Progress) -> Attempt:
        """Store a message with all its objects, so that a site that pulls it finds them complete."""
        message_id = parcel.head.metadata.message_id
        self._objects.offer(self.run_id, parcel)
        attempt = Attempt(parcel.head, progress, frozenset(parcel.pieces))
        with self._attempts_lock:
            self._attempts[message_id] = attempt
        if self.store_message_ins(parcel.head) is None:
            self.withdraw(attempt)
            raise RuntimeError("Flower's link state refused a message of the aggregator: unknown node or ended run")
        return attempt

    def has_mail(self, site: str) -> bool:
        """Whether a message waits for this site that it has not pulled."""
        with self._attempts_lock:
            asked = [attempt.message.metadata for attempt in self._attempts.values()]
        return any(one.dst_node_id == self._node_ids[site] and not one.delivered_at for one in asked)

    def collect(self, attempt: Attempt) -> Envelope:
        """An answered attempt's reply. Raises what `Arrival.unpack` raises; its pieces stay while the disk is full."""
        if attempt.arrival is None:
            raise RuntimeError("nothing has arrived")
        try:
            envelope = attempt.arrival.unpack()
        except MalformedMessageError:
            attempt.arrival.finish()
            raise
        attempt.arrival.finish()
        return envelope

    def withdraw(self, attempt: Attempt) -> None:
        """Forget a message, its reply and their objects. A reply that comes later is refused."""
        message_id = attempt.message.metadata.message_id
        with self._attempts_lock:
            self._attempts.pop(message_id, None)
            self._sessions.pop(attempt.session_id, None)
        self.delete_messages({message_id})
        self.object_store.delete(message_id)
        self._cleanup_push_session(attempt.session_id, cleanup_messages=False)

    def close(self) -> None:
        """Wake everyone who still waits for an answer."""
        with self._attempts_lock:
            waiting = list(self._attempts.values())
        for attempt in waiting:
            attempt.settle(Outcome.CLOSED)

    # -- the sites' side: called by Flower's fleet handlers

    def activate_node(self, node_id: int, heartbeat_interval: float) -> bool:
        """Start a site's session, replacing an older one: a killed courier need not wait until that fades."""
        super().deactivate_node(node_id)
        activated = super().activate_node(node_id, heartbeat_interval)
        if activated:
            self._lose_pulled_messages(node_id)
        return activated

    def deactivate_node(self, node_id: int) -> bool:
        """End a site's session."""
        deactivated = super().deactivate_node(node_id)
        self._left(self._names[node_id])
        return deactivated

    def store_message_and_object_tree(
        self, message: Message, object_tree: ObjectTree, session_id: str
    ) -> tuple[bool, list[str]]:
        """Accept a reply from the site that was asked; anything else a site may push is turned away."""
        attempt = self._answerable(message, object_tree)
        arrival = self._arrival(attempt, object_tree) if attempt is not None else None
        if attempt is None or arrival is None or self.store_message_res(message) is None:
            self._cleanup_push_session(session_id, cleanup_messages=False)
            return False, []
        with self._attempts_lock:
            attempt.arrival, attempt.session_id = arrival, session_id
            self._sessions[session_id] = attempt
        # A reply always has new objects of its own, so that it cannot be complete before one more has come.
        return True, arrival.missing

    def store_object(self, run_id: int, session_id: str, object_id: str, object_content: bytes) -> bool:
        """Store one object of an accepted reply, up to the limit for one reply."""
        with self._attempts_lock:
            attempt = self._sessions.get(session_id)
            if attempt is None or attempt.arrival is None or not self._owns(attempt):
                return False
        if not attempt.arrival.accept(object_id, object_content):
            return False
        if is_piece(object_content):
            attempt.progress.note("in", object_id)
        if not attempt.arrival.missing:
            attempt.settle(Outcome.ANSWERED)
        return True

    def get_object(self, run_id: int, object_id: str) -> bytes | None:
        """An object that a site pulls."""
        content = super().get_object(run_id, object_id)
        for attempt in self._asked_of_caller():
            if object_id in attempt.pieces:
                attempt.progress.note("out", object_id)
        return content

    def _on_push_session_expired(self, message_object_ids: set[str]) -> None:
        """Nothing to do: an attempt that gets no complete reply is withdrawn by whoever waits for it."""

    def _cleanup_expired_task_tokens_locked(self) -> None:
        """Nothing to do: the run's only task is this process, so it cannot be gone while anybody asks."""

    # -- helpers

    def _enrol(self, key: bytes) -> int:
        node_id = self.create_node(_OWNER, "none", key, _HEARTBEAT_SECONDS)
        # A node that was never active cannot be sent anything; from here on it counts as one that went offline.
        self.acknowledge_node_heartbeat(node_id, _HEARTBEAT_SECONDS)
        return node_id

    def _open_run(self) -> int:
        bundle = stub_bundle()
        digest = hashlib.sha256(bundle).hexdigest()
        self.store_fab(Fab(digest, bundle, {}))
        run_id = self.create_run("wardround/stub", "1", digest, {}, NOOP_FEDERATION_ID, None, _OWNER, _TASK_TYPE)
        task_id = self.get_run_info(run_ids=[run_id])[0].primary_task_id
        if task_id is None or not self.claim_task(task_id) or not self.activate_task(task_id):
            raise RuntimeError("Flower's link state did not start the run")
        return run_id

    def _owns(self, attempt: Attempt) -> bool:
        site = self._caller.get()
        return site is not None and self._node_ids[site] == attempt.message.metadata.dst_node_id

    def _answerable(self, reply: Message, tree: ObjectTree) -> Attempt | None:
        """The attempt that this reply answers, if it is wanted, not yet answered, and from the site that was asked."""
        with self._attempts_lock:
            attempt = self._attempts.get(reply.metadata.reply_to_message_id)
            if attempt is None or attempt.arrival is not None or not self._owns(attempt):
                return None
        honest = reply.metadata.src_node_id == attempt.message.metadata.dst_node_id
        return attempt if honest and tree.object_id == reply.metadata.message_id else None

    def _arrival(self, attempt: Attempt, tree: ObjectTree) -> Arrival | None:
        """The place for a reply's objects, or None when they are not what a site may send."""
        shelf = self._shelf(self._names[attempt.message.metadata.dst_node_id])
        try:
            return Arrival(tree, shelf, self._reply_limit)
        except UnfitReplyError:
            return None

    def _asked_of_caller(self) -> list[Attempt]:
        with self._attempts_lock:
            return [attempt for attempt in self._attempts.values() if self._owns(attempt)]

    def _lose_pulled_messages(self, node_id: int) -> None:
        """What a site's former session had pulled went with it: settle it as lost, so that it is posted again."""
        with self._attempts_lock:
            pulled = [
                attempt
                for attempt in self._attempts.values()
                if attempt.message.metadata.dst_node_id == node_id and attempt.message.metadata.delivered_at
            ]
        for attempt in pulled:
            attempt.settle(Outcome.LOST)
