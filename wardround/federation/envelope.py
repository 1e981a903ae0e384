"""What crosses between the aggregator and a site: a signed message and the tensors that belong to it."""

from __future__ import annotations

from dataclasses import dataclass

Payload = bytes | memoryview
"""Packed tensors: in memory, or a view of a file that is mapped."""


@dataclass(frozen=True)
class Envelope:
    """One message in either direction, as the transport sees it: three byte strings whose meaning it does not know.

    Attributes:
        body: canonical JSON of a typed message.
        signature: Ed25519 signature over `body`.
        payload: packed tensors, possibly empty. It travels as one array, whatever its size.
    """

    body: bytes
    signature: bytes
    payload: Payload = b""
