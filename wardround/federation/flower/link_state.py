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
from flwr.supercore.object_store.in_memory_object_store import InMemoryObjectStore
from flwr.superlink.federation.noop_federation_manager import NoOpFederationManager

from .stub import stub_bundle
from .wire import Parcel, object_ids

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
    """One message that was posted for a site, and the reply as far as it has arrived."""

    message: Message
    outcome: Outcome = Outcome.WAITING
    settled: threading.Event = field(default_factory=threading.Event)
    reply_id: str = ""
    reply_tree: ObjectTree | None = None
    session_id: str = ""
    missing: set[str] = field(default_factory=set)
    received_bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def settle(self, outcome: Outcome) -> None:
        """Fix the outcome, once, and wake whoever waits."""
        with self._lock:
            if self.outcome is Outcome.WAITING:
                self.outcome = outcome
                self.settled.set()


class SharedObjectStore(InMemoryObjectStore):
    """Flower's object store, safe when sites that share objects come and go at the same time."""

    def preregister(self, run_id: int, object_tree: ObjectTree) -> list[str]:
        """Register a message's objects in one step: a shared child must not vanish half-way through."""
        with self.lock_store:
            return super().preregister(run_id, object_tree)


class SiteLinkState(InMemoryLinkState):
    """The link's state for a fixed roster. Methods named as Flower's are called by its fleet handlers.

    Args:
        sites: names and public keys, in Flower's form. Exactly these nodes exist.
        caller: names the authenticated site on whose behalf a fleet handler runs.
        left: called with a site's name when its courier signs off.
        reply_limit: most bytes that one reply may have.
    """

    def __init__(
        self,
        sites: Mapping[str, bytes],
        caller: ContextVar[str | None],
        left: Callable[[str], None],
        reply_limit: int,
    ) -> None:
        super().__init__(NoOpFederationManager(), SharedObjectStore())
        self._caller = caller
        self._left = left
        self._reply_limit = reply_limit
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

    def post(self, parcel: Parcel) -> Attempt:
        """Store a message with all its objects, so that a site that pulls it finds them complete."""
        message_id = parcel.head.metadata.message_id
        session_id = self.start_session(self.run_id)
        for object_id in self.preregister_object_tree(parcel.tree, session_id):
            super().store_object(self.run_id, session_id, object_id, parcel.contents[object_id])
        self._cleanup_push_session(session_id, cleanup_messages=False)
        attempt = Attempt(parcel.head)
        with self._attempts_lock:
            self._attempts[message_id] = attempt
        if self.store_message_ins(parcel.head) is None:
            self.withdraw(attempt)
            raise RuntimeError("Flower's link state refused a message of the aggregator: unknown node or ended run")
        return attempt

    def collect(self, attempt: Attempt) -> dict[str, bytes]:
        """Contents of an answered attempt's reply, by object id; incomplete if the peer cheated."""
        names = object_ids(attempt.reply_tree) if attempt.reply_tree is not None else []
        contents = {name: self.object_store.get(name) for name in names}
        return {name: content for name, content in contents.items() if content}

    def withdraw(self, attempt: Attempt) -> None:
        """Forget a message, its reply and their objects. A reply that comes later is refused."""
        message_id = attempt.message.metadata.message_id
        with self._attempts_lock:
            self._attempts.pop(message_id, None)
            self._sessions.pop(attempt.session_id, None)
        self.delete_messages({message_id})
        self.object_store.delete(message_id)
        if attempt.reply_id:
            self._cleanup_push_session(attempt.session_id, cleanup_messages=False)
            self.object_store.delete(attempt.reply_id)

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
        if attempt is None:
            self._cleanup_push_session(session_id, cleanup_messages=False)
            return False, []
        stored, missing = super().store_message_and_object_tree(message, object_tree, session_id)
        if stored:
            self._await_objects(attempt, object_tree, session_id, missing)
        return stored, missing

    def store_object(self, run_id: int, session_id: str, object_id: str, object_content: bytes) -> bool:
        """Store one object of an accepted reply, up to the limit for one reply."""
        with self._attempts_lock:
            attempt = self._sessions.get(session_id)
            if attempt is None or not self._owns(attempt):
                return False
            attempt.received_bytes += len(object_content)
            if attempt.received_bytes > self._reply_limit:
                return False
        stored = super().store_object(run_id, session_id, object_id, object_content)
        if stored:
            self._count_in(attempt, object_id)
        return stored

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
            if attempt is None or attempt.reply_id or not self._owns(attempt):
                return None
        honest = reply.metadata.src_node_id == attempt.message.metadata.dst_node_id
        return attempt if honest and tree.object_id == reply.metadata.message_id else None

    def _await_objects(self, attempt: Attempt, tree: ObjectTree, session_id: str, missing: list[str]) -> None:
        with self._attempts_lock:
            attempt.reply_id = tree.object_id
            attempt.reply_tree = tree
            attempt.session_id = session_id
            attempt.missing = set(missing)
            self._sessions[session_id] = attempt
        if not missing:
            attempt.settle(Outcome.ANSWERED)

    def _count_in(self, attempt: Attempt, object_id: str) -> None:
        with self._attempts_lock:
            attempt.missing.discard(object_id)
            complete = not attempt.missing
        if complete:
            attempt.settle(Outcome.ANSWERED)

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
