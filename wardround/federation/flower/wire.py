"""Envelopes as Flower messages: one record with the signed body, one array with the payload."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import cast

from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.app.message import make_message, remove_content_from_message
from flwr.app.metadata import Metadata
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_tree,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents

from wardround.federation.envelope import Envelope

AGGREGATOR_NODE_ID = 1
"""The id by which Flower knows the aggregator's end; a contract test compares it with Flower's constant."""

_MESSAGE_TYPE = "query"
_SIGNED = "signed"
_PACKED = "packed"
_ARRAY = "payload"
_ARRAY_KIND = "wardround.bytes"


class MalformedMessageError(Exception):
    """A message from the other end that is not an envelope. Carries no text of the sender."""


@dataclass(frozen=True)
class Parcel:
    """A message ready to send: its head, the tree of its objects, and their contents by id."""

    head: Message
    tree: ObjectTree
    contents: dict[str, bytes]


@dataclass(frozen=True)
class Route:
    """Where a message belongs: its run, its two ends and the message that it answers, if any."""

    run_id: int
    source: int
    destination: int
    reply_to: str = ""


def pack(envelope: Envelope, route: Route, lifetime: float) -> Parcel:
    """Turn an envelope into a new message that the link keeps for at most `lifetime` seconds."""
    metadata = Metadata(
        run_id=route.run_id,
        message_id="",
        src_node_id=route.source,
        dst_node_id=route.destination,
        reply_to_message_id=route.reply_to,
        group_id=secrets.token_hex(16),
        created_at=time.time(),
        ttl=lifetime,
        message_type=_MESSAGE_TYPE,
    )
    return _parcel(make_message(metadata=metadata, content=_to_records(envelope)))


def pack_reply(envelope: Envelope, request: Message) -> Parcel:
    """Turn an envelope into the answer to `request`. It takes over the request's lifetime, not this machine's clock."""
    asked = request.metadata
    metadata = Metadata(
        run_id=asked.run_id,
        message_id="",
        src_node_id=asked.dst_node_id,
        dst_node_id=asked.src_node_id,
        reply_to_message_id=asked.message_id,
        group_id=asked.group_id,
        created_at=asked.created_at,
        ttl=asked.ttl,
        message_type=asked.message_type,
    )
    return _parcel(make_message(metadata=metadata, content=_to_records(envelope)))


def unpack(message_id: str, contents: dict[str, bytes]) -> Envelope:
    """The envelope in a message whose objects have all arrived. Empties `contents` to save memory.

    Raises:
        MalformedMessageError: the objects do not make up an envelope.
    """
    try:
        message = cast(Message, inflate_object_from_contents(message_id, contents))
        signed = cast(ConfigRecord, message.content[_SIGNED])
        packed = cast(ArrayRecord, message.content[_PACKED])[_ARRAY]
        return Envelope(_bytes(signed["body"]), _bytes(signed["signature"]), _bytes(packed.data))
    except Exception as error:  # whatever a peer sent, it must end here
        raise MalformedMessageError("the message's objects do not make up an envelope") from error


def object_ids(tree: ObjectTree) -> list[str]:
    """Ids of all objects of a message, each once, children before parents."""
    return list(dict.fromkeys(node.object_id for node in iterate_object_tree(tree)))


def _parcel(message: Message) -> Parcel:
    with no_object_id_recompute():
        message.metadata.__dict__["_message_id"] = message.object_id
        tree = get_object_tree(message)
        contents = {name: item.deflate() for name, item in get_all_nested_objects(message).items()}
    return Parcel(remove_content_from_message(message), tree, contents)


def _to_records(envelope: Envelope) -> RecordDict:
    payload = Array(dtype="uint8", shape=(len(envelope.payload),), stype=_ARRAY_KIND, data=envelope.payload)
    signed = ConfigRecord({"body": envelope.body, "signature": envelope.signature})
    return RecordDict({_SIGNED: signed, _PACKED: ArrayRecord({_ARRAY: payload})})


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"expected bytes, got {type(value).__name__}")
    return value
