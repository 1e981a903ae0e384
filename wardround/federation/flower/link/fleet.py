"""Answers the requests that passed the gate with Flower's own fleet handlers. No other route exists."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PushMessagesRequest,
)
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest
from flwr.proto.message_pb2 import ConfirmMessageReceivedRequest, PullObjectRequest, PushObjectRequest
from flwr.proto.run_pb2 import GetRunRequest
from flwr.supercore.error import FlowerError
from flwr.supercore.error.catalog import API_ERROR_MAP
from flwr.superlink.servicer.fleet import fleet_handlers

from wardround.federation.flower.link.gate import Answer
from wardround.federation.flower.link.link_state import SiteLinkState


class Protobuf(Protocol):
    """What this module needs of a protobuf message."""

    def ParseFromString(self, serialized: bytes) -> int:  # noqa: N802
        """Read the message from bytes."""

    def SerializeToString(self) -> bytes:  # noqa: N802
        """The message as bytes."""


_Handle = Callable[[Any], Protobuf]

_OK, _MALFORMED, _UNAUTHORIZED, _FAULT = 200, 400, 401, 500


class Fleet:
    """The fleet protocol on a link's state.

    Args:
        state: the link's state.
        key_of: the public key with which a site may speak now, if it may.
        caller: set to the asking site's name while a handler runs.
    """

    def __init__(
        self, state: SiteLinkState, key_of: Callable[[str], bytes | None], caller: ContextVar[str | None]
    ) -> None:
        self._state = state
        self._key_of = key_of
        self._caller = caller
        self.routes = _routes(state)

    def answer(self, site: str, path: str, body: bytes) -> Answer:
        """Answer one request of an authenticated site. `path` is one of `routes`."""
        kind, handle = self.routes[path]
        request = kind()
        try:
            request.ParseFromString(body)
        except Exception:  # protobuf's DecodeError; whatever a peer sent is malformed, and the gate reports the 400
            return Answer(_MALFORMED)
        if not self._speaks_for_itself(site, request):
            return Answer(_UNAUTHORIZED)
        token = self._caller.set(site)
        try:
            return Answer(_OK, handle(request).SerializeToString())
        except FlowerError as error:
            known = API_ERROR_MAP.get(error.code)
            return Answer(known.http_status_code if known is not None else _FAULT)
        finally:
            self._caller.reset(token)

    def _speaks_for_itself(self, site: str, request: Any) -> bool:
        """Whether the node that a request names is the one whose key signed it."""
        if isinstance(request, ActivateNodeRequest):
            return request.public_key == self._key_of(site)
        named = request.node_id if isinstance(request, DeactivateNodeRequest) else request.node.node_id
        return bool(named == self._state.node_id(site))


def _routes(state: SiteLinkState) -> dict[str, tuple[type[Protobuf], _Handle]]:
    """Path -> what its body is and who answers it."""
    store = state.object_store
    handlers = fleet_handlers
    table: dict[str, tuple[type[Protobuf], _Handle]] = {
        "activate-node": (ActivateNodeRequest, lambda asked: handlers.activate_node(asked, state)),
        "deactivate-node": (DeactivateNodeRequest, lambda asked: handlers.deactivate_node(asked, state)),
        "send-node-heartbeat": (SendNodeHeartbeatRequest, lambda asked: handlers.send_node_heartbeat(asked, state)),
        "pull-messages": (PullMessagesRequest, lambda asked: handlers.pull_messages(asked, state, store)),
        "push-messages": (PushMessagesRequest, lambda asked: handlers.push_messages(asked, state)),
        "get-run": (GetRunRequest, lambda asked: handlers.get_run(asked, state)),
        "push-object": (PushObjectRequest, lambda asked: handlers.push_object(asked, state)),
        "pull-object": (PullObjectRequest, lambda asked: handlers.pull_object(asked, state)),
        "confirm-message-received": (
            ConfirmMessageReceivedRequest,
            lambda asked: handlers.confirm_message_received(asked, state, store),
        ),
    }
    return {f"/v1/fleet/{name}": route for name, route in table.items()}
