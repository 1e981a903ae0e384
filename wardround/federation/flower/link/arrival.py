"""A site's reply on its way in: the pieces of its update go to disk as they come, the rest is a few small objects."""

from __future__ import annotations

import re
import threading

from flwr.proto.message_pb2 import ObjectTree

from wardround.federation.envelope import Envelope
from wardround.federation.flower.shelf import Shelf
from wardround.federation.flower.wire import WITHOUT_PAYLOAD, Pieces, is_named, is_piece, object_ids, unpack

_SMALLEST_PIECE = 4096
_NAME = re.compile(r"[0-9a-f]{64}")


class UnfitReplyError(Exception):
    """A reply that has other objects than a site may send."""


class Arrival:
    """One reply. What an earlier attempt has brought of the same update is there from the start. Thread-safe.

    Args:
        tree: the objects that the reply consists of.
        shelf: where the site's pieces are kept.
        limit: most bytes that the reply may have.

    Raises:
        UnfitReplyError: too many objects for the limit, or names that are none.
    """

    def __init__(self, tree: ObjectTree, shelf: Shelf, limit: int) -> None:
        names = object_ids(tree)
        if len(names) > WITHOUT_PAYLOAD + limit // _SMALLEST_PIECE or not all(map(_NAME.fullmatch, names)):
            raise UnfitReplyError
        self._root = tree.object_id
        self._shelf = shelf
        self._limit = limit
        here = shelf.adopt(names) if len(names) > WITHOUT_PAYLOAD else set()
        self._received = shelf.held() if here else 0
        self._missing = {name: None for name in names if name not in here}
        self._contents: dict[str, bytes] = {}
        self._lock = threading.Lock()

    @property
    def missing(self) -> list[str]:
        """Objects that have not arrived, children before parents."""
        with self._lock:
            return list(self._missing)

    def accept(self, name: str, content: bytes) -> bool:
        """Take an object in; False when it is not wanted, not what its name says, too much, or there is no room."""
        with self._lock:
            self._received += len(content)
            if name not in self._missing or self._received > self._limit:
                return False
        if not is_named(name, content) or (is_piece(content) and not self._shelf.put(name, content)):
            return False
        with self._lock:
            if not is_piece(content):
                self._contents[name] = content
            self._missing.pop(name, None)
        return True

    def unpack(self) -> Envelope:
        """The reply, once nothing is missing; a large update is mapped from a file that goes with the last use of it.

        Raises:
            MalformedMessageError: its objects do not make up an envelope.
            OSError: the disk is full.
        """
        pieces = Pieces(self._shelf.read, self._shelf.assemble, self._limit)
        return unpack(self._root, dict(self._contents), pieces)

    def finish(self) -> None:
        """Forget the pieces: the reply has been read."""
        self._shelf.clear()
