"""Signed messages: what was changed on the way is not believed, and says so by code."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st

from wardround.engine.basics.canonical import canonical_json, canonical_model
from wardround.federation.envelope import Envelope
from wardround.federation.identities import CoordinatorKey, sign, signing_public_hex
from wardround.federation.payload import pack, payload_digest
from wardround.federation.protocol import Done, RefusalCode, Stage, Task, Working
from wardround.federation.sealing import (
    MAX_BODY_BYTES,
    MAX_REPLY_BYTES,
    SealError,
    SignedNonsenseError,
    open_reply,
    open_task,
    seal_reply,
    seal_task,
)

MODEL = pack({"model/a": np.ones(3, np.float32)})
TASK = Task(
    site="north", plan="a" * 64, stage=Stage.TRAIN, round=1, base=payload_digest(MODEL), work_key="b" * 64, ask="c" * 32
)


@pytest.fixture
def coordinator(tmp_path: Path) -> CoordinatorKey:
    return CoordinatorKey.create(tmp_path)


@pytest.fixture
def site() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def _done(update: str | None) -> Done:
    return Done(site="north", work_key="b" * 64, update=update, train_cases=3, metrics={}, seconds=1)


def _code(envelope: Envelope, public: str) -> RefusalCode:
    with pytest.raises(SealError) as caught:
        open_task(envelope, public)
    return caught.value.code


def test_a_task_comes_back_with_and_without_its_model(coordinator: CoordinatorKey) -> None:
    assert open_task(seal_task(TASK, MODEL, coordinator), coordinator.public) == TASK
    assert open_task(seal_task(TASK, b"", coordinator), coordinator.public) == TASK


def test_a_changed_task_is_refused(coordinator: CoordinatorKey, tmp_path: Path) -> None:
    sealed, public = seal_task(TASK, MODEL, coordinator), coordinator.public
    other = CoordinatorKey.create(tmp_path / "other")
    assert _code(replace(sealed, body=sealed.body.replace(b"north", b"south")), public) is RefusalCode.BAD_SIGNATURE
    assert _code(sealed, other.public) is RefusalCode.BAD_SIGNATURE
    assert _code(replace(sealed, payload=MODEL[:-1] + b"\1"), public) is RefusalCode.BAD_MODEL
    assert _code(replace(sealed, body=b" " * (MAX_BODY_BYTES + 1)), public) is RefusalCode.MALFORMED


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{}", RefusalCode.MALFORMED),
        (b"\xff", RefusalCode.MALFORMED),
        (canonical_json({"protocol": 2, "new": "field"}), RefusalCode.PROTOCOL),
        (canonical_json({"protocol": 1, "new": "field"}), RefusalCode.MALFORMED),
    ],
)
def test_what_is_not_a_task_is_refused(coordinator: CoordinatorKey, body: bytes, code: RefusalCode) -> None:
    signature = coordinator.sign(b"wardround task\n" + body)
    assert _code(Envelope(body, signature), coordinator.public) is code


def test_a_signed_reply_is_no_signed_task(site: ed25519.Ed25519PrivateKey) -> None:
    """A signature is bound to the kind of message: one that a site made cannot be shown as a coordinator's."""
    sealed = seal_reply(_done(None), b"", site)
    assert _code(sealed, signing_public_hex(site)) is RefusalCode.BAD_SIGNATURE
    assert sealed.signature != sign(site, sealed.body)


def test_a_reply_comes_back(site: ed25519.Ed25519PrivateKey) -> None:
    working = Working(site="north", ask="c" * 32, phase="preparing")
    for reply, payload in ((_done(payload_digest(MODEL)), MODEL), (_done(None), b""), (working, b"")):
        assert open_reply(seal_reply(reply, payload, site), signing_public_hex(site)) == (reply, payload)


@pytest.mark.parametrize(("update", "payload"), [("d" * 64, MODEL), (None, MODEL), ("d" * 64, b"")])
def test_an_update_must_be_the_one_that_the_reply_names(
    site: ed25519.Ed25519PrivateKey, update: str | None, payload: bytes
) -> None:
    with pytest.raises(SealError) as caught:
        open_reply(seal_reply(_done(update), payload, site), signing_public_hex(site))
    assert caught.value.code is RefusalCode.MALFORMED


def test_tensors_cannot_ride_along_with_a_reply_that_names_none(site: ed25519.Ed25519PrivateKey) -> None:
    working = Working(site="north", ask="c" * 32, phase="preparing")
    with pytest.raises(SealError):
        open_reply(seal_reply(working, MODEL, site), signing_public_hex(site))


def test_what_is_not_a_reply_is_refused(site: ed25519.Ed25519PrivateKey) -> None:
    body = b'{"type": "gossip"}'
    envelope = Envelope(body, sign(site, b"wardround reply\n" + body))
    with pytest.raises(SealError) as caught:
        open_reply(envelope, signing_public_hex(site))
    assert caught.value.code is RefusalCode.MALFORMED


_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(b"7" * 32)
_KINDS = st.sampled_from(["ready", "missing", "working", "refused", "done", "concluded", "task", "other"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("0" * 64),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)
_FIELDS = st.sampled_from(
    sorted({name for kind in (Done, Working, Task) for name in kind.model_fields} | {"code", "cohort", "correlation"})
)


def _signed(body: bytes, payload: bytes = b"") -> Envelope:
    return Envelope(body, sign(_KEY, b"wardround reply\n" + body), payload)


def _open(envelope: Envelope) -> None:
    """Open a reply; nothing but `SealError` may come of it."""
    with contextlib.suppress(SealError):
        open_reply(envelope, signing_public_hex(_KEY))


@given(st.binary(max_size=300), st.binary(max_size=80), st.binary(max_size=20))
def test_any_bytes_are_a_reply_or_refused(body: bytes, signature: bytes, payload: bytes) -> None:
    _open(Envelope(body, signature, payload))
    _open(_signed(body, payload))


@given(_KINDS, st.dictionaries(_FIELDS, _VALUES, max_size=6))
def test_any_signed_json_is_a_reply_or_refused(kind: str, fields: dict[str, object]) -> None:
    _open(_signed(json.dumps({**fields, "type": kind}).encode()))


@given(_FIELDS, _VALUES)
def test_any_value_in_any_field_of_a_finished_reply_is_a_reply_or_refused(name: str, value: object) -> None:
    body = json.loads(canonical_model(_done(None)))
    _open(_signed(json.dumps({**body, name: value}).encode()))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 300_000,
        b'{"type":"done","loss":' + b"9" * 300_000 + b"}",
        b'{"type":"done","loss":1e999}',
        b'{"type":"done","metrics":{' + b",".join(b'"%d":{}' % number for number in range(30_000)) + b"}}",
        b'{"type":"\xff"}',
        b'{"type":"\\ud800"}',
    ],
    ids=["nested", "long number", "infinite", "many metrics", "bad text", "half a character"],
)
def test_nonsense_that_a_site_has_signed_is_held_against_it(body: bytes) -> None:
    with pytest.raises(SignedNonsenseError):
        open_reply(_signed(body), signing_public_hex(_KEY))


def test_a_reply_that_is_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(SignedNonsenseError, match="too long"):
        open_reply(_signed(b" " * (MAX_REPLY_BYTES + 1)), signing_public_hex(_KEY))
