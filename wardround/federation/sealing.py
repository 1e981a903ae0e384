"""Tasks and replies as signed envelopes. What cannot be opened says why in one word of the protocol."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ed25519
from pydantic import BaseModel, ValidationError

from wardround.engine.basics.canonical import canonical_model
from wardround.engine.basics.releases import later_release
from wardround.federation.envelope import Envelope, Payload
from wardround.federation.identities import CoordinatorKey, sign, verify
from wardround.federation.payload import payload_digest
from wardround.federation.protocol import PROTOCOL, REPLY, Done, RefusalCode, Reply, Task

MAX_BODY_BYTES = 2**20
MAX_REPLY_BYTES = 2**19
"""More than any study's scores need; it bounds what reading a reply can cost."""


class SealError(Exception):
    """An envelope that must not be believed. `code` says why; the text is made of fixed words."""

    def __init__(self, code: RefusalCode, detail: str) -> None:
        self.code = code
        self.detail = detail
        super().__init__(f"{code.value}: {detail}")


class SignedNonsenseError(SealError):
    """A body that its sender has signed and that cannot be used: nobody else can have made it."""


class _Head(BaseModel):
    """The part of a task that every version of the protocol has."""

    protocol: int


def seal_task(task: Task, payload: Payload, key: CoordinatorKey) -> Envelope:
    """A task signed by the coordinator. `payload` is the base model's packed bytes, or empty."""
    body = canonical_model(task)
    return Envelope(body, key.sign(_statement(b"task", body)), payload)


def open_task(envelope: Envelope, coordinator_public: str) -> Task:
    """The task, its signature and its payload's digest checked. Raises `SealError`."""
    if len(envelope.body) > MAX_BODY_BYTES:
        raise SealError(RefusalCode.MALFORMED, "the body is too long")
    _check_signature(b"task", envelope, coordinator_public)
    try:
        if (spoken := _Head.model_validate_json(envelope.body).protocol) != PROTOCOL:
            raise SealError(RefusalCode.PROTOCOL, f"protocol {spoken}, this site speaks {PROTOCOL}")
        task = Task.model_validate_json(envelope.body)
    except ValidationError as error:
        raise SealError(RefusalCode.MALFORMED, f"the body is not a task of this protocol{_why(error)}") from None
    if envelope.payload and payload_digest(envelope.payload) != task.base:
        raise SealError(RefusalCode.BAD_MODEL, "the payload is not the base model that the task names")
    return task


def is_signed_task(body: bytes, signature: bytes, coordinator_public: str) -> bool:
    """Whether this key of a coordinator has signed a task's body."""
    return verify(coordinator_public, _statement(b"task", body), signature)


def seal_reply(reply: Reply, payload: Payload, key: ed25519.Ed25519PrivateKey) -> Envelope:
    """A reply signed by the site. `payload` is the update's packed bytes, or empty."""
    body = canonical_model(reply)
    return Envelope(body, sign(key, _statement(b"reply", body)), payload)


def open_reply(envelope: Envelope, site_public: str) -> tuple[Reply, Payload]:
    """The reply and its payload, the signature and the payload's digest checked. Raises `SealError`."""
    _check_signature(b"reply", envelope, site_public)
    if len(envelope.body) > MAX_REPLY_BYTES:
        raise SignedNonsenseError(RefusalCode.MALFORMED, "the body is too long")
    try:
        reply: Reply = REPLY.validate_json(envelope.body)
    except ValidationError as error:
        words = f"the body is not a reply of this protocol{_why(error)}"
        raise SignedNonsenseError(RefusalCode.MALFORMED, words) from None
    named = reply.update if isinstance(reply, Done) else None
    held = payload_digest(envelope.payload) if envelope.payload else None
    if named != held:
        raise SealError(RefusalCode.MALFORMED, "the payload is not the update that the reply names")
    return reply, envelope.payload


def _why(error: ValidationError) -> str:
    return ": a later release has written it; update the one at this end" if later_release(error, "") else ""


def _statement(kind: bytes, body: bytes) -> bytes:
    return b"wardround " + kind + b"\n" + body


def _check_signature(kind: bytes, envelope: Envelope, public: str) -> None:
    if not verify(public, _statement(kind, envelope.body), envelope.signature):
        raise SealError(RefusalCode.BAD_SIGNATURE, "the signature does not hold")
