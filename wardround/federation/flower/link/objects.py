"""Flower's object store for what the aggregator sends: small objects, and pieces of a payload made when pulled."""

from __future__ import annotations

from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.object_store.in_memory_object_store import InMemoryObjectStore

from wardround.federation.flower.cargo import Chunk
from wardround.federation.flower.wire import Parcel


class SharedObjectStore(InMemoryObjectStore):
    """Messages that carry the same payload share its pieces, which take up no memory here.

    It is safe when sites that share objects come and go at the same time.
    """

    def __init__(self) -> None:
        super().__init__()
        self._pieces: dict[str, Chunk] = {}

    def preregister(self, run_id: int, object_tree: ObjectTree) -> list[str]:
        """Register a message's objects in one step: a shared child must not vanish half-way through."""
        with self.lock_store:
            return super().preregister(run_id, object_tree)

    def offer(self, run_id: int, parcel: Parcel) -> None:
        """Hold a message with all its objects."""
        with self.lock_store:
            for name in self.preregister(run_id, parcel.tree):
                if name in parcel.pieces:
                    self.store[name].is_available = True
                    self._pieces[name] = parcel.pieces[name]
                else:
                    self.put(name, parcel.content(name))

    def get(self, object_id: str) -> bytes | None:
        """An object as it travels, or None."""
        with self.lock_store:
            piece = self._pieces.get(object_id)
        return super().get(object_id) if piece is None else piece.deflate()

    def delete(self, object_id: str) -> None:
        """Delete an object and what only it refers to."""
        with self.lock_store:
            super().delete(object_id)
            if object_id not in self.store:
                self._pieces.pop(object_id, None)
