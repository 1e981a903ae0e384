"""Envelopes as Flower messages: one record with the signed body, one array with the payload."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from flwr.app import Array, ArrayRecord, ConfigRecord, Message, RecordDict
from flwr.app.message import make_message, remove_content_from_message
from flwr.app.message.arraychunk import ArrayChunk
from flwr.app.metadata import Metadata
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.inflatable.inflatable_object import (
    InflatableObject,
    get_all_nested_objects,
    get_object_body,
    get_object_children_ids_from_object_content,
    get_object_id,
    get_object_tree,
    get_object_type_from_object_content,
    iterate_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents

from wardround.federation.envelope import Envelope, Payload
from wardround.federation.flower.cargo import ARRAY, ARRAY_KIND, Chunk, cut
from wardround.federation.payload import MAX_PAYLOAD_BYTES

AGGREGATOR_NODE_ID = 1
"""The id by which Flower knows the aggregator's end; a contract test compares it with Flower's constant."""

_MESSAGE_TYPE = "query"
_SIGNED = "signed"
_PACKED = "packed"
WITHOUT_PAYLOAD = 5
"""Objects of a message that carries no payload: the message, its records, the signed part and an empty array."""

_PIECE = ArrayChunk.__qualname__.encode() + b" "

Assemble = Callable[[Iterable[bytes]], Payload]
"""Puts a payload together from the pieces that follow one another."""


class MalformedMessageError(Exception):
    """A message from the other end that is not an envelope. Carries no text of the sender."""


@dataclass(frozen=True)
class Parcel:
    """A message ready to send: its head, the tree of its objects, and the objects by id.

    The pieces of the payload are made into bytes one by one, when they are asked for.
    """

    head: Message
    tree: ObjectTree
    contents: Mapping[str, bytes]
    pieces: Mapping[str, Chunk]

    def has(self, name: str) -> bool:
        """Whether the message has an object of this id."""
        return name in self.contents or name in self.pieces

    def content(self, name: str) -> bytes:
        """An object as it travels. Raises KeyError for other names."""
        return self.contents[name] if name in self.contents else self.pieces[name].deflate()


@dataclass(frozen=True)
class Route:
    """Where a message belongs: its run, its two ends and the message that it answers, if any."""

    run_id: int
    source: int
    destination: int
    reply_to: str = ""


def pack(envelope: Envelope, packed: ArrayRecord, route: Route, lifetime: float) -> Parcel:
    """Turn an envelope into a new message that the link keeps for at most `lifetime` seconds.

    `packed` is the record of the envelope's payload, which may be shared by many messages.
    """
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
    return _parcel(make_message(metadata=metadata, content=_to_records(envelope, packed)))


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
    return _parcel(make_message(metadata=metadata, content=_to_records(envelope, cut(envelope.payload))))


def unpack(message_id: str, contents: dict[str, bytes], pieces: Pieces) -> Envelope:
    """The envelope in a message whose objects have all arrived. Empties `contents`.

    Args:
        message_id: names the message.
        contents: its objects by id, but for the pieces of its payload.
        pieces: gives those, and takes them together.

    Raises:
        MalformedMessageError: the objects do not make up an envelope.
    """
    try:
        array = next(name for name, content in contents.items() if _kind(content) == Array.__qualname__)
        payload = pieces.assemble(_bodies(contents[array], pieces))
        hollow: dict[str, InflatableObject] = {array: Array(dtype="uint8", shape=(0,), stype=ARRAY_KIND, data=b"")}
        message = cast(Message, inflate_object_from_contents(message_id, contents, objects=hollow))
        signed = cast(ConfigRecord, message.content[_SIGNED])
        cast(ArrayRecord, message.content[_PACKED])[ARRAY]  # the array is where it belongs, or this is no envelope
        return Envelope(_bytes(signed["body"]), _bytes(signed["signature"]), payload)
    except OSError:
        raise  # of this machine's disk, not of the message
    except Exception as error:  # whatever a peer sent, it must end here
        raise MalformedMessageError("the message's objects do not make up an envelope") from error


@dataclass(frozen=True)
class Pieces:
    """Where the pieces of a payload lie once they have arrived.

    Attributes:
        read: a piece by id, or None when it is not there.
        assemble: makes the payload of them.
        limit: most bytes that the payload may have.
    """

    read: Callable[[str], bytes | None]
    assemble: Assemble
    limit: int = MAX_PAYLOAD_BYTES


def is_piece(content: bytes) -> bool:
    """Whether an object is a piece of a payload."""
    return content.startswith(_PIECE)


def is_named(name: str, content: bytes) -> bool:
    """Whether these bytes are what an id names."""
    return get_object_id(content) == name


def _kind(content: bytes) -> str:
    return get_object_type_from_object_content(content)


def _bodies(array: bytes, pieces: Pieces) -> Iterator[bytes]:
    """The payload's bytes, piece by piece, as the array orders them."""
    names = get_object_children_ids_from_object_content(array)
    left = pieces.limit
    for index in json.loads(get_object_body(array, Array))["arraychunk_ids"]:
        piece = pieces.read(names[index])
        if piece is None:
            raise ValueError("a piece is missing")
        body = get_object_body(piece, ArrayChunk)
        left -= len(body)
        if left < 0:
            raise ValueError("the payload is too long")
        yield body


def object_ids(tree: ObjectTree) -> list[str]:
    """Ids of all objects of a message, each once, children before parents."""
    return list(dict.fromkeys(node.object_id for node in iterate_object_tree(tree)))


def _parcel(message: Message) -> Parcel:
    with no_object_id_recompute():
        message.metadata.__dict__["_message_id"] = message.object_id
        tree = get_object_tree(message)
        objects = get_all_nested_objects(message)
        pieces = {name: item for name, item in objects.items() if isinstance(item, Chunk)}
        contents = {name: item.deflate() for name, item in objects.items() if name not in pieces}
    return Parcel(remove_content_from_message(message), tree, contents, pieces)


def _to_records(envelope: Envelope, packed: ArrayRecord) -> RecordDict:
    signed = ConfigRecord({"body": envelope.body, "signature": envelope.signature})
    return RecordDict({_SIGNED: signed, _PACKED: packed})


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError(f"expected bytes, got {type(value).__name__}")
    return value
