"""A payload as Flower's array of chunks, each named by its content: cut once, shared by every message that carries it.

Chunks are views of the payload. Their bytes on the wire are made when they are asked for, so that a model that goes to
a hundred sites is held once.
"""

from __future__ import annotations

import threading

from flwr.app import Array, ArrayRecord
from flwr.app.message.arraychunk import ArrayChunk
from flwr.supercore.inflatable.inflatable_object import InflatableObject, get_object_id

from wardround.federation.envelope import Payload
from wardround.federation.flower import settings

ARRAY, ARRAY_KIND = "payload", "wardround.bytes"


class Chunk(InflatableObject):
    """A part of a payload under a name that is reckoned once."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._name = get_object_id(self.deflate())

    @property
    def object_id(self) -> str:
        """SHA-256 of the chunk as it travels."""
        return self._name

    def deflate(self) -> bytes:
        """The chunk as it travels."""
        return ArrayChunk(self._view).deflate()


def cut(payload: Payload) -> ArrayRecord:
    """A record that holds the payload as Flower would cut it, without a copy of its bytes."""
    view, step = memoryview(payload), settings.chunk_bytes()
    chunks = [Chunk(view[start : start + step]) for start in range(0, len(view), step)]
    record = ArrayRecord({ARRAY: Array(dtype="uint8", shape=(len(view),), stype=ARRAY_KIND, data=b"")})
    # Where Flower looks before it cuts; the record holds a copy of the array that it was given.
    record[ARRAY].__dict__["_chunks"] = [(chunk.object_id, chunk) for chunk in chunks]
    return record


class Cargo:
    """Cuts payloads, and keeps the last one cut: in a round, every site is sent the same object. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._payload: Payload = b""
        self._record: ArrayRecord | None = None

    def of(self, payload: Payload) -> ArrayRecord:
        """The payload's record. Threads that ask for the same payload wait for the one that cuts it."""
        if not payload:
            return cut(payload)
        with self._lock:
            if payload is not self._payload or self._record is None:
                self._payload, self._record = payload, cut(payload)
            return self._record
