"""One session of a courier with the link, over Flower's fleet client: from activation to the first fault."""

from __future__ import annotations

import random
import ssl
import threading
from functools import partial
from types import TracebackType
from typing import Self

import httpx
from flwr.app import Message
from flwr.common.serde import message_from_proto, message_to_proto
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    ObjectTree,
    PullObjectRequest,
    PushObjectRequest,
)
from flwr.proto.node_pb2 import Node
from flwr.proto.run_pb2 import GetRunRequest

from wardround.federation.envelope import Envelope
from wardround.federation.flower.node.signed_client import open_client
from wardround.federation.flower.node.transfer import in_parallel
from wardround.federation.flower.shelf import Shelf
from wardround.federation.flower.signing import Signer
from wardround.federation.flower.wire import WITHOUT_PAYLOAD, Parcel, Pieces, is_named, is_piece, object_ids, unpack

HEARTBEAT_INTERVAL = 10.0
"""Seconds; the shortest that the link accepts."""

_BEAT_SECONDS = 4.0
_BRISK_SECONDS = 10.0
_BULK_SECONDS = 45.0

HOLD_SECONDS = 5.0
"""How long a poll asks to be held when there is no message; shorter than a brisk request may take."""


class SessionError(Exception):
    """The link answered something that a session cannot go on with. The text is fixed words."""


class Session:
    """An active node, as a context manager. Any error means: leave it and open another.

    Args:
        address: `host:port` of the link.
        tls: the client's context, which holds the federation's authority.
        signer: signs the requests.
        stop: ends transfers that are under way.
        shelf: where what arrives is kept until the whole message is here.

    `lanes` is the number of transfers at a time: one loses the least on a line that is cut often. `moved` counts
    objects that have crossed the line. `second` is the address from which a second machine asks with this site's keys.

    Raises:
        httpx.HTTPError: (from every method) the link could not be reached or answered an error status.
    """

    def __init__(self, address: str, tls: ssl.SSLContext, signer: Signer, stop: threading.Event, shelf: Shelf) -> None:
        signer.renew()
        self._brisk = open_client(address, tls, signer, _BRISK_SECONDS, self._note_second)
        self._bulk = open_client(address, tls, signer, _BULK_SECONDS, self._note_second)
        self._held = open_client(address, tls, signer, _BRISK_SECONDS, self._note_second)
        self._held._client.headers["prefer"] = f"wait={HOLD_SECONDS:.0f}"
        self._public_key = signer.public_key
        self._stop = stop
        self._shelf = shelf
        self.lanes = 1
        self.moved = 0
        self.second = ""
        self._node = Node()
        self._bundles: dict[int, str] = {}
        self._ended = threading.Event()
        self.failed_beat = threading.Event()

    def __enter__(self) -> Self:
        """Activate the node and keep its heart beating."""
        try:
            answer = self._brisk.ActivateNode(
                ActivateNodeRequest(public_key=self._public_key, heartbeat_interval=HEARTBEAT_INTERVAL)
            )
        except BaseException:
            self._close()
            raise
        self._node = Node(node_id=answer.node_id)
        threading.Thread(target=self._beat, name="wardround-heartbeat", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the heart; sign off if nothing failed."""
        self._ended.set()
        try:
            if kind is None:
                self._brisk.DeactivateNode(DeactivateNodeRequest(node_id=self._node.node_id))
        finally:
            self._close()

    def poll(self) -> tuple[Message, ObjectTree] | None:
        """The next message for this node, still without its contents, or None."""
        answer = self._held.PullMessages(PullMessagesRequest(node=self._node))
        if not answer.messages_list:
            return None
        if len(answer.message_object_trees) != 1:
            raise SessionError("message without objects")
        return message_from_proto(answer.messages_list[0]), answer.message_object_trees[0]

    def bundle_of(self, run_id: int) -> str:
        """Hash of the bundle that a run names."""
        if run_id not in self._bundles:
            answer = self._brisk.GetRun(GetRunRequest(node=self._node, run_id=run_id))
            self._bundles[run_id] = answer.run.fab_hash
        return self._bundles[run_id]

    def fetch(self, message: Message, tree: ObjectTree) -> Envelope:
        """The envelope in a message; then tell the link that it may forget it. What is here already is not pulled.

        Raises:
            MalformedMessageError: the message is not an envelope.
        """
        names, run_id = object_ids(tree), message.metadata.run_id
        here = self._shelf.adopt(names) if len(names) > WITHOUT_PAYLOAD else set()
        loose: dict[str, bytes] = {}
        wanted = [name for name in names if name not in here]
        in_parallel([partial(self._pull, run_id, name, loose) for name in wanted], self.lanes, self._stop)
        self._brisk.ConfirmMessageReceived(
            ConfirmMessageReceivedRequest(node=self._node, run_id=run_id, message_object_id=message.metadata.message_id)
        )
        pieces = {name: loose.pop(name) for name in wanted if name in loose and is_piece(loose[name])}
        # In memory only where the disk has no room: that is for the handler to refuse, which knows what it will need.
        together = b"".join if pieces or not self._shelf.has_room_to_assemble() else self._shelf.assemble
        read = Pieces(lambda name: pieces.get(name) or self._shelf.read(name), together)
        return unpack(message.metadata.message_id, loose, read)

    def send(self, reply: Parcel) -> bool:
        """Send a reply. False when the link did not want it any more, because it stopped waiting."""
        run_id = reply.head.metadata.run_id
        answer = self._brisk.PushMessages(
            PushMessagesRequest(
                node=self._node,
                messages_list=[message_to_proto(reply.head)],
                message_object_trees=[reply.tree],
                clientapp_runtime_list=[0.0],
            )
        )
        wanted = list(answer.objects_to_push)
        if not all(map(reply.has, wanted)):
            raise SessionError("link asked for unknown objects")
        push = partial(self._push, run_id, answer.session_id, reply)
        in_parallel([partial(push, name) for name in wanted], self.lanes, self._stop)
        return bool(wanted)

    def _pull(self, run_id: int, name: str, loose: dict[str, bytes]) -> None:
        """Pull one object: a piece of the payload goes to the shelf while that has room, the rest stays at hand."""
        answer = self._bulk.PullObject(PullObjectRequest(node=self._node, run_id=run_id, object_id=name))
        if not answer.object_available:
            raise SessionError("object withdrawn")
        content = answer.object_content
        if not is_named(name, content):
            raise SessionError("object damaged")
        if not (is_piece(content) and self._shelf.put(name, content)):
            loose[name] = content
        self.moved += 1

    def _push(self, run_id: int, session_id: str, reply: Parcel, name: str) -> None:
        answer = self._bulk.PushObject(
            PushObjectRequest(
                node=self._node,
                run_id=run_id,
                session_id=session_id,
                object_id=name,
                object_content=reply.content(name),
            )
        )
        if not answer.stored:
            raise SessionError("object refused")
        self.moved += 1

    def _note_second(self, address: str) -> None:
        self.second = address

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT_SECONDS * random.uniform(0.8, 1.2)):
            try:
                answer = self._brisk.SendNodeHeartbeat(
                    SendNodeHeartbeatRequest(node=self._node, heartbeat_interval=HEARTBEAT_INTERVAL)
                )
            except (httpx.HTTPError, ValueError, RuntimeError):  # the flag makes the session's owner report and leave
                self.failed_beat.set()
                return
            if not answer.success:
                self.failed_beat.set()
                return

    def _close(self) -> None:
        self._brisk.close()
        self._bulk.close()
        self._held.close()
